"""Readers of raw files, one module a format; new ones are entered in ``base``."""
