"""Figures of a calibration's residuals: maps, growth with lead time, and correlation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from hybrid_pde.domain.stated_units import StatedUnits, labelled
from hybrid_pde.evaluation.figures.field_images import simplify_colorbar
from hybrid_pde.evaluation.figures.style import (
    COLORS,
    DIVERGING,
    SEQUENTIAL,
    grid_lines,
    new_figure,
    styled,
)

STYLES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))


def residual_panels(residuals: Mapping[str, Any], units: StatedUnits) -> dict[str, Figure]:
    """Figures ``residual_rms``, ``residual_mean``, ``residual_time``, ``residual_correlation``.

    Args:
        residuals: Content of ``residuals.json``.
        units: The system of the data.
    """
    found: dict[str, Figure] = {}
    with styled():
        if "map" in residuals:
            for key, name in (("map", "residual_rms"), ("mean_map", "residual_mean")):
                found[name] = new_figure(4.9, 3.4)
                _draw_map(found[name], residuals, key, units)
            found["residual_time"] = new_figure(4.9, 2.9)
            _draw_growth(found["residual_time"].subplots(), residuals, units)
        if any(len(each["values"]) > 1 for each in residuals.get("correlation", {}).values()):
            found["residual_correlation"] = new_figure(4.9, 2.9)
            _draw_correlation(found["residual_correlation"].subplots(), residuals["correlation"])
    return found


def _draw_map(figure: Figure, residuals: Mapping[str, Any], key: str, units: StatedUnits) -> None:
    values = np.array(residuals[key], dtype=float)
    axes, names = figure.subplots(), residuals["axes"]
    title = "root mean square" if key == "map" else "mean"
    axes.set_title(f"{title} of the residuals [std of the data]", loc="left", fontsize=10)
    axes.set_xlabel(labelled(names[0], units.length))
    lower, upper = residuals["lower"], residuals["upper"]
    if values.ndim == 1:
        at = lower[0] + (np.arange(len(values)) + 0.5) * (upper[0] - lower[0]) / len(values)
        axes.plot(at, values, color=COLORS["physical"], linewidth=1.5)
        grid_lines(axes)
        return
    largest = float(np.nanmax(np.abs(values))) or 1.0
    shown: dict[str, Any] = {"cmap": SEQUENTIAL, "vmin": 0.0, "vmax": largest}
    if key != "map":
        shown = {"cmap": DIVERGING, "norm": TwoSlopeNorm(0.0, -largest, largest)}
    image = axes.imshow(values.T, extent=(lower[0], upper[0], lower[1], upper[1]), **shown)
    axes.set_ylabel(labelled(names[1], units.length))
    axes.spines[:].set_visible(False)
    simplify_colorbar(figure.colorbar(image, ax=axes, aspect=18, pad=0.03))


def _draw_growth(axes: Axes, residuals: Mapping[str, Any], units: StatedUnits) -> None:
    values = np.array(residuals["by_time"], dtype=float)
    time_unit, factor = units.shown_time
    times = factor * residuals["dt"] * np.arange(len(values))
    axes.plot(times, values, color=COLORS["physical"], linewidth=1.8, marker="o", ms=4)
    axes.set_ylim(0, 1.1 * float(np.nanmax(values)) or 1.0)
    axes.set_title("root mean square of the residuals [std of the data]", loc="left", fontsize=10)
    axes.set_xlabel(labelled("time from the start of a window", time_unit))
    grid_lines(axes)


def _draw_correlation(axes: Axes, curves: Mapping[str, Mapping[str, Any]]) -> None:
    for style, (name, curve) in zip(STYLES, curves.items(), strict=False):
        values = np.array(curve["values"], dtype=float)
        label = "in time [frames]" if name == "time" else f"along {name} [cells]"
        axes.plot(
            np.arange(len(values)), values, color=COLORS["physical"], linestyle=style,
            linewidth=1.8, label=label, marker="o" if len(values) < 2 else None,
        )  # fmt: skip
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1.02)
    axes.set_title("autocorrelation of the residuals", loc="left", fontsize=10)
    axes.set_xlabel("distance [frames or cells]")
    grid_lines(axes)
    axes.legend(loc="best", fontsize=9)
