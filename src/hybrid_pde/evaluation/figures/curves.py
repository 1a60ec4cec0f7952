"""Curves: error over lead time, training of the surrogate, calibration of the parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hybrid_pde.evaluation.figures.style import (
    COLORS,
    LABELS,
    LINE_STYLES,
    grid_lines,
    new_figure,
    styled,
)
from hybrid_pde.evaluation.history import component, parameter_columns
from hybrid_pde.evaluation.measures.metrics import PREDICTORS
from hybrid_pde.evaluation.number_format import estimate

STANDARD_DEVIATIONS = 2  # half the width of the band around an estimate, about 95 %


def plot_error_curves(metrics: Mapping[str, Any], measure: str = "vrmse") -> Figure:
    """Error over lead time, a line a predictor, with the range over the simulations.

    A line ends where a simulation diverges, marked with a cross.

    Args:
        metrics: The content of ``metrics.json``.
        measure: ``vrmse``, ``nrmse`` or ``relative_l2``.
    """
    described = metrics["evaluated_on"]
    with styled():
        figure = new_figure(7.0, 4.0)
        axes = figure.subplots()
        drawn = [
            _draw_curve(axes, name, metrics[name], measure, described["dt"])
            for name in PREDICTORS
            if name in metrics
        ]
        count = len(described["simulations"])
        plural = "s" if count > 1 else ""
        axes.set_title(
            f"{count} {described['split']} simulation{plural}" + _shading(metrics, count),
            loc="left",
        )
        axes.set_xlabel(f"lead time t   (one step = {described['dt']:.4g})")
        axes.set_ylabel("VRMSE" if measure == "vrmse" else measure)
        axes.set_xlim(0, None)
        if any(drawn):
            axes.set_yscale("log")
        if measure == "vrmse" and axes.get_ylim()[1] > 0.7:
            axes.axhline(1.0, color="#bbbbbb", linewidth=0.8, zorder=0)
            axes.annotate(
                "as bad as the mean", (1, 1), xycoords=axes.get_yaxis_transform(),
                xytext=(-2, 3), textcoords="offset points", ha="right", fontsize=8.5,
                color="#888888",
            )  # fmt: skip
        grid_lines(axes)
        axes.legend(loc="best")
    return figure


def _draw_curve(axes: Axes, name: str, metrics: Mapping[str, Any], measure: str, dt: float) -> bool:
    """Whether there was anything to draw."""
    mean = np.array(metrics["by_lead_time"][measure], dtype=float)
    low, high = _band(metrics, measure)
    times = dt * np.arange(1, len(mean) + 1)
    # A perfect prediction has no place on a logarithmic axis.
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
    """What is shaded: mean ± std over replicates, or the range over the simulations."""
    spread = metrics.get("replicates", {}).get("by_lead_time", {})
    if measure in spread:
        mean = np.array(metrics["by_lead_time"][measure], dtype=float)
        std = np.array(spread[measure]["std"], dtype=float)
        # what would be below zero has no place on a logarithmic axis
        return np.maximum(mean - std, 1e-2 * mean), mean + std
    bounds = metrics["range_by_lead_time"][measure]
    low, high = (np.array(bounds[end], dtype=float) for end in ("min", "max"))
    return low, high


def _shading(metrics: Mapping[str, Any], simulations: int) -> str:
    """What the title says of the bands."""
    parts = ["smallest to largest"] if simulations > 1 else []
    replicates = metrics.get("synthetic", {}).get("replicates", {}).get("count", 1)
    if replicates > 1:
        parts.append(f"synthetic: ± std of {replicates} trainings")
    return f"; shaded: {'; '.join(parts)}" if parts else ""


def plot_training(history: Mapping[str, Sequence[float]]) -> Figure:
    """Training loss of the surrogate over the epochs, and its validation error where measured."""
    with styled():
        figure = new_figure(7.0, 3.6)
        axes = figure.subplots()
        epochs = np.asarray(history["epoch"])
        axes.plot(epochs, history["train_loss"], color=COLORS["synthetic"], linewidth=1.8)
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        _mark_cycles(axes, epochs, history)
        axes.set_ylabel("training loss", color=COLORS["synthetic"])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        grid_lines(axes)
        validation = np.asarray(history.get("val_vrmse", []), dtype=float)
        if np.isfinite(validation).any():
            measured = np.isfinite(validation)
            twin = axes.twinx()
            twin.plot(
                epochs[measured], validation[measured], color="#009E73", linewidth=1.8,
                linestyle=(0, (4, 1.5)), marker="o" if measured.sum() < 25 else None, markersize=4,
            )  # fmt: skip
            twin.set_yscale("log")
            twin.set_ylabel("validation VRMSE", color="#009E73")
            twin.spines["right"].set_visible(True)
    return figure


def _mark_cycles(axes: Axes, at: np.ndarray, history: Mapping[str, Sequence[float]]) -> None:
    """A line where each hybrid cycle but the first begins."""
    for row in np.flatnonzero(np.diff(history.get("cycle", []))) + 1:
        axes.axvline((at[row - 1] + at[row]) / 2, color="#bbbbbb", linewidth=0.8, zorder=0)


def plot_calibration(
    history: Mapping[str, Sequence[float]], parameters: Mapping[str, Mapping[str, Any]]
) -> Figure:
    """Each parameter over the iterations, with the final value ± 2 standard deviations.

    Args:
        history: Columns ``iteration``, ``loss`` and the parameters; ``cycle`` where there are
            several hybrid cycles.
        parameters: For each name ``value``, ``std``, ``unit``, ``determined``.
    """
    columns = parameter_columns(history, parameters)
    with styled():
        panels = len(columns) + 1
        figure = new_figure(8.4, 3.1 * -(-panels // 2))
        grid = figure.subplots(-(-panels // 2), 2, squeeze=False).ravel()
        # each hybrid cycle counts its own
        iterations = np.asarray(history["iteration"])
        if "cycle" in history:
            iterations = np.arange(len(iterations))
        for axes, (column, (name, index)) in zip(grid, columns.items(), strict=False):
            _draw_parameter(axes, iterations, history[column], parameters[name], index)
            unit = parameters[name].get("unit")
            axes.set_ylabel(f"{column.replace('_', ' ')}" + (f"  [{unit}]" if unit else ""))
        loss = grid[panels - 1]
        values = np.asarray(history["loss"], dtype=float)
        loss.plot(iterations, values, color=COLORS["physical"], linewidth=1.8, marker="o", ms=4)
        if (values > 0).any():
            loss.set_yscale("log")
        loss.set_ylabel("loss")
        for axes in grid[:panels]:
            axes.set_xlabel("iteration")
            _mark_cycles(axes, iterations, history)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            grid_lines(axes)
        for axes in grid[panels:]:
            axes.set_visible(False)
    return figure


def _draw_parameter(
    axes: Axes,
    iterations: np.ndarray,
    values: Sequence[float],
    parameter: Mapping[str, Any],
    index: int,
) -> None:
    color = COLORS["physical"]
    axes.plot(iterations, values, color=color, linewidth=1.8, marker="o", markersize=4, zorder=3)
    final, std = component(parameter["value"], index), component(parameter.get("std"), index)
    if final is None:
        axes.set_title("not determined by the data", loc="left", color="#a00000")
        return
    axes.axhline(final, color=color, linewidth=0.8)
    title = estimate(final, None)
    if std is not None:
        half = STANDARD_DEVIATIONS * std
        axes.axhspan(final - half, final + half, color=color, alpha=0.18, linewidth=0)
        title = f"{estimate(final, half)}  ({STANDARD_DEVIATIONS} std)"
    # On the right: the axis' power of ten stands on the left.
    axes.set_title(title, loc="right", fontsize="small")
