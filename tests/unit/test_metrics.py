"""Error metrics of rollouts, compared with closed forms, and undefined cases."""

import itertools
import json

import numpy as np
import pytest

from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.evaluation.measures.metrics import (
    MEASURES,
    compute_metrics,
    rollout_errors,
    summarize,
)

SCALAR = (FieldLayout("u"),)
VECTOR = (FieldLayout("velocity", components=("x", "y")),)


def _sine(points: int = 64) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(points) / points)


def test_measures_of_an_amplitude_error_match_their_closed_forms() -> None:
    # u = 3 + sin, prediction 3 + 1.2 sin: error 0.2 sin with mean square 0.02; variance 0.5.
    truth = 3 + _sine()[None, None, None]
    metrics = compute_metrics(truth + 0.2 * _sine(), truth, SCALAR)
    assert metrics["vrmse"] == pytest.approx(0.2, rel=1e-12)
    assert metrics["nrmse"] == pytest.approx(np.sqrt(0.02 / 9.5), rel=1e-12)
    assert metrics["relative_l2"] == pytest.approx(metrics["nrmse"], rel=1e-12)


def test_variance_of_a_vector_is_about_each_components_own_mean() -> None:
    truth = np.stack([10 + _sine(), -5 + 2 * _sine()])[None, None]
    error = np.stack([0.3 * _sine(), 0.4 * _sine()])
    metrics = compute_metrics(truth + error, truth, VECTOR)
    assert metrics["vrmse"] == pytest.approx(np.sqrt((0.09 + 0.16) / (1 + 4)), rel=1e-12)


def test_means_run_over_simulations_lead_times_and_fields() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(3, 4, 3, 6, 5))
    prediction = truth + rng.normal(size=truth.shape)
    layouts = (*SCALAR, *VECTOR)
    metrics = compute_metrics(prediction, truth, layouts)
    expected = np.empty((3, 4, 2))
    fields = enumerate([slice(0, 1), slice(1, 3)])
    for (f, channels), s, t in itertools.product(fields, range(3), range(4)):
        u, p = truth[s, t, channels], prediction[s, t, channels]
        spread = sum(component.var() for component in u)
        expected[s, t, f] = np.sqrt(((p - u) ** 2).mean(axis=(1, 2)).sum() / spread)
    assert metrics["vrmse"] == pytest.approx(expected.mean(), rel=1e-12)
    assert metrics["by_lead_time"]["vrmse"] == pytest.approx(expected.mean(axis=(0, 2)), rel=1e-12)
    by_field = [metrics["by_field"][name]["vrmse"] for name in ("u", "velocity")]
    assert by_field == pytest.approx(expected.mean(axis=(0, 1)), rel=1e-12)
    spread = metrics["range_by_lead_time"]["vrmse"]
    assert spread["min"] == pytest.approx(expected.mean(axis=2).min(axis=0), rel=1e-12)
    assert spread["max"] == pytest.approx(expected.mean(axis=2).max(axis=0), rel=1e-12)


def test_a_perfect_prediction_has_no_error_and_the_mean_has_vrmse_one() -> None:
    truth = 2 + _sine()[None, None, None] * np.arange(1, 4)[:, None, None, None]
    assert compute_metrics(truth, truth, SCALAR)["vrmse"] == 0.0
    mean = np.full_like(truth, 2.0)
    assert compute_metrics(mean, truth, SCALAR)["vrmse"] == pytest.approx(1.0, rel=1e-12)


def test_a_uniform_truth_is_left_out_of_vrmse_and_counted() -> None:
    truth = np.stack([1 + _sine(), np.ones(64)])[None, :, None]
    metrics = compute_metrics(truth + 0.1, truth, SCALAR)
    assert metrics["vrmse"] == pytest.approx(np.sqrt(0.01 / 0.5), rel=1e-12)
    assert metrics["by_lead_time"]["vrmse"][1] is None
    assert metrics["by_lead_time"]["nrmse"][1] == pytest.approx(0.1, rel=1e-12)
    assert metrics["skipped"] == {"vrmse": 1, "nrmse": 0, "relative_l2": 0}


def test_a_turning_point_is_left_out_of_all_errors() -> None:
    # a standing wave's velocity, zero but for the error of the time stepping at lead times 3 and 5
    truth = (np.array([0.5, 1.0, 2e-4, -1.0, 5e-4])[:, None] * _sine())[None, :, None]
    metrics = compute_metrics(truth + 0.01, truth, SCALAR)
    assert metrics["skipped"] == dict.fromkeys(MEASURES, 2)
    expected = 0.01 / np.sqrt(0.5) * np.mean([2.0, 1.0, 1.0])
    assert metrics["vrmse"] == pytest.approx(expected, rel=1e-12)
    assert metrics["nrmse"] == pytest.approx(expected, rel=1e-12)
    assert metrics["by_lead_time"]["vrmse"][2::2] == [None, None]


def test_a_decaying_truth_is_counted_at_every_lead_time() -> None:
    truth = (0.1 ** np.arange(8)[:, None] * _sine())[None, :, None]
    metrics = compute_metrics(1.02 * truth, truth, SCALAR)
    assert metrics["skipped"] == dict.fromkeys(MEASURES, 0)
    assert metrics["vrmse"] == pytest.approx(0.02, rel=1e-9)


def test_rounding_of_single_precision_is_not_variance() -> None:
    rounding = np.float32(1) + np.finfo(np.float32).eps * np.arange(2, dtype=np.float32)
    truth = np.stack([np.tile(rounding, 32), 1 + _sine()])[None, :, None]
    metrics = compute_metrics(truth, truth, SCALAR)
    assert metrics["skipped"]["vrmse"] == 1
    assert metrics["vrmse"] == 0.0


