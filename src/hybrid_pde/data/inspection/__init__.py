"""Inspection of raw files: fields, grid, times, parameters, and what is odd."""
