"""Uncertainty of whole calibrations: its parts, and how often the interval holds the truth."""

import numpy as np
import pytest

from benchmarks.coverage import SCENARIOS, calibrate, coverage, wilson


def test_wilson_interval() -> None:
    # Agresti and Coull (1998), Am. Stat. 52, 119-126: 0 of 10 gives 0 to 0.278
    assert wilson(0, 10) == pytest.approx((0.0, 0.278), abs=1e-3)


def test_parts_of_noisy_data_add_up_and_an_asked_for_scheme_has_none() -> None:
    _, found = calibrate(SCENARIOS["noise-5"], 0)
    viscosity = found["viscosity"]
    parts = viscosity["uncertainty_parts"]
    assert parts["scheme"] is None
    known = [part for part in parts.values() if part is not None]
    assert viscosity["uncertainty"] == pytest.approx(np.linalg.norm(known))
    assert parts["noise"] >= viscosity["std"]
    assert 0.2 * viscosity["std"] < parts["initial_state"] < 5 * viscosity["std"]
    assert parts["precision"] < 1e-9 * viscosity["value"]
    lower, upper = viscosity["interval_90"]
    assert (lower + upper) / 2 == pytest.approx(viscosity["value"])
    assert upper - lower == pytest.approx(2 * 1.645 * viscosity["uncertainty"], rel=1e-3)


def test_data_that_the_scheme_explains_to_rounding_have_no_discretization_error() -> None:
    equation, found = calibrate(SCENARIOS["float32"], 1)  # linear: the spectral scheme is exact
    velocity = found["velocity"]
    assert len(velocity["uncertainty"]) == 1, "a list, as the value"
    (parts,) = zip(*(p for p in velocity["uncertainty_parts"].values() if p), strict=True)
    assert velocity["uncertainty_parts"]["discretization"][0] < 1e-15
    assert 0 < sum(parts) < 1e-6
    error = abs(velocity["value"][0] - equation.truth["velocity"])
    assert error < 4 * velocity["uncertainty"][0] < 1e-6


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["noise-1", "noise-5", "correlated", "int16"])
def test_the_interval_holds_the_truth_in_most_repetitions(name: str) -> None:
    found = coverage(SCENARIOS[name], 40)
    low, high = wilson(int(found.inside.sum()), len(found.inside))
    assert high >= 0.85 and low <= 0.95, (low, high)
