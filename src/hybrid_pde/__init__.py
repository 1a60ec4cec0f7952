"""Calibrated physical models and neural surrogates from ensembles of PDE simulations."""

import logging

import lazy_loader

# PhiML announces its backend on standard output and in the log; its warnings still appear
logging.getLogger("Φ-ML").setLevel(logging.WARNING)

__version__ = "1.0.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
