"""Calibrated physical models and neural surrogates from ensembles of PDE simulations."""
