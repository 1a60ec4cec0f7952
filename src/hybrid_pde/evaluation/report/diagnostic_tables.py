"""What a report says beside the errors: scales, correlation, drift, long rollouts, and speed."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.evaluation.labels import LABELS
from hybrid_pde.evaluation.measures.metrics import PREDICTORS
from hybrid_pde.evaluation.measures.spectra import BANDS
from hybrid_pde.evaluation.number_format import MISSING, duration, number

QUANTITIES = {"integral": "integral", "mean_square": "mean square"}


def diagnostic_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each predictor: spectral error of each band, correlation time, drift, long run."""
    rows = []
    for name in (name for name in PREDICTORS if "spectral_error" in metrics.get(name, {})):
        found = metrics[name]
        lost = "∞" if found["diverged"] else MISSING
        drifts = [
            quantity["drift"]
            for quantities in found["conserved"].values()
            for quantity in quantities.values()
        ]
        rows.append(
            {
                "kind": name,
                "label": LABELS[name],
                "bands": [
                    lost if value is None else number(value, 2)
                    for value in (found["spectral_error"][band] for band in BANDS)
                ],
                "correlation_time": _lasting(found),
                "drift": "∞" if None in drifts else number(max(drifts, default=None), 2),
                "long": _long(found.get("long_rollout")),
            }
        )
    return rows


def kept_quantities(metrics: Mapping[str, Any]) -> list[str]:
    """What the truth keeps, e.g. ``the integral of density``."""
    kept = metrics.get("evaluated_on", {}).get("conserved", {})
    return [
        f"the {QUANTITIES[quantity]} of {field}"
        for field, quantities in kept.items()
        for quantity in quantities
    ]


def long_steps(metrics: Mapping[str, Any]) -> int | None:
    """Length of the long rollouts, if there are any."""
    lengths = [
        metrics[name]["long_rollout"]["steps"]
        for name in PREDICTORS
        if "long_rollout" in metrics.get(name, {})
    ]
    return lengths[0] if lengths else None


def long_notices(metrics: Mapping[str, Any]) -> list[str]:
    """What happens beyond the data that a reader must know."""
    notices = []
    for name in PREDICTORS:
        found = metrics.get(name, {}).get("long_rollout")
        if found and not found["finite"]:
            notices.append(
                f"{LABELS[name]}: long rollouts leave the finite numbers after {found['lasted']} "
                f"of {found['steps']} steps."
            )
    limited = {
        found["steps"]
        for name in PREDICTORS
        if (found := metrics.get(name, {}).get("long_rollout")) and found["limited"]
    }
    for steps in limited:
        notices.append(
            f"Known parameters that change in time end with the data, and long rollouts with them, "
            f"after {steps} steps."
        )
    return notices


def spread_of_replicates(found: Mapping[str, Any]) -> str:
    """``± 0.002`` behind a mean VRMSE; empty for a single surrogate."""
    replicates = found.get("replicates")
    return f" ± {number(replicates['vrmse']['std'], 2)}" if replicates else ""


def table_notes(metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> list[str]:
    """Sentences below the table of errors: on replicates, and on the time that a step takes."""
    notes = []
    if replicates := metrics.get("synthetic", {}).get("replicates"):
        notes.append(
            f"The synthetic model's errors are means over {replicates['count']} trainings that "
            "differ in their seed, ± their standard deviation."
        )
    batch = timing.get("batch", {})
    parts = [
        f"{duration(batch[name])} of the {LABELS[name].lower()}"
        for name in ("synthetic", "physical")
        if name in batch
    ]
    if parts:
        notes.append(
            f"In a batch of {batch['simulations']}, a step of each takes {' and '.join(parts)}."
        )
    speedup = timing.get("speedup", {})
    parts = [
        f"{_times(speedup[key])} {what}"
        for key, what in (("one", "for one simulation"), ("batch", "in the batch"))
        if key in speedup
    ]
    if parts:
        notes.append(f"The synthetic model is {' and '.join(parts)}.")
    return notes


def _times(ratio: float) -> str:
    return f"{number(ratio, 2)} × faster" if ratio >= 1 else f"{number(1 / ratio, 2)} × slower"


def _lasting(found: Mapping[str, Any]) -> str:
    """The correlation time; a lower bound where rollouts end before the correlation does."""
    text = number(found["correlation_time"], 3)
    return f"≥ {text}" if found["correlation_time_capped"] else text


def _long(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return MISSING
    if not found["finite"]:
        return f"lost after {found['lasted']} of {found['steps']} steps"
    return f"× {number(found['growth'], 3)}"
