"""Sweep over values of an experiment: one experiment file for each combination."""
