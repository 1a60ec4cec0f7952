"""Dilated residual network."""
