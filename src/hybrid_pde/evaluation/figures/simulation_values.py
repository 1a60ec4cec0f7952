"""Figure of the parameters that each simulation has a value of its own of."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hybrid_pde.data.simulation_table import Row
from hybrid_pde.evaluation.figures.style import (
    COLORS,
    grid_lines,
    new_figure,
    panel_grid,
    plain,
    styled,
)

# 90 % of a normal distribution lie within this many standard deviations.
_NORMAL_90 = 1.6448536269514722


def plot_values(table: Sequence[Row], units: Mapping[str, str]) -> Figure:
    """Plot each simulation's estimate against the value that its file states.

    A parameter that no file states is plotted over the numbers of the simulations.

    Args:
        table: Rows of ``per_simulation.csv``.
        units: Unit by parameter.
    """
    names = list(dict.fromkeys(row["parameter"] for row in table))
    with styled():
        figure = new_figure(8.4, 3.6 * -(-len(names) // 2))
        for axes, name in zip(panel_grid(figure, len(names)), names, strict=True):
            _draw_panel(axes, name, table, units)
    return figure


def value_panels(table: Sequence[Row], units: Mapping[str, str]) -> dict[str, Figure]:
    """The panels of :func:`plot_values` as figures of their own. Arguments as there."""
    found = {}
    for number, name in enumerate(dict.fromkeys(row["parameter"] for row in table), 1):
        with styled():
            figure = found[f"per_simulation_{number}"] = new_figure(4.9, 3.9)
            _draw_panel(figure.subplots(), name, table, units)
    return found


def _draw_panel(axes: Axes, name: str, table: Sequence[Row], units: Mapping[str, str]) -> None:
    rows = [r for r in table if r["parameter"] == name and r["value"] is not None]
    unit = units.get(name.partition("[")[0], "")
    _draw(axes, name.replace("_", " ") + (f"  [{unit}]" if unit and unit != "1" else ""), rows)
    grid_lines(axes)


def _draw(axes: Axes, label: str, rows: Sequence[Row]) -> None:
    """One parameter."""
    if not rows:
        axes.set_title(plain(f"{label}: no simulation has a value"), loc="left", color="#a00000")
        return
    stated = [row for row in rows if row["known"] is not None]
    shown = stated or rows
    values = np.array([row["value"] for row in shown])
    spread = np.array([row["uncertainty"] or 0.0 for row in shown])
    at = np.array([row["known"] if stated else row["simulation"] for row in shown], dtype=float)
    axes.errorbar(
        at, values, _NORMAL_90 * spread, fmt="o", ms=4, lw=1, color=COLORS["physical"], zorder=3
    )
    axes.set_ylabel(plain(label))
    if not stated:
        axes.set_xlabel("simulation")
        return
    ends = [min(at.min(), values.min()), max(at.max(), values.max())]
    axes.plot(ends, ends, color=COLORS["persistence"], linewidth=0.8, zorder=1)
    unit = label.partition("  ")[2]
    axes.set_xlabel(plain("value stated in the file" + (f"  {unit}" if unit else "")))
    if ends[0] > 0 and ends[1] / ends[0] >= 10:
        axes.set_xscale("log")
        axes.set_yscale("log")
