"""Consistency checks between keys of an experiment, and between an experiment and its data."""
