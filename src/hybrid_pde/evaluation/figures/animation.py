"""Animated GIF of truth, prediction and error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.domain.grid import axis_points
from hybrid_pde.domain.stated_units import labelled
from hybrid_pde.evaluation.figures.field_images import (
    View,
    error_norm,
    extent,
    simplify_colorbar,
    time_label,
    view,
)
from hybrid_pde.evaluation.figures.style import (
    COLORS,
    ERROR,
    LABELS,
    grid_lines,
    new_figure,
    plain_labels,
    styled,
)
from hybrid_pde.evaluation.rollout_samples import RolloutSample

MAX_BYTES = 2_000_000
MAX_FRAMES = 60
SECONDS = 6.0  # per loop, for any number of frames
MAP_COLORS = 100  # per colour map in the palette of 256; the rest is for lines and text
BLENDS = np.array([0.25, 0.5, 0.75, 1.0])  # opacities of a line's colour where it is antialiased
DOTS_PER_INCH = 100.0
SMALLEST_DOTS_PER_INCH = 40.0  # below, text is illegible

Update = Callable[[int], None]


def write_animation(path: str | Path, sample: RolloutSample, max_bytes: int = MAX_BYTES) -> None:
    """Write truth | prediction | error over the rollout as a looping GIF, atomically.

    Shows the synthetic model, or the physical model without one. Reduces frames and resolution
    until the file has at most ``max_bytes``.

    Raises:
        ValueError: if the sample has no prediction of a model.
    """
    models = [name for name in ("synthetic", "physical") if name in sample.predictions]
    if not models:
        raise ValueError(f"simulation {sample.index}: no prediction to animate")
    layouts = [layout for layout in sample.layouts if layout.name in sample.predictions[models[0]]]
    shown = view(sample, layouts[0])
    dpi = DOTS_PER_INCH
    limit = MAX_FRAMES
    with atomic_path(Path(path)) as sibling:
        while True:
            frames = _frames(sample, shown, models[0], dpi, limit)
            _write_gif(sibling, frames, shown.colormap)
            if sibling.stat().st_size <= max_bytes or dpi <= SMALLEST_DOTS_PER_INCH:
                return
            dpi, limit = max(SMALLEST_DOTS_PER_INCH, 0.75 * dpi), max(10, int(0.75 * limit))


def _frames(
    sample: RolloutSample, shown: View, model: str, dpi: float, limit: int
) -> list[Image.Image]:
    """Render the frames; the artists are created once and only their data change."""
    count = len(shown.truth)
    chosen = np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int))
    with styled():
        make = _line_figure if len(sample.grid.axes) == 1 else _image_figure
        figure, update = make(sample, shown, model)
        plain_labels(figure)
        figure.set_dpi(dpi)
        canvas = FigureCanvasAgg(figure)
        images = []
        for frame in chosen:
            update(int(frame))
            canvas.draw()
            # Keep the layout of the first frame, so that the panels do not move.
            figure.set_layout_engine(None)
            images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()))
    return images


def _image_figure(sample: RolloutSample, shown: View, model: str) -> tuple[Figure, Update]:
    left, right, low, high = extent(sample)
    panel = 2.5 * min(2.0, max(0.4, (high - low) / (right - left)))
    figure = new_figure(9.0, panel + 1.5)
    panels = figure.subplots(1, 3, sharey=True)
    errors = shown.errors[model]
    parts: list[tuple[str, NDArray[Any], str, Any]] = [
        ("truth", shown.truth, shown.colormap, shown.norm),
        (LABELS[model], shown.predictions[model], shown.colormap, shown.norm),
        ("|error|", errors, ERROR, error_norm(errors)),
    ]
    images = []
    for axes, (title, values, colormap, norm) in zip(panels, parts, strict=True):
        axes.set_facecolor("#dddddd")
        images.append(
            axes.imshow(values[0].T, cmap=colormap, norm=norm, extent=(left, right, low, high))
        )
        axes.set_title(title)
        axes.set_xlabel(labelled(sample.grid.axes[0], sample.units.length))
        axes.spines[:].set_visible(False)
    panels[0].set_ylabel(labelled(sample.grid.axes[1], sample.units.length))
    for image, owners, label in (
        (images[0], list(panels[:2]), shown.label),
        (images[2], [panels[2]], "|error|"),
    ):
        bar = figure.colorbar(image, ax=owners, orientation="horizontal", aspect=40, shrink=0.8)
        simplify_colorbar(bar)
        bar.set_label(label)
    # The layout engine lets a title collide with images of fixed aspect, so leave a strip free.
    free = 1 - 0.32 / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, 0, 1, free))
    clock = figure.text(0.012, 0.985, time_label(sample, len(errors) - 1), va="top", fontsize=11)

    def update(frame: int) -> None:
        for image, (_, values, _, _) in zip(images, parts, strict=True):
            image.set_data(np.ma.masked_invalid(values[min(frame, len(values) - 1)].T))
        clock.set_text(time_label(sample, frame))

    return figure, update


def _line_figure(sample: RolloutSample, shown: View, model: str) -> tuple[Figure, Update]:
    figure = new_figure(7.0, 4.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    (axis, points), *_ = axis_points(sample.grid).items()
    errors = shown.errors[model]
    lines = []
    for name, values in (("truth", shown.truth), (model, shown.predictions[model])):
        thick = name == "truth"
        (line,) = above.plot(
            points, values[0], color=COLORS[name], linewidth=3.4 if thick else 1.6,
            alpha=0.35 if thick else 1.0, label=LABELS[name],
        )  # fmt: skip
        lines.append((line, values))
    (error_line,) = below.plot(points, errors[0], color=COLORS[model], linewidth=1.4)
    lines.append((error_line, errors))
    present = shown.truth[~np.isnan(shown.truth)]
    margin = 0.08 * float(np.ptp(present) or 1.0)
    above.set_ylim(float(present.min()) - margin, float(present.max()) + margin)
    below.set_ylim(0, 1.05 * float(error_norm(errors).vmax or 1.0))
    above.set_ylabel(shown.label)
    below.set_ylabel("|error|")
    below.set_xlabel(labelled(axis, sample.units.length))
    for axes in (above, below):
        grid_lines(axes)
    above.legend(loc="upper right")
    clock = above.set_title(time_label(sample, len(errors) - 1), loc="left")

    def update(frame: int) -> None:
        for line, values in lines:
            line.set_ydata(values[min(frame, len(values) - 1)])
        clock.set_text(time_label(sample, frame))

    return figure, update


def _write_gif(path: Path, frames: list[Image.Image], colormap: str) -> None:
    """Write all frames with one palette: colour maps, greys, and line colours."""
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette(colormap))
    reduced = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    # GIF durations are in hundredths of a second; the last frame is shown longer.
    duration = max(20, round(1000 * SECONDS / len(frames) / 10) * 10)
    durations = [duration] * (len(frames) - 1) + [max(duration, 1000)]
    reduced[0].save(
        path, format="GIF", save_all=True, append_images=reduced[1:], duration=durations, loop=0
    )


def _palette(colormap: str) -> list[int]:
    """256 colours as red, green, blue, red, …; fixed, so that rare colours are kept."""
    maps = [
        matplotlib.colormaps[name](np.linspace(0, 1, MAP_COLORS))[:, :3]
        for name in (colormap, ERROR)
    ]
    lines = [np.array(to_rgb(color)) for color in COLORS.values()]
    blends = [np.outer(share, line) + 1 - share[:, None] for line in lines for share in [BLENDS]]
    greys = np.repeat(np.linspace(0, 1, 256 - 2 * MAP_COLORS - len(lines) * len(BLENDS)), 3)
    colors = np.concatenate([*maps, *blends, greys.reshape(-1, 3)])
    return [int(value) for value in np.rint(255 * colors).ravel()]
