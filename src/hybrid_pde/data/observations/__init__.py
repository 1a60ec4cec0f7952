"""Observations: which values the training may see, and sensor readings."""
