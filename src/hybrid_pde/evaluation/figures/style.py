"""Common style of all figures: one colour per predictor, plain axes, legible type."""

import re
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogFormatterSciNotation, ScalarFormatter
from matplotlib.transforms import Bbox

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.evaluation.measures import metrics
from hybrid_pde.evaluation.number_format import MINUS, SUPERSCRIPTS

# Okabe and Ito (2008): distinguishable with all common kinds of colour blindness.
COLORS = {
    "truth": "#1a1a1a",
    "synthetic": "#0072B2",
    "physical": "#D55E00",
    "persistence": "#8a8a8a",
}
LABELS = {"truth": "truth", **{name: label.lower() for name, label in metrics.LABELS.items()}}
LINE_STYLES: dict[str, Any] = {
    "truth": "-",
    "synthetic": "-",
    "physical": (0, (5, 1.5)),
    "persistence": (0, (1, 1.2)),
}
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"
ERROR = "magma"
INK = "#333333"
DOTS_PER_INCH = 140
PADDING = 0.1  # around a figure in a file [inch]

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.titleweight": "normal",
    "axes.labelcolor": INK,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.use_mathtext": True,
    "text.color": INK,
    "xtick.color": "#666666",
    "ytick.color": "#666666",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "image.interpolation": "nearest",
    "image.origin": "lower",
}


def styled() -> Any:
    """Context manager for creating and drawing figures."""
    return matplotlib.rc_context(_SETTINGS)


def new_figure(width: float, height: float) -> Figure:
    """Create an empty figure of the given size [inch] that needs no display."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(text: str) -> str:
    """A name or unit as a label shows it: its dollar signs begin no formula."""
    return text.replace("$", r"\$")


def panel_grid(figure: Figure, panels: int) -> list[Axes]:
    """Axes in two columns; the last of an odd number has a row of its own."""
    rows = figure.add_gridspec(-(-panels // 2), 2)
    places = [divmod(number, 2) for number in range(panels)]
    return [
        figure.add_subplot(
            rows[row, :] if number == panels - 1 and column == 0 else rows[row, column]
        )
        for number, (row, column) in enumerate(places)
    ]


def mark_rounding(axes: Axes, size: float = 1e-7) -> None:
    """Shade the errors on a logarithmic axis that are rounding in single precision."""
    low, high = axes.get_ylim()
    if low >= size:
        return
    low, high = max(low, 0.05 * size), max(high, 2 * size)  # the label stays inside
    axes.set_ylim(low, high)
    axes.axhspan(low, size, color="#bbbbbb", alpha=0.35, linewidth=0, zorder=0)
    axes.annotate(
        "rounding", (1, size), xycoords=axes.get_yaxis_transform(), xytext=(-2, -3),
        textcoords="offset points", ha="right", va="top", fontsize=8.5, color="#888888",
    )  # fmt: skip


def grid_lines(axes: Axes) -> None:
    """Draw faint horizontal lines behind the data."""
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)


class _PlainLogFormatter(LogFormatterSciNotation):
    """Tick labels of a logarithmic axis such as 2 × 10⁻³, without a formula."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return without_formula(super().__call__(x, pos))


class _PlainScalarFormatter(ScalarFormatter):
    """Tick labels of a linear axis and their common factor such as × 10⁻³, without a formula."""

    def __init__(self) -> None:
        super().__init__(useMathText=True)

    def __call__(self, x: float, pos: int | None = None) -> str:
        return without_formula(super().__call__(x, pos))

    def get_offset(self) -> str:
        return without_formula(super().get_offset())


_PLAIN: dict[type[Formatter], type[Formatter]] = {
    LogFormatterSciNotation: _PlainLogFormatter,
    ScalarFormatter: _PlainScalarFormatter,
}


def without_formula(label: str) -> str:
    """A tick label of Matplotlib in Unicode: ``10⁻³`` for ``10^{-3}``."""
    text = label.replace(MINUS, "-")
    text = re.sub(r"\^\{(-?\d+)\}", lambda power: power[1].translate(SUPERSCRIPTS), text)
    text = re.sub(r"\\mathdefault\{([^{}]*)\}", r"\1", text).replace("$", "")
    return text.replace(r"\times", " × ").replace("-", MINUS).strip()


def plain_labels(figure: Figure) -> None:
    """Set tick labels as plain text; as formulas they take most of the time of a drawing."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if plain_class := _PLAIN.get(type(axis.get_major_formatter())):
                axis.set_major_formatter(plain_class())
            if plain_class := _PLAIN.get(type(axis.get_minor_formatter())):
                axis.set_minor_formatter(plain_class())


def settle(figure: Figure) -> Bbox:
    """Lay out a figure that is complete, once for all files of it.

    Returns:
        The part of the figure that has content, with a margin [inch]. Labels beside panels of
        fixed aspect may extend beyond the figure's edge.
    """
    plain_labels(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # "none" would have it drawn once more a file
    return figure.get_tightbbox(renderer).padded(PADDING)


def save_figure(path: str | Path, figure: Figure) -> None:
    """Write a figure atomically, without date or version."""
    with styled(), atomic_path(Path(path)) as sibling:
        figure.savefig(
            sibling,
            format="png",
            dpi=DOTS_PER_INCH,
            bbox_inches=settle(figure),
            metadata={"Software": None},
        )
