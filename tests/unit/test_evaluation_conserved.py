"""Conserved quantities and the drift of predictions, compared with closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from hybrid_pde.evaluation.measures.conserved import conserved_quantities, drift, summarize_drift
from tests.unit.evaluation_cases import waves

GRID = waves((32,)).grid
X = 2 * np.pi * np.arange(32) / 32


def _travelling(frames: int = 5) -> np.ndarray:
    """``[T + 1, 1, X]`` of 2 + sin(x − t): mean 2, mean square 4.5, both conserved."""
    return np.stack([2 + np.sin(X - 0.1 * t) for t in range(frames)])[:, None]


def test_a_travelling_wave_conserves_both_and_an_offset_is_drift() -> None:
    truth = _travelling()
    prediction = truth[1:] + 0.03 * np.arange(1, 5)[:, None, None]
    found = [drift({"u": prediction}, {"u": truth}, GRID)]
    kept = conserved_quantities(found)
    assert set(kept["u"]) == {"integral", "mean_square"}
    assert kept["u"]["mean_square"] < 1e-12
    summary = summarize_drift(found, kept)["conserved"]["u"]
    offsets = 0.03 * np.arange(1, 5)
    expected = offsets / np.sqrt(4.5)
    assert summary["integral"]["by_lead_time"] == pytest.approx(expected)
    assert summary["integral"]["drift"] == pytest.approx(expected[-1])
    squares = (4 * offsets + offsets**2) / 4.5
    assert summary["mean_square"]["by_lead_time"] == pytest.approx(squares)


def test_a_decaying_wave_conserves_only_its_integral() -> None:
    truth = np.stack([1 + np.exp(-0.1 * t) * np.sin(X) for t in range(5)])[:, None]
    found = [drift({"u": truth[1:]}, {"u": truth}, GRID)]
    assert list(conserved_quantities(found)["u"]) == ["integral"]


def test_a_quantity_must_be_conserved_in_every_simulation() -> None:
    steady, growing = _travelling(), _travelling() * np.linspace(1, 1.1, 5)[:, None, None]
    found = [drift({"u": truth[1:]}, {"u": truth}, GRID) for truth in (steady, growing)]
    assert conserved_quantities(found) == {}
    assert summarize_drift(found, {}) == {"conserved": {}}


def test_points_on_walls_count_half() -> None:
    nodes = replace(GRID, shape=(5,), boundary=((0.0, 0.0),), nodes_on_boundary=(True,))
    given, after = np.array([2.0, 0, 0, 0, 2]), np.array([0.0, 0, 2, 0, 0])
    found = drift({"u": after[None, None]}, {"u": np.stack([given, given])[:, None]}, nodes)
    # two ends of weight ⅛ contribute as much as a point of weight ¼
    assert found.prediction["u"]["integral"] == pytest.approx([0])
    assert found.prediction["u"]["mean_square"] == pytest.approx([0])


def test_the_momentum_of_a_vector_has_a_length() -> None:
    truth = np.repeat(np.stack([np.sin(X), np.cos(X)])[None], 2, axis=0)
    prediction = truth[1:] + np.array([0.3, 0.4])[:, None]
    found = drift({"u": prediction}, {"u": truth}, GRID)
    assert found.prediction["u"]["integral"] == pytest.approx([0.5])  # ⟨|u|²⟩ = 1


def test_a_divergence_has_no_finite_drift_and_missing_values_are_skipped() -> None:
    truth = _travelling()
    prediction = truth[1:].copy()
    prediction[2:] = np.nan
    truth[1, 0, 4] = np.nan
    found = [drift({"u": prediction}, {"u": truth}, GRID)]
    kept = conserved_quantities(found)
    assert set(kept["u"]) == {"integral", "mean_square"}
    summary = summarize_drift(found, kept)["conserved"]["u"]["integral"]
    assert summary["by_lead_time"] == [pytest.approx(0, abs=1e-12)] * 2 + [None, None]
    assert summary["drift"] is None
    truth[0, 0, 0] = np.nan
    assert conserved_quantities([drift({"u": prediction}, {"u": truth}, GRID)]) == {}
