"""Figure of error against run time: the surrogate and the solver on several grids."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from hybrid_pde.evaluation.figures.style import (
    COLORS,
    LABELS,
    grid_lines,
    mark_rounding,
    new_figure,
    styled,
)
from hybrid_pde.evaluation.number_format import number


def plot_cost(points: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Plot VRMSE against seconds per step; ``None`` if nothing can be compared.

    Args:
        points: Result of :func:`hybrid_pde.evaluation.measures.cost_of_accuracy.cost_of_accuracy`.
    """
    shown = [each for each in points if each["vrmse"] and each["seconds"]]
    models = {each["model"] for each in shown}
    if models != {"synthetic", "physical"}:
        return None
    with styled():
        figure = new_figure(4.9, 3.4)
        axes = figure.subplots()
        for name in ("physical", "synthetic"):
            own = sorted(
                (each for each in shown if each["model"] == name), key=lambda each: each["seconds"]
            )
            axes.plot(
                [1e3 * each["seconds"] for each in own], [each["vrmse"] for each in own],
                color=COLORS[name], marker="o", linewidth=1.2, label=LABELS[name],
            )  # fmt: skip
            for place, each in enumerate(own):
                axes.annotate(
                    " × ".join(map(str, each["shape"])), (1e3 * each["seconds"], each["vrmse"]),
                    xytext=(6, -11 if place % 2 else 5), textcoords="offset points", fontsize=8.5,
                    color=COLORS[name],
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.margins(0.18)
        mark_rounding(axes)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 2)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("time per step [ms]")
        axes.set_ylabel("VRMSE")
        grid_lines(axes)
        axes.legend(loc="best", fontsize=9)
    return figure
