"""Observations: values visible to training, and sensor readings."""
