"""Correlations of estimated parameters, and the direction that is determined least."""

import numpy as np
import pytest

from hybrid_pde.evaluation.report.parameter_tables import correlation_rows, least_determined
from hybrid_pde.training.physical.uncertainty import assess


def test_correlations_are_those_of_the_inverse_of_the_normal_equations() -> None:
    jacobian = np.random.default_rng(0).standard_normal((40, 3)) * [1.0, 1e3, 1e-2]
    residual = 0.1 * np.random.default_rng(1).standard_normal(40)
    found = assess(jacobian, residual, 40, 3)
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    deviations = np.sqrt(np.diag(covariance))
    expected = covariance / np.outer(deviations, deviations)
    np.testing.assert_allclose(found.correlations, expected, rtol=1e-9)
    assert found.directions == []


def test_the_least_determined_direction_changes_the_prediction_least() -> None:
    generator = np.random.default_rng(0)
    first, noise = generator.standard_normal((2, 40))
    jacobian = np.column_stack([first, 100 * (first + 0.01 * noise)])
    found = assess(jacobian, noise, 40, 2)
    assert found.least is not None
    assert found.least[1] / found.least[0] == pytest.approx(-0.01, rel=0.05)
    assert found.condition == pytest.approx(200, rel=0.3)
    assert found.correlations[0, 1] < -0.999


def test_an_undetermined_entry_has_no_correlation() -> None:
    jacobian = np.column_stack([np.ones(5), np.zeros(5), np.arange(5.0)])
    found = assess(jacobian, np.ones(5), 5, 3)
    assert np.isnan(found.correlations[1]).all()
    assert found.correlations[0, 2] == pytest.approx(-2 / np.sqrt(6))


def test_the_report_names_the_most_correlated_pairs_and_the_direction() -> None:
    result = {
        "correlations": {"a": {"b": -0.98765, "c": 0.1}, "b": {"c": 0.5}},
        "least_determined": {"weights": {"a": 0.2, "b": -3.0}, "condition": 12.3},
    }
    rows = correlation_rows(result)
    assert [row["correlation"] for row in rows] == ["−0.988", "0.5", "0.1"]
    assert rows[0]["first"] == "a" and rows[0]["second"] == "b"
    assert least_determined(result) == (
        "Least determined: changes of a by 0.2 and b by −3 together. The error along this "
        "direction is 12 times that along the best determined one."
    )
    assert correlation_rows({}) == [] and least_determined({}) == ""
