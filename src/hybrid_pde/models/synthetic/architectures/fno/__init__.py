"""Fourier neural operator."""
