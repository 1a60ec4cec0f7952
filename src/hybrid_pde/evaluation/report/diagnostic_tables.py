"""Table of diagnostics: spectral errors, correlation time, drift, and long rollouts."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.evaluation.measures.metrics import LABELS, PREDICTORS
from hybrid_pde.evaluation.measures.spectra import BANDS
from hybrid_pde.evaluation.number_format import MISSING, ROUNDING, mean_error, number

QUANTITIES = {"integral": "integral", "mean_square": "mean square"}


def diagnostic_rows(metrics: Mapping[str, Any], time_factor: float = 1.0) -> list[dict[str, Any]]:
    """One row per predictor: spectral errors by band, correlation time, drift, growth."""
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
                    lost if value is None else _relative(value)
                    for value in (found["spectral_error"][band] for band in BANDS)
                ],
                "correlation_time": _correlation_time(found, time_factor),
                "drift": "∞" if None in drifts else _relative(max(drifts, default=None)),
                "growth": _growth(found.get("long_rollout")),
            }
        )
    return rows


def conserved_quantity_names(metrics: Mapping[str, Any]) -> list[str]:
    """Quantities conserved by the truth, e.g. ``the integral of density``."""
    kept = metrics.get("evaluated_on", {}).get("conserved", {})
    return [
        f"the {QUANTITIES[quantity]} of {field}"
        for field, quantities in kept.items()
        for quantity in quantities
    ]


def long_steps(metrics: Mapping[str, Any]) -> int | None:
    """Length of the long rollouts; ``None`` without any."""
    lengths = [
        metrics[name]["long_rollout"]["steps"]
        for name in PREDICTORS
        if "long_rollout" in metrics.get(name, {})
    ]
    return lengths[0] if lengths else None


def _relative(value: float | None) -> str:
    """A relative error to two digits, or as a bound where it is rounding."""
    return mean_error(value, 0) if value and value < ROUNDING else number(value, 2)


def _correlation_time(found: Mapping[str, Any], factor: float) -> str:
    """The correlation time; a lower bound if rollouts end while still correlated."""
    time = found["correlation_time"]
    text = number(None if time is None else factor * time, 3)
    return f"≥ {text}" if found["correlation_time_capped"] else text


def _growth(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return MISSING
    if not found["finite"]:
        return f"diverged after {found['lasted']} of {found['steps']} steps"
    return f"× {number(found['growth'], 3)}"
