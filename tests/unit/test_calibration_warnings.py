"""Warnings about estimates: when a difference between schemes matters."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical.calibration_warnings import warn_of_rivals

USED, OTHER = SimpleNamespace(label="spectral-4"), SimpleNamespace(label="order-2")


def warn(difference: float, total: float) -> None:
    vector = SimpleNamespace(
        labels=["diffusivity"], read=lambda: np.ones(1), slopes=lambda z: np.ones(1)
    )
    rival = SimpleNamespace(
        values=np.array([1 + difference]), chosen_values=np.ones(1), discretization=OTHER
    )
    uncertainty = SimpleNamespace(std=np.array([1e-5]))
    budget = SimpleNamespace(total=np.array([total]))
    warn_of_rivals(SimpleNamespace(rivals=[rival]), vector, uncertainty, USED, budget)


def test_a_scheme_that_gives_another_value_is_named() -> None:
    with pytest.warns(ResultWarning, match="depends on the scheme: spectral-4 gives 1, order-2"):
        warn(difference=0.02, total=0.011)


def test_a_difference_that_is_small_beside_the_uncertainty_is_no_matter() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn(difference=0.0006, total=0.003)
