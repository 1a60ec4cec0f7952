"""Parametrizations of field parameters."""
