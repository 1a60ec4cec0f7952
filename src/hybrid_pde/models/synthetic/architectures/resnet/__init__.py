"""Residual network."""
