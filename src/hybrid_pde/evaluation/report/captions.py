"""Captions of the figures in the report; each names only what is in its figure."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hybrid_pde.evaluation.history import History
from hybrid_pde.evaluation.measures.metrics import PREDICTORS


def captions(
    metrics: Mapping[str, Any], parameters: Mapping[str, Any], history: History | None
) -> dict[str, str]:
    """Caption of each figure by its name.

    Args:
        metrics: Content of ``metrics.json``.
        parameters: Content of ``parameters.yaml``.
        history: Columns of ``synthetic/history.csv``.
    """
    calibration = "Parameters over the iterations"
    if any(each.get("std") is not None for each in parameters.get("parameters", {}).values()):
        calibration += "; shaded: the estimate ± 2 standard deviations"
    training = "Training loss"
    if np.isfinite(np.asarray((history or {}).get("val_vrmse", []), dtype=float)).any():
        training += " (left axis) and validation error (right axis)"
    return {
        "error_curves": "Error over lead time. A VRMSE of 1 is the error of predicting the mean of "
        "the field.",
        "diagnostics": _diagnostics(metrics),
        "prediction": "Truth, prediction and the magnitude of the error at several lead times. "
        "Truth and predictions share a colour scale; each error has its own.",
        "animation": "Animation of the first of these simulations.",
        "training": f"{training}.",
        "calibration": f"{calibration}.",
        "per_simulation": "Estimate of each simulation, with its 90 % interval where it is larger "
        "than the mark; against the value that its file states, where it states one.",
        "profiles": "Profile likelihood: increase of the smallest misfit as one parameter is held "
        "away from its estimate and the others are fitted. Values below the horizontal line are in "
        "the 90 % interval; dashed: a parabola with the curvature near the estimate.",
    }


def _diagnostics(metrics: Mapping[str, Any]) -> str:
    models = [metrics[name] for name in PREDICTORS if name in metrics and name != "persistence"]
    panels = [
        "Spatial correlation, with the threshold of the correlation time",
        "energy spectrum of the last state, with the bounds of the bands",
    ]
    if any(each.get("conserved") for each in models):
        panels.append("drift of quantities that the truth conserves")
    if any("long_rollout" in each for each in models):
        panels.append(
            "growth of the solution in long rollouts (vertical line: end of the rollouts above)"
        )
    return f"{'; '.join(panels)}."
