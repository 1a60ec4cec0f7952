"""Figure of diagnostics: correlation, energy spectra, drift, and long rollouts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from hybrid_pde.domain.stated_units import NO_UNITS, StatedUnits, labelled
from hybrid_pde.evaluation.figures.style import (
    COLORS,
    LABELS,
    LINE_STYLES,
    grid_lines,
    mark_rounding,
    new_figure,
    panel_grid,
    plain,
    styled,
)
from hybrid_pde.evaluation.measures.correlation import THRESHOLD
from hybrid_pde.evaluation.measures.metrics import PREDICTORS, UNIFORM_SPREAD

MAX_FIELDS = 3
WIDE = 30  # ratio of growths above which a linear axis would hide the smaller one
QUANTITY_LABELS = {"integral": "integral", "mean_square": "mean square"}
# One per conserved quantity; the colour shows the model.
DRIFT_STYLES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))

Spectra = Mapping[str, Mapping[str, NDArray[np.float64]]]


def plot_diagnostics(
    metrics: Mapping[str, Any], spectra: Spectra, units: StatedUnits = NO_UNITS
) -> Figure:
    """Plot correlation, spectra of the first fields, and, if available, drift and long rollouts.

    Args:
        metrics: Content of ``metrics.json``.
        spectra: See :class:`hybrid_pde.evaluation.rollout_evaluation.Evaluation`.
        units: The system of the data.
    """
    names = [name for name in PREDICTORS if name in metrics]
    models = [name for name in names if name != "persistence"]
    time_unit, factor = units.shown_time
    dt, lead_time = factor * metrics["evaluated_on"]["dt"], labelled("lead time t", time_unit)
    fields = [name for name in spectra if "truth" in spectra[name]][:MAX_FIELDS]
    drifts = [name for name in models if metrics[name]["conserved"]]
    long = [name for name in models if "long_rollout" in metrics[name]]
    with styled():
        panels = 1 + len(fields) + bool(drifts) + bool(long)
        rows = -(-panels // 2)
        figure = new_figure(9.8, 3.3 * rows + 0.3)
        grid = panel_grid(figure, panels)
        _draw_correlation(grid.pop(0), metrics, names, dt).set_xlabel(lead_time)
        for name in fields:
            bounds = metrics["evaluated_on"]["wavenumbers"]
            wavenumber = labelled("wavenumber k", units.length and f"1/{units.length}")
            _draw_spectra(grid.pop(0), name, spectra[name], bounds).set_xlabel(wavenumber)
        if drifts:
            _draw_drifts(grid.pop(0), metrics, drifts, dt).set_xlabel(lead_time)
        if long:
            _draw_growth(grid.pop(0), metrics, long, dt).set_xlabel(lead_time)
        lines = [name for name in ("truth", *names) if name != "truth" or fields]
        figure.legend(
            handles=[_handle(name) for name in lines], loc="outside upper left", ncols=len(lines)
        )
    return figure


def diagnostic_panels(
    metrics: Mapping[str, Any], spectra: Spectra, units: StatedUnits = NO_UNITS
) -> dict[str, Figure]:
    """The panels of :func:`plot_diagnostics` as figures of their own, by name.

    ``correlation``, ``spectrum_<number>`` for each of the first fields, ``drift`` and ``growth``;
    those without data are missing. Arguments as there.
    """
    names = [name for name in PREDICTORS if name in metrics]
    models = [name for name in names if name != "persistence"]
    time_unit, factor = units.shown_time
    dt, lead_time = factor * metrics["evaluated_on"]["dt"], labelled("lead time t", time_unit)
    wavenumber = labelled("wavenumber k", units.length and f"1/{units.length}")
    drawn: dict[str, tuple[Any, str, list[str]]] = {}
    if all("correlation" in metrics[name]["by_lead_time"] for name in names):
        drawn["correlation"] = (
            lambda axes: _draw_correlation(axes, metrics, names, dt), lead_time, names,
        )  # fmt: skip
    fields = [name for name in spectra if "truth" in spectra[name]][:MAX_FIELDS]
    for number, field in enumerate(fields, 1):
        drawn[f"spectrum_{number}"] = (
            lambda axes, field=field: _draw_spectra(
                axes, field, spectra[field], metrics["evaluated_on"]["wavenumbers"]
            ),
            wavenumber, [name for name in ("truth", *names) if name in spectra[field]],
        )  # fmt: skip
    if drifts := [name for name in models if metrics[name].get("conserved")]:
        drawn["drift"] = (lambda axes: _draw_drifts(axes, metrics, drifts, dt), lead_time, drifts)
    if long := [name for name in models if "long_rollout" in metrics[name]]:
        drawn["growth"] = (lambda axes: _draw_growth(axes, metrics, long, dt), lead_time, long)
    found = {}
    for key, (draw, label, lines) in drawn.items():
        with styled():
            found[key] = new_figure(4.9, 3.3)
            draw(found[key].subplots()).set_xlabel(label)
            found[key].legend(
                handles=[_handle(name) for name in lines], loc="outside lower center",
                ncols=2, fontsize=9,
            )  # fmt: skip
    return found


def _handle(name: str) -> Line2D:
    return Line2D(
        [], [], color=COLORS[name], linestyle=LINE_STYLES[name], label=LABELS[name], **_weight(name)
    )


def _weight(name: str) -> dict[str, Any]:
    """Line width; the truth is a wide pale line under the others."""
    return {"linewidth": 3.2, "alpha": 0.35} if name == "truth" else {"linewidth": 1.8}


def _draw_correlation(
    axes: Axes, metrics: Mapping[str, Any], names: Sequence[str], dt: float
) -> Axes:
    for name in names:
        values = np.array(metrics[name]["by_lead_time"]["correlation"], dtype=float)
        times = dt * np.arange(len(values) + 1)
        _line(axes, name, times, np.concatenate([[1.0], values]))
    axes.axhline(THRESHOLD, color="#bbbbbb", linewidth=0.8, zorder=0)
    low = axes.get_ylim()[0]
    axes.set_ylim(min(low, THRESHOLD - 0.05), 1.02)
    axes.set_xlim(0, None)
    return _finished(axes, "correlation with the truth")


def _draw_spectra(
    axes: Axes,
    field: str,
    lines: Mapping[str, NDArray[np.float64]],
    bounds: Sequence[float],
) -> Axes:
    truth, k = lines["truth"], lines["wavenumber"]
    for name in ("truth", *PREDICTORS):
        if name in lines:
            _line(axes, name, k, np.where(lines[name] > 0, lines[name], np.nan))
    for bound in bounds[1:-1]:
        axes.axvline(bound, color="#d5d5d5", linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    largest = float(truth.max())
    if largest > 0:
        axes.set_yscale("log")
        # below the rounding of single precision there is only noise
        low, high = axes.get_ylim()
        # persistence may lack the small scales altogether
        shown = [lines[name] for name in lines if name not in ("wavenumber", "persistence")]
        smallest = min(float(each[each > 0].min(initial=largest)) for each in shown)
        axes.set_ylim(max(low, 0.1 * UNIFORM_SPREAD**2 * largest, 0.1 * smallest), high)
    axes.xaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))  # labels that do not touch
    return _finished(axes, f"energy of {plain(field)} at the last step")


def _draw_drifts(axes: Axes, metrics: Mapping[str, Any], names: Sequence[str], dt: float) -> Axes:
    kept = metrics["evaluated_on"]["conserved"]
    pairs = [(field, quantity) for field in kept for quantity in kept[field]][: len(DRIFT_STYLES)]
    labels = [f"{QUANTITY_LABELS[quantity]} of {plain(field)}" for field, quantity in pairs]
    positive = False
    for (field, quantity), style in zip(pairs, DRIFT_STYLES, strict=False):
        for name in names:
            found = metrics[name]["conserved"].get(field, {}).get(quantity)
            if found is None:
                continue
            values = np.array(found["by_lead_time"], dtype=float)
            values = np.where(values > 0, values, np.nan)
            positive = positive or bool(np.isfinite(values).any())
            axes.plot(
                dt * np.arange(1, len(values) + 1), values, color=COLORS[name], linestyle=style,
                linewidth=1.8, marker="o" if len(values) < 2 else None,
            )  # fmt: skip
    if positive:
        axes.set_yscale("log")
        mark_rounding(axes)
    axes.set_xlim(0, None)
    if len(pairs) > 1:
        handles = [Line2D([], [], color="#666666", linestyle=style) for style in DRIFT_STYLES]
        axes.legend(
            handles[: len(pairs)], labels, loc="best", fontsize=9,
            frameon=True, framealpha=0.85, edgecolor="none",
        )  # fmt: skip
    title = "drift of conserved quantities" if len(pairs) > 1 else f"drift of the {labels[0]}"
    return _finished(axes, title)


def _draw_growth(axes: Axes, metrics: Mapping[str, Any], names: Sequence[str], dt: float) -> Axes:
    drawn: list[NDArray[np.float64]] = []
    for name in names:
        found = metrics[name]["long_rollout"]
        values = np.array(found["by_lead_time"]["growth"], dtype=float)
        times = dt * np.arange(1, len(values) + 1)
        _line(axes, name, times, values)
        lasted = found["lasted"]
        if not found["finite"] and lasted:
            axes.plot(
                times[lasted - 1], values[lasted - 1], marker="X", markersize=9,
                color=COLORS[name], markeredgecolor="white", linestyle="none",
            )  # fmt: skip
        drawn.append(values[:lasted])
    sizes = np.concatenate(drawn)
    if len(sizes) and sizes.max() > WIDE * sizes.min() > 0:
        axes.set_yscale("log")
    axes.axvline(
        dt * metrics["evaluated_on"]["num_steps"], color="#bbbbbb", linewidth=0.8, zorder=0
    )
    axes.set_xlim(0, None)
    return _finished(axes, "largest |u| relative to the initial state")


def _line(axes: Axes, name: str, x: NDArray[Any], y: NDArray[Any]) -> None:
    axes.plot(
        x, y, color=COLORS[name], linestyle=LINE_STYLES[name],
        marker="o" if np.isfinite(y).sum() < 2 else None, **_weight(name),
    )  # fmt: skip


def _finished(axes: Axes, title: str) -> Axes:
    axes.set_title(title, loc="left")
    if axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(6))
    grid_lines(axes)
    return axes
