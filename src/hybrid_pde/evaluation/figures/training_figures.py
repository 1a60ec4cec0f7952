"""Figures of training histories: loss of the surrogate, parameters over the calibration."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hybrid_pde.evaluation.figures.style import (
    COLORS,
    grid_lines,
    new_figure,
    panel_grid,
    plain,
    save_figure,
    styled,
)
from hybrid_pde.evaluation.history import History, component, parameter_columns
from hybrid_pde.evaluation.number_format import estimate

PICTURES = {"training": "training.png", "calibration": "calibration.png"}
STANDARD_DEVIATIONS = 2  # half the width of the band around an estimate, about 95 %


def write_training_figures(
    folder: str | Path,
    *,
    synthetic: History | None = None,
    physical: History | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, Path]:
    """Draw the given histories, if they have rows.

    Args:
        folder: Folder of the figures.
        synthetic: Columns of ``synthetic/history.csv``.
        physical: Columns of ``physical/history.csv``.
        parameters: Content of ``parameters.yaml``; needed with ``physical``.

    Returns:
        Path of each figure, by its name in ``PICTURES``.
    """
    paths = {}
    if synthetic:
        paths["training"] = Path(folder) / PICTURES["training"]
        save_figure(paths["training"], plot_training(synthetic))
    shown = {
        name: parameter
        for name, parameter in (parameters or {}).get("parameters", {}).items()
        if not parameter.get("per_simulation")  # many calibrations; they have a figure of their own
    }
    if physical and shown:
        paths["calibration"] = Path(folder) / PICTURES["calibration"]
        save_figure(paths["calibration"], plot_calibration(physical, shown))
    return paths


def plot_training(
    history: Mapping[str, Sequence[float]], size: tuple[float, float] = (7.0, 3.6)
) -> Figure:
    """Plot the training loss of the surrogate and its validation error over the epochs.

    Args:
        history: Columns of ``synthetic/history.csv``.
        size: Width and height of the figure [inch].
    """
    with styled():
        figure = new_figure(*size)
        axes = figure.subplots()
        epochs = np.asarray(history["epoch"])
        axes.plot(
            epochs, history["train_loss"], color=COLORS["synthetic"], linewidth=1.8,
            marker="o" if len(epochs) < 2 else None,
        )  # fmt: skip
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


def plot_calibration(
    history: Mapping[str, Sequence[float]], parameters: Mapping[str, Mapping[str, Any]]
) -> Figure:
    """Plot each parameter over the iterations, with the final value ± 2 standard deviations.

    Args:
        history: Columns ``iteration``, ``loss`` and the parameters; ``cycle`` for several hybrid
            cycles.
        parameters: ``value``, ``std``, ``unit``, ``determined`` of each parameter.
    """
    columns = parameter_columns(history, parameters)
    with styled():
        panels = len(columns) + 1
        figure = new_figure(8.4, 3.1 * -(-panels // 2))
        grid = panel_grid(figure, panels)
        # iterations start again in each hybrid cycle
        iterations = np.asarray(history["iteration"])
        if "cycle" in history:
            iterations = np.arange(len(iterations))
        for axes, (column, (name, index)) in zip(grid, columns.items(), strict=False):
            _draw_parameter(axes, iterations, history[column], parameters[name], index)
            axes.set_ylabel(_axis_label(column, parameters[name]))
        _draw_loss(grid[panels - 1], iterations, np.asarray(history["loss"], dtype=float))
        for axes in grid:
            _finish(axes, iterations, history)
    return figure


def calibration_panels(
    history: Mapping[str, Sequence[float]], parameters: Mapping[str, Mapping[str, Any]]
) -> dict[str, Figure]:
    """The panels of :func:`plot_calibration` as figures of their own: each parameter, and loss.

    Arguments as there.
    """
    columns = parameter_columns(history, parameters)
    iterations = np.asarray(history["iteration"])
    if "cycle" in history:
        iterations = np.arange(len(iterations))
    found: dict[str, Figure] = {}
    with styled():
        for number, column in enumerate([*columns, "loss"], 1):
            name = "convergence_loss" if column == "loss" else f"convergence_{number}"
            figure = new_figure(4.9, 2.9)
            axes = figure.subplots()
            if column == "loss":
                _draw_loss(axes, iterations, np.asarray(history["loss"], dtype=float))
            else:
                parameter, index = columns[column]
                _draw_parameter(axes, iterations, history[column], parameters[parameter], index)
                axes.set_ylabel(_axis_label(column, parameters[parameter]))
            _finish(axes, iterations, history)
            found[name] = figure
    return found


def _axis_label(column: str, parameter: Mapping[str, Any]) -> str:
    unit = parameter.get("unit")
    return plain(column.replace("_", " ") + (f"  [{unit}]" if unit and unit != "1" else ""))


def _draw_loss(axes: Axes, iterations: np.ndarray, values: np.ndarray) -> None:
    axes.plot(iterations, values, color=COLORS["physical"], linewidth=1.8, marker="o", ms=4)
    if (values > 0).any():
        axes.set_yscale("log")
    axes.set_ylabel("loss [variance of the data]")


def _finish(axes: Axes, at: np.ndarray, history: Mapping[str, Sequence[float]]) -> None:
    axes.set_xlabel("iteration")
    _mark_cycles(axes, at, history)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid_lines(axes)


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
    # On the right, since the axis shows its power of ten on the left.
    axes.set_title(title, loc="right", fontsize="small")


def _mark_cycles(axes: Axes, at: np.ndarray, history: Mapping[str, Sequence[float]]) -> None:
    """Draw a line at the start of each hybrid cycle but the first."""
    for row in np.flatnonzero(np.diff(history.get("cycle", []))) + 1:
        axes.axvline((at[row - 1] + at[row]) / 2, color="#bbbbbb", linewidth=0.8, zorder=0)
