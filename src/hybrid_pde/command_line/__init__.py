"""The command ``hybrid-pde``, also ``python -m hybrid_pde``."""
