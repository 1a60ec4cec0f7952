"""Figures of profile likelihoods."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hybrid_pde.evaluation.figures.style import (
    COLORS,
    grid_lines,
    new_figure,
    plain,
    styled,
)

# Increases shown above the threshold, as a multiple of it.
_SHOWN = 3.0


def profile_panels(parameters: Mapping[str, Any]) -> dict[str, Figure]:
    """Each profile with the threshold of the 90 % interval, a figure for each number.

    Args:
        parameters: Content of ``parameters.yaml``, with ``profiles``.
    """
    found = {}
    for number, (label, curve) in enumerate(parameters["profiles"].items(), 1):
        with styled():
            figure = found[f"profile_{number}"] = new_figure(5.2, 3.6)
            axes = figure.subplots()
            unit = parameters["parameters"][label.partition("[")[0]].get("unit") or ""
            _draw(axes, curve)
            axes.set_xlabel(plain(label.replace("_", " ") + (f"  [{unit}]" if unit else "")))
            axes.set_ylabel("increase of the misfit")
            grid_lines(axes)
    return found


def _draw(axes: Axes, curve: Mapping[str, Any]) -> None:
    """One profile, and the parabola through its innermost points."""
    values, increases = np.array(curve["values"]), np.array(curve["increases"])
    threshold = float(curve["threshold"])
    axes.plot(values, increases, "o-", ms=3, lw=1.2, color=COLORS["physical"], zorder=3)
    axes.axhline(threshold, color=COLORS["persistence"], linewidth=0.8)
    estimate = values[int(np.argmin(np.abs(increases)))]
    away = [(abs(v - estimate), i) for v, i in zip(values, increases, strict=True) if i > 0]
    if away:
        nearest, increase = min(away)
        reach = nearest * sqrt(_SHOWN * threshold / increase)
        line = np.linspace(max(values.min(), estimate - reach), min(values.max(), estimate + reach))
        parabola = increase * ((line - estimate) / nearest) ** 2
        axes.plot(line, parabola, "--", lw=0.8, color=COLORS["persistence"], zorder=2)
    axes.set_ylim(min(0.0, float(increases.min())), _SHOWN * threshold)
