"""Correlation compared with NumPy, and the correlation time."""

import numpy as np
import pytest

from hybrid_pde.evaluation.measures.correlation import correlation, summarize_correlation

X = 2 * np.pi * np.arange(64) / 64


def _waves(phases: np.ndarray) -> np.ndarray:
    """Waves ``[T, 1, X]``; their correlation with sin x is the cosine of the phase."""
    return np.sin(X + np.asarray(phases)[:, None])[:, None]


def _summary(prediction: np.ndarray, truth: np.ndarray, dt: float = 0.1) -> dict:
    return summarize_correlation([correlation({"u": prediction}, {"u": truth}, dt)], ["u"])


def test_correlation_is_pearsons_over_space() -> None:
    rng = np.random.default_rng(3)
    truth = 5 + rng.normal(size=(4, 1, 6, 7))
    prediction = -2 + 3 * truth + rng.normal(size=truth.shape)
    found = _summary(prediction, truth)["by_lead_time"]["correlation"]
    expected = [
        np.corrcoef(p.ravel(), u.ravel())[0, 1] for p, u in zip(prediction, truth, strict=True)
    ]
    assert found == pytest.approx(expected, rel=1e-12)


def test_components_are_taken_about_their_own_means() -> None:
    rng = np.random.default_rng(4)
    truth, prediction = rng.normal(size=(2, 1, 2, 50))
    offsets = np.array([100.0, -30.0])[:, None]
    found = _summary(prediction + offsets, truth)["by_lead_time"]["correlation"]
    p, u = (values[0] - values[0].mean(axis=1, keepdims=True) for values in (prediction, truth))
    assert found == pytest.approx([(p * u).sum() / np.sqrt((p**2).sum() * (u**2).sum())], rel=1e-9)


def test_the_correlation_time_is_interpolated() -> None:
    phases = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    found = _summary(_waves(phases), _waves(0 * phases))
    before, after = np.cos(0.6), np.cos(0.8)  # 0.825 and 0.697
    expected = 0.1 * (3 + (before - 0.8) / (before - after))
    assert found["correlation_time"] == pytest.approx(expected, rel=1e-9)
    assert found["correlation_time_capped"] == 0
    assert found["by_field"]["u"]["correlation_time"] == pytest.approx(expected, rel=1e-9)


def test_a_correlation_above_the_threshold_lasts_to_the_end() -> None:
    phases = np.full(5, 0.1)
    found = _summary(_waves(phases), _waves(0 * phases), dt=0.3)
    assert found["correlation_time"] == pytest.approx(1.5)
    assert found["correlation_time_capped"] == 1


def test_a_loss_in_the_first_step_is_interpolated_from_the_given_state() -> None:
    found = _summary(_waves(np.array([np.pi / 2])), _waves(np.array([0.0])), dt=2.0)
    assert found["correlation_time"] == pytest.approx(
        0.4
    )  # linear from 1 to 0 over a time of 2: 0.8 after a fifth of it


def test_a_divergence_and_a_uniform_prediction_correlate_with_nothing() -> None:
    truth = _waves(np.zeros(3))
    lost = truth.copy()
    lost[2] = np.inf
    found = _summary(lost, truth, dt=1.0)
    assert found["by_lead_time"]["correlation"] == pytest.approx([1, 1, 0])
    assert found["correlation_time"] == pytest.approx(2.2)
    uniform = _summary(np.ones_like(truth), truth)
    assert uniform["by_lead_time"]["correlation"] == [0, 0, 0]


def test_a_uniform_truth_is_not_counted() -> None:
    truth = np.concatenate([_waves(np.zeros(1)), np.ones((2, 1, 64))])
    found = _summary(_waves(np.zeros(3)), truth)
    assert found["by_lead_time"]["correlation"] == [pytest.approx(1.0), None, None]
    nothing = _summary(_waves(np.zeros(2)), np.ones((2, 1, 64)))
    assert nothing["correlation_time"] is None


def test_missing_values_of_the_truth_are_left_out() -> None:
    rng = np.random.default_rng(5)
    truth, prediction = rng.normal(size=(2, 1, 1, 50))
    full = np.corrcoef(prediction[0, 0, :40], truth[0, 0, :40])[0, 1]
    truth[..., 40:] = np.nan
    found = _summary(prediction, truth)["by_lead_time"]["correlation"]
    assert found == pytest.approx([full], rel=1e-9)