def test_nothing_to_compare_with_is_null_with_a_warning() -> None:
    with pytest.warns(UserWarning) as caught:
        metrics = compute_metrics(np.ones((1, 2, 1, 8)), np.zeros((1, 2, 1, 8)), SCALAR)
    (said,) = [str(warning.message) for warning in caught]
    assert said.startswith(f"{', '.join(MEASURES)}: undefined: at every lead time")
    assert all(metrics[measure] is None for measure in MEASURES)
    assert metrics["skipped"] == dict.fromkeys(MEASURES, 2)
    assert metrics["diverged"] == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_a_divergence_is_reported_and_never_averaged_away(bad: float) -> None:
    truth = np.broadcast_to(1 + _sine(), (2, 5, 1, 64)).copy()
    prediction = truth + 0.1
    prediction[1, 2, 0, 7] = bad  # one point at lead time 3; later lead times are finite again
    metrics = compute_metrics(prediction, truth, SCALAR)
    assert metrics["diverged"] == 1
    assert metrics["diverged_at"] == {"1": 3}
    assert metrics["vrmse"] is None and metrics["by_field"]["u"]["vrmse"] is None
    finite = pytest.approx(np.sqrt(0.02), rel=1e-12)
    assert metrics["by_lead_time"]["vrmse"] == [finite, finite, None, None, None]
    assert metrics["range_by_lead_time"]["vrmse"]["min"] == [finite] * 5
    assert metrics["range_by_lead_time"]["vrmse"]["max"] == [finite, finite, None, None, None]
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_a_divergence_counts_where_the_truth_is_uniform() -> None:
    prediction = np.full((1, 1, 1, 8), np.nan)
    metrics = compute_metrics(prediction, np.ones((1, 1, 1, 8)), SCALAR)
    assert metrics["vrmse"] is None
    assert metrics["skipped"]["vrmse"] == 0
    assert metrics["diverged"] == 1


def test_rollouts_of_different_lengths_are_averaged_where_they_exist() -> None:
    truth = (1 + _sine())[None, None].repeat(3, axis=0)
    long = rollout_errors({"u": truth + 0.1}, {"u": truth}, 0)
    short = rollout_errors({"u": truth[:1] + 0.3}, {"u": truth[:1]}, 5)
    metrics = summarize([long, short])
    unit = 1 / np.sqrt(0.5)
    assert metrics["by_lead_time"]["vrmse"] == pytest.approx(
        [0.2 * unit, 0.1 * unit, 0.1 * unit], rel=1e-12
    )
    assert metrics["vrmse"] == pytest.approx((3 * 0.1 + 0.3) / 4 * unit, rel=1e-12)
    assert metrics["skipped"]["vrmse"] == 0


def test_invalid_arguments_are_rejected() -> None:
    truth = np.ones((1, 2, 1, 8))
    with pytest.raises(ValueError, match=r"\(1, 2, 1, 8\).*\(1, 2, 1, 9\)"):
        compute_metrics(truth, np.ones((1, 2, 1, 9)), SCALAR)
    with pytest.raises(ValueError, match="2 channels"):
        compute_metrics(truth, truth, VECTOR)
    with pytest.raises(
        ValueError, match="simulation 0, field 'u', lead time 1: the truth is infinite"
    ):
        compute_metrics(truth, truth * np.inf, SCALAR)


def test_missing_values_of_the_truth_are_in_no_error() -> None:
    """Metrics compared with an explicit computation over the existing values."""
    rng = np.random.default_rng(0)
    truth = 2 + rng.normal(size=(1, 3, 2, 9, 7))
    prediction = truth + rng.normal(size=truth.shape)
    holes = rng.random(truth.shape) < 0.3
    masked = np.where(holes, np.nan, truth)
    metrics = compute_metrics(prediction, masked, VECTOR)
    assert metrics["missing"] == holes.sum()
    error = np.ma.masked_array((prediction - truth) ** 2, holes).mean(axis=(3, 4)).sum(axis=2)
    spread = np.ma.masked_array(truth, holes).var(axis=(3, 4)).sum(axis=2)
    expected = np.sqrt(error / spread)[0]
    assert metrics["by_lead_time"]["vrmse"] == pytest.approx(expected.tolist(), rel=1e-12)
    whole = compute_metrics(prediction, truth, VECTOR)
    assert whole["missing"] == 0
    assert metrics["vrmse"] != pytest.approx(whole["vrmse"], rel=1e-3)


def test_a_frame_without_truth_is_skipped_but_its_divergence_is_not() -> None:
    truth = np.stack([1 + _sine(), np.full(64, np.nan), 1 + _sine()])[None, :, None]
    prediction = np.nan_to_num(truth, nan=5.0) + 0.1
    metrics = compute_metrics(prediction, truth, SCALAR)
    assert metrics["by_lead_time"]["nrmse"][1] is None
    assert metrics["skipped"] == dict.fromkeys(MEASURES, 1)
    assert (metrics["missing"], metrics["diverged"]) == (64, 0)
    assert metrics["vrmse"] == pytest.approx(0.1 / np.sqrt(0.5), rel=1e-12)
    prediction[0, 1, 0, 3] = np.nan
    metrics = compute_metrics(prediction, truth, SCALAR)
    assert metrics["diverged_at"] == {"0": 2}
    assert metrics["vrmse"] is None
