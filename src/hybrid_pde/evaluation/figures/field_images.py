"""Images of truth, prediction and error at several lead times, in 1D, 2D and 3D.

Scalars and vectors with one component are shown as they are, other vectors by their magnitude. In
3D the slice through the middle of the last axis is shown.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from hybrid_pde.domain.grid import FieldLayout, axis_points
from hybrid_pde.domain.stated_units import labelled
from hybrid_pde.evaluation.figures.style import (
    COLORS,
    DIVERGING,
    ERROR,
    LABELS,
    LINE_STYLES,
    SEQUENTIAL,
    grid_lines,
    new_figure,
    plain,
    styled,
)
from hybrid_pde.evaluation.number_format import number
from hybrid_pde.evaluation.rollout_samples import RolloutSample

MODELS = ("synthetic", "physical")
LEAD_TIMES = 4
MAX_FIELDS = 4


@dataclass(frozen=True)
class View:
    """One field of a rollout, reduced to what a figure shows.

    Attributes:
        label: Name of the values as figures show it, e.g. ``|velocity|``.
        truth: ``[T, X]`` or ``[T, X, Y]``.
        predictions: The same for each model.
        errors: Magnitude of the error of each model.
        colormap: Colour map of the values.
        norm: Colour scale of the values, shared by truth and predictions.
    """

    label: str
    truth: NDArray[Any]
    predictions: dict[str, NDArray[Any]]
    errors: dict[str, NDArray[Any]]
    colormap: str
    norm: Normalize


def view(sample: RolloutSample, layout: FieldLayout) -> View:
    """Reduce a field of several channels and up to three dimensions to what a figure shows."""
    truth = _slice(sample.truth[layout.name], sample)
    models = [name for name in MODELS if layout.name in sample.predictions.get(name, {})]
    rollouts = {name: _slice(sample.predictions[name][layout.name], sample) for name in models}
    # Predictions beyond float32 are infinite, as are their errors; both stay blank.
    with np.errstate(over="ignore", invalid="ignore"):
        errors = {
            name: np.linalg.norm(rollout[: len(truth)] - truth, axis=1)
            for name, rollout in rollouts.items()
        }
    shown = _values(truth)
    colormap, norm = _scale(shown)
    name = plain(layout.name)
    label = f"|{name}|" if layout.channels > 1 else name
    if len(sample.grid.axes) == 3:
        axis, position = _cut(sample)
        label += f"  at {axis} = {position:.3g}"
    predictions = {name: _values(rollout) for name, rollout in rollouts.items()}
    label = labelled(label, sample.units.of(layout.name))
    return View(label, shown, predictions, errors, colormap, norm)


def plot_prediction(sample: RolloutSample) -> Figure:
    """Plot truth, predictions and errors of one simulation, for up to four fields."""
    layouts = sample.layouts[:MAX_FIELDS]
    views = [view(sample, layout) for layout in layouts]
    one_dimensional = len(sample.grid.axes) == 1
    with styled():
        heights = [_height(sample, shown, one_dimensional) for shown in views]
        figure = new_figure(9.8, sum(heights))
        figure.set_layout_engine(
            "constrained", w_pad=0.055
        )  # keeps tick labels of neighbours apart
        blocks = figure.subfigures(len(views), 1, squeeze=False, height_ratios=heights)[:, 0]
        for block, shown in zip(blocks, views, strict=True):
            (_draw_lines if one_dimensional else _draw_images)(block, sample, shown)
    return figure


def lead_frames(frames: int, count: int = LEAD_TIMES) -> list[int]:
    """Indices of ``count`` evenly spaced frames, from the first predicted one to the last."""
    return sorted({round(1 + share * (frames - 2)) for share in np.linspace(0, 1, count)})


def extent(sample: RolloutSample) -> tuple[float, float, float, float]:
    """Left, right, lower and upper edge of an image of the first two axes."""
    points = list(axis_points(sample.grid).values())[:2]
    half = [spacing / 2 for spacing in sample.grid.spacing]
    (left, right), (low, high) = (
        (float(at[0] - width), float(at[-1] + width))
        for at, width in zip(points, half[:2], strict=True)
    )
    return left, right, low, high


def simplify_colorbar(bar: Colorbar) -> None:
    """Remove the frame, reduce the ticks, and write exponents at the ticks."""
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(4)
    bar.formatter = FuncFormatter(lambda value, _: number(float(value), 3))
    bar.update_ticks()


def _height(sample: RolloutSample, shown: View, one_dimensional: bool) -> float:
    if one_dimensional:
        return 5.6
    left, right, low, high = extent(sample)
    # Each of the four panels in a row is 1.72 inches wide; the rest is for titles and labels.
    panel = 1.72 * min(2.0, max(0.3, (high - low) / (right - left)))
    return (panel + 0.13) * (1 + 2 * len(shown.predictions)) + 0.75


def _axis(sample: RolloutSample, axis: str) -> str:
    return labelled(axis, sample.units.length)


def _draw_images(block: SubFigure, sample: RolloutSample, shown: View) -> None:
    """Rows: truth, then prediction and error of each model; columns: lead times."""
    frames = lead_frames(len(shown.truth))
    rows: list[tuple[str, NDArray[Any], str, Normalize]] = [
        ("truth", shown.truth, shown.colormap, shown.norm)
    ]
    for name, values in shown.predictions.items():
        errors = shown.errors[name]
        title = LABELS[name].replace(" ", "\n")
        rows.append((title, values, shown.colormap, shown.norm))
        rows.append(("error", errors, ERROR, error_norm(errors[frames])))
    grid = block.subplots(len(rows), len(frames), squeeze=False, sharex=True, sharey=True)
    for row, (title, values, colormap, norm) in zip(grid, rows, strict=True):
        for axes, frame in zip(row, frames, strict=True):
            axes.set_facecolor("#dddddd")  # shown where a diverged prediction has no value
            finite = np.ma.masked_invalid(values[frame].T)
            image = axes.imshow(finite, cmap=colormap, norm=norm, extent=extent(sample))
            axes.spines[:].set_visible(False)
            axes.tick_params(length=2.5, labelsize=9)
            axes.locator_params(nbins=3)
        row[0].set_ylabel(_axis(sample, sample.grid.axes[1]))
        row[0].annotate(
            title, (0, 0.5), xycoords="axes fraction", xytext=(-52, 0),
            textcoords="offset points", ha="right", va="center",
        )  # fmt: skip
        bar = block.colorbar(image, ax=list(row), fraction=0.03, pad=0.01, aspect=14, shrink=0.92)
        simplify_colorbar(bar)
        bar.set_label("|error|" if colormap == ERROR else shown.label)
    for axes, frame in zip(grid[0], frames, strict=True):
        axes.set_title(time_label(sample, frame))
    for axes in grid[-1]:
        axes.set_xlabel(_axis(sample, sample.grid.axes[0]))


def time_label(sample: RolloutSample, frame: int) -> str:
    """Title of a frame, ``t = 3 day   (step 3)``."""
    unit, factor = sample.units.shown_time
    return f"{f't = {frame * sample.dt * factor:.3g} {unit}'.rstrip()}   (step {frame})"


def _draw_lines(block: SubFigure, sample: RolloutSample, shown: View) -> None:
    """Above: profiles at lead times. Below: space-time images of truth, predictions, errors."""
    above, below = block.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.05))[:, 0]
    frames = lead_frames(len(shown.truth))
    (axis, points), *_ = axis_points(sample.grid).items()
    panels = above.subplots(1, len(frames), squeeze=False, sharey=True)[0]
    for axes, frame in zip(panels, frames, strict=True):
        for name, values in {"truth": shown.truth, **shown.predictions}.items():
            axes.plot(
                points, values[frame], color=COLORS[name], linestyle=LINE_STYLES[name],
                linewidth=3.2 if name == "truth" else 1.6, label=LABELS[name],
                alpha=0.35 if name == "truth" else 1.0,
            )  # fmt: skip
        axes.set_title(time_label(sample, frame))
        axes.set_xlabel(_axis(sample, axis))
        grid_lines(axes)
    panels[0].set_ylabel(shown.label)
    handles, labels = panels[0].get_legend_handles_labels()
    above.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    _draw_space_time(below, sample, shown, axis)


def _draw_space_time(block: SubFigure, sample: RolloutSample, shown: View, axis: str) -> None:
    images: list[tuple[str, NDArray[Any], str, Normalize]] = [
        ("truth", shown.truth, shown.colormap, shown.norm)
    ]
    for name in shown.predictions:
        images.append((f"|error|, {LABELS[name]}", shown.errors[name], ERROR,
                       error_norm(shown.errors[name])))  # fmt: skip
    width = sample.grid.upper[0]
    panels = block.subplots(1, len(images), squeeze=False, sharey=True)[0]
    for axes, (title, values, colormap, norm) in zip(panels, images, strict=True):
        axes.set_facecolor("#dddddd")
        time_unit, factor = sample.units.shown_time
        dt = factor * sample.dt
        span = (-0.5 * dt, (len(values) - 0.5) * dt, sample.grid.lower[0], width)
        image = axes.imshow(
            np.ma.masked_invalid(values.T), cmap=colormap, norm=norm, extent=span, aspect="auto"
        )
        axes.set_title(title, loc="left")
        axes.set_xlabel(labelled("lead time t", time_unit))
        axes.spines[:].set_visible(False)
        simplify_colorbar(block.colorbar(image, ax=axes, aspect=18, pad=0.02))
    panels[0].set_ylabel(_axis(sample, axis))


def _slice(values: NDArray[Any], sample: RolloutSample) -> NDArray[Any]:
    """``[T, C, X]`` or ``[T, C, X, Y]``: the middle of the last axis in 3D."""
    if len(sample.grid.axes) < 3:
        return values
    return np.asarray(values[..., sample.grid.shape[2] // 2])


def _cut(sample: RolloutSample) -> tuple[str, float]:
    axis = sample.grid.axes[2]
    return axis, float(axis_points(sample.grid)[axis][sample.grid.shape[2] // 2])


def _values(values: NDArray[Any]) -> NDArray[Any]:
    """``[T, *space]``: the only channel, or the magnitude."""
    if values.shape[1] == 1:
        return np.asarray(values[:, 0])
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.linalg.norm(values, axis=1))


def _scale(truth: NDArray[Any]) -> tuple[str, Normalize]:
    """Colour scale: symmetric about zero for values of both signs, else from min to max."""
    present = truth[~np.isnan(truth)]  # missing values stay blank
    low, high = float(present.min()), float(present.max())
    if low < 0 < high:
        reach = max(-low, high)
        return DIVERGING, TwoSlopeNorm(0.0, -reach, reach)
    return SEQUENTIAL, Normalize(low, high if high > low else low + 1.0)


def error_norm(errors: NDArray[Any]) -> Normalize:
    """Colour scale from zero to the largest finite error."""
    finite = np.asarray(errors)[np.isfinite(errors)]
    largest = float(finite.max()) if finite.size else 0.0
    return Normalize(0.0, largest if largest > 0 else 1.0)
