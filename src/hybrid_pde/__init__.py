"""Calibrated physical models and neural surrogates from ensembles of PDE simulations."""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
