"""Figure of the errors over lead time."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hybrid_pde.domain.stated_units import NO_UNITS, StatedUnits, labelled
from hybrid_pde.evaluation.figures.style import (
    COLORS,
    LABELS,
    LINE_STYLES,
    grid_lines,
    mark_rounding,
    new_figure,
    styled,
)
from hybrid_pde.evaluation.measures.metrics import PREDICTORS


def plot_error_curves(
    metrics: Mapping[str, Any],
    measure: str = "vrmse",
    units: StatedUnits = NO_UNITS,
    size: tuple[float, float] = (7.0, 4.0),
) -> Figure:
    """Plot the error of each predictor over lead time, with the range over the simulations.

    A line ends with a cross where a simulation diverges.

    Args:
        metrics: Content of ``metrics.json``.
        measure: ``vrmse``, ``nrmse`` or ``relative_l2``.
        units: The system of the data.
        size: Width and height of the figure [inch].
    """
    described = metrics["evaluated_on"]
    with styled():
        figure = new_figure(*size)
        axes = figure.subplots()
        time_unit, factor = units.shown_time
        dt = factor * described["dt"]
        drawn = [
            _draw_curve(axes, name, metrics[name], measure, dt)
            for name in PREDICTORS
            if name in metrics
        ]
        count = len(described["simulations"])
        plural = "s" if count > 1 else ""
        axes.set_title(
            f"{count} {described['split']} simulation{plural}" + _shading(metrics, count),
            loc="left",
        )
        lead_time, unit = labelled("lead time t", time_unit), f" {time_unit}" if time_unit else ""
        axes.set_xlabel(f"{lead_time}   (one step = {dt:.4g}{unit})")
        axes.set_ylabel("VRMSE" if measure == "vrmse" else measure)
        axes.set_xlim(0, None)
        if any(drawn):
            axes.set_yscale("log")
            mark_rounding(axes)
        if measure == "vrmse" and axes.get_ylim()[1] > 0.7:
            axes.axhline(1.0, color="#bbbbbb", linewidth=0.8, zorder=0)
            axes.annotate(
                "error of the mean field", (0, 1), xycoords=axes.get_yaxis_transform(),
                xytext=(4, 3), textcoords="offset points", ha="left", fontsize=8.5,
                color="#888888", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )  # fmt: skip
        grid_lines(axes)
        axes.legend(loc="best")
    return figure


def _draw_curve(axes: Axes, name: str, metrics: Mapping[str, Any], measure: str, dt: float) -> bool:
    """Draw a predictor's curve; returns whether it has any finite values."""
    mean = np.array(metrics["by_lead_time"][measure], dtype=float)
    low, high = _band(metrics, measure)
    times = dt * np.arange(1, len(mean) + 1)
    # A logarithmic axis cannot show an error of zero.
    mean = np.where(mean > 0, mean, np.nan)
    marker = "o" if np.isfinite(mean).sum() < 2 else None
    axes.fill_between(times, low, high, color=COLORS[name], alpha=0.15, linewidth=0)
    axes.plot(
        times, mean, color=COLORS[name], linestyle=LINE_STYLES[name], linewidth=2.0,
        marker=marker, label=LABELS[name],
    )  # fmt: skip
    if metrics["diverged"] and np.isfinite(mean).any():
        last = int(np.flatnonzero(np.isfinite(mean))[-1])
        axes.plot(
            times[last], mean[last], marker="X", markersize=9, color=COLORS[name],
            markeredgecolor="white", linestyle="none",
            label=f"{LABELS[name]}: {metrics['diverged']} diverged",
        )  # fmt: skip
    return bool(np.isfinite(mean).any())


def _band(metrics: Mapping[str, Any], measure: str) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the shading: mean ± std over replicates, or the range over simulations."""
    spread = metrics.get("replicates", {}).get("by_lead_time", {})
    if measure in spread:
        mean = np.array(metrics["by_lead_time"][measure], dtype=float)
        std = np.array(spread[measure]["std"], dtype=float)
        # a logarithmic axis cannot show a lower bound below zero
        return np.maximum(mean - std, 1e-2 * mean), mean + std
    bounds = metrics["range_by_lead_time"][measure]
    low, high = (np.array(bounds[end], dtype=float) for end in ("min", "max"))
    return low, high


def _shading(metrics: Mapping[str, Any], simulations: int) -> str:
    """Part of the title that explains the shading."""
    parts = ["smallest to largest"] if simulations > 1 else []
    replicates = metrics.get("synthetic", {}).get("replicates", {}).get("count", 1)
    if replicates > 1:
        parts.append(f"synthetic: ± std of {replicates} trainings")
    return f"; shaded: {'; '.join(parts)}" if parts else ""
