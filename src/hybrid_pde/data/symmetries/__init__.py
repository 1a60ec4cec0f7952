"""Symmetry transformations of training windows."""
