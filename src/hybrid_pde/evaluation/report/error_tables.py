"""Table of the errors of each predictor, with notes on replicates and run time."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.evaluation.evaluation_warnings import TIMING_ERROR
from hybrid_pde.evaluation.measures.metrics import LABELS, PREDICTORS
from hybrid_pde.evaluation.number_format import duration, mean_error, number


def metric_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per predictor: mean errors, at the first and last step, and by field."""
    rows = []
    for name in (name for name in PREDICTORS if name in metrics):
        found = metrics[name]
        over_time = found["by_lead_time"]["vrmse"]
        errors = {
            "vrmse": found["vrmse"],
            "relative_l2": found["relative_l2"],
            "first": over_time[0],
            "last": over_time[-1],
        }
        rows.append(
            {
                "kind": name,
                "label": LABELS[name],
                **{key: mean_error(value, found["diverged"]) for key, value in errors.items()},
                "spread": _replicate_spread(found),
                "by_field": {
                    key: mean_error(values["vrmse"], found["diverged"])
                    for key, values in found["by_field"].items()
                },
            }
        )
    return rows


def table_notes(metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> list[str]:
    """Sentences below the table of errors, on replicates and run time per step."""
    notes = []
    if replicates := metrics.get("synthetic", {}).get("replicates"):
        notes.append(
            f"The synthetic model's errors are means over {replicates['count']} trainings with "
            "different seeds, ± their standard deviation."
        )
    batch = timing.get("batch", {})
    parts = [
        f"{duration(batch[name])} for the {LABELS[name].lower()}"
        for name in ("synthetic", "physical")
        if name in batch
    ]
    if parts:
        notes.append(
            f"In a batch of {batch['simulations']}, a step takes {' and '.join(parts)} per "
            "simulation."
        )
    speedup = timing.get("speedup", {})
    parts = [
        f"{_speed_ratio(speedup[key])} {what}"
        for key, what in (("one", "for one simulation"), ("batch", "in the batch"))
        if key in speedup
    ]
    if parts:
        notes.append(f"The synthetic model is {' and '.join(parts)}.")
    return notes


def _replicate_spread(found: Mapping[str, Any]) -> str:
    """``± 0.002`` after a mean VRMSE; empty without replicates."""
    replicates = found.get("replicates")
    return f" ± {number(replicates['vrmse']['std'], 2)}" if replicates else ""


def _speed_ratio(ratio: float) -> str:
    """Speed of the surrogate relative to the solver."""
    if abs(ratio - 1) < TIMING_ERROR:
        return "as fast as the physical model"
    return f"{number(ratio, 2)} × faster" if ratio > 1 else f"{number(1 / ratio, 2)} × slower"
