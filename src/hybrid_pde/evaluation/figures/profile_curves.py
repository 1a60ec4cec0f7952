"""Figure of profile likelihoods."""

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
    panel_grid,
    plain,
    styled,
)

# Increases shown above the threshold, as a multiple of it.
_SHOWN = 3.0


def plot_profiles(parameters: Mapping[str, Any]) -> Figure:
    """Plot each profile with the threshold of the 90 % interval, one panel a number.

    Args:
        parameters: Content of ``parameters.yaml``, with ``profiles``.
    """
    curves = parameters["profiles"]
    with styled():
        figure = new_figure(8.4, 3.2 * -(-len(curves) // 2))
        for axes, (label, curve) in zip(
            panel_grid(figure, len(curves)), curves.items(), strict=True
        ):
            unit = parameters["parameters"][label.partition("[")[0]].get("unit") or ""
            _draw(axes, curve)
            axes.set_xlabel(plain(label.replace("_", " ") + (f"  [{unit}]" if unit else "")))
            axes.set_ylabel("increase of the misfit")
            grid_lines(axes)
    return figure


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
