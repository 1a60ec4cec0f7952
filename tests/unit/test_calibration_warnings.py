"""Warnings about estimates: when a difference between schemes matters."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical.calibration_warnings import warn_of_rivals, warn_of_shifts

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


@pytest.mark.parametrize(("part", "warns"), [(1e-3, True), (0.0, False), (None, True)])
def test_a_scheme_that_explains_the_data_to_rounding_is_that_of_the_data(part, warns) -> None:
    found = {"value": 1.0, "std": 1e-6, "discretization_error": 0.05}
    found["uncertainty_parts"] = {"noise": 1e-6, "discretization": part}
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        warn_of_shifts({"viscosity": found}, Discretization("finite_difference", 4))
    assert bool(given) == warns
