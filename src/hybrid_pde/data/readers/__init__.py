"""Readers of raw files, one file per format."""
