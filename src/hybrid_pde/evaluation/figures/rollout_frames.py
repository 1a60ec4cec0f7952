"""Frames of rollouts for the report's slider: truth, predictions and errors, as small pictures.

A field in two dimensions, or the middle slice of one in three, becomes a column of all frames in
one PNG with a palette; a field in one dimension becomes SVG paths. The page moves the column.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray
from PIL import Image

from hybrid_pde.data.atomic import write_json
from hybrid_pde.domain.grid import axis_points
from hybrid_pde.domain.stated_units import labelled
from hybrid_pde.evaluation.figures.field_images import MAX_FIELDS, View, error_norm, extent, view
from hybrid_pde.evaluation.figures.style import ERROR, LABELS
from hybrid_pde.evaluation.number_format import number
from hybrid_pde.evaluation.rollout_samples import RolloutSample

FILE = "frames.json"
MAX_FRAMES = 41
MAX_POINTS = 160  # along an axis of a picture; a screen shows no more in a third of its width
COLOURS = 255  # of a palette; the last entry is for missing values
MISSING_COLOUR = (150, 150, 150)
STOPS = 9  # of the gradient beside a picture
# Values relative to the truth's largest below which an error is rounding of single precision.
ROUNDING = 1e-6
WIDTH, HEIGHT = 400, 220  # of the drawing of a line, in its own units
BEYOND = 0.1  # share of the height by which a line may leave the drawing, out of sight
PITCH = 300  # distance of the drawings of two frames, more than (1 + 2 BEYOND) HEIGHT


def write_frames(
    path: Path,
    samples: Sequence[RolloutSample],
    examples: Mapping[str, int],
    data: Mapping[str, Any],
) -> None:
    """Write ``frames.json``: the chosen simulations, and the description of the data.

    Args:
        path: File to write.
        samples: Rollouts, among them those of the chosen simulations.
        examples: Numbers of the chosen simulations by their title.
        data: Description of the data, kept as it is.
    """
    by_number = {sample.index: sample for sample in samples}
    titles: dict[int, list[str]] = {}
    for title, index in examples.items():
        titles.setdefault(index, []).append(title)
    described = [
        {"title": " and ".join(found), **describe_rollout(by_number[index])}
        for index, found in titles.items()
        if index in by_number
    ]
    write_json(path, {"simulations": described, "data": dict(data)})


def describe_rollout(sample: RolloutSample) -> dict[str, Any]:
    """Times and fields of a rollout with their pictures, as JSON types."""
    frames = max(len(values) for values in sample.truth.values())
    chosen = np.unique(np.linspace(0, frames - 1, min(frames, MAX_FRAMES)).round().astype(int))
    unit, factor = sample.units.shown_time
    make = _lines if len(sample.grid.axes) == 1 else _images
    return {
        "simulation": sample.index,
        "time_unit": unit,
        "frames": [int(frame) for frame in chosen],
        "times": [f"{frame * sample.dt * factor:.5g}" for frame in chosen],
        "fields": [
            make(sample, view(sample, layout), chosen) for layout in sample.layouts[:MAX_FIELDS]
        ],
    }


def _images(sample: RolloutSample, shown: View, chosen: NDArray[np.int_]) -> dict[str, Any]:
    """A field in two dimensions: panels with a column of frames each, and their colour scales."""
    errors = _error_scale(shown)
    left, right, low, high = extent(sample)
    panels = [
        {"title": "truth", "scale": "values", **_column(shown.truth, chosen, shown, shown.norm)},
        *(
            {"title": LABELS[name], "scale": "values", **_column(values, chosen, shown, shown.norm)}
            for name, values in shown.predictions.items()
        ),
        *(
            {"title": f"error of the {LABELS[name]}", "scale": "errors",
             **_column(values, chosen, shown, errors, ERROR)}
            for name, values in shown.errors.items()
        ),
    ]  # fmt: skip
    return {
        "kind": "images",
        "label": shown.label,
        "panels": panels,
        "ratio": round((right - left) / (high - low), 4),
        "axes": [
            {
                "label": labelled(axis, sample.units.length),
                "lower": number(lower, 3),
                "upper": number(upper, 3),
            }
            for axis, lower, upper in zip(
                sample.grid.axes[:2], (left, low), (right, high), strict=True
            )
        ],
        "scales": {
            "values": _scale(shown.norm, shown.colormap, shown.label),
            "errors": _scale(errors, ERROR, _error_label(shown)),
        },
    }


def _error_label(shown: View) -> str:
    name, bracket, unit = shown.label.partition(" [")
    return f"|error of {name.strip('|')}|{bracket}{unit}"


def _column(
    values: NDArray[Any],
    chosen: NDArray[np.int_],
    shown: View,
    norm: Normalize,
    colormap: str | None = None,
) -> dict[str, Any]:
    """All frames below each other as a PNG with a palette, base64; blank after the last one."""
    stride = max(1, -(-max(values.shape[1:]) // MAX_POINTS))
    blank = np.full(values.shape[1:], np.nan)
    frames = [values[at] if at < len(values) else blank for at in chosen]
    # [T, X, Y] to rows of pixels from the top
    pixels = np.stack(frames)[:, ::stride, ::stride].transpose(0, 2, 1)[:, ::-1]
    with np.errstate(over="ignore", invalid="ignore"):
        shares = np.ma.filled(np.ma.asarray(norm(np.ma.masked_invalid(pixels))), np.nan)
        index = np.clip(np.nan_to_num(shares) * (COLOURS - 1), 0, COLOURS - 1).round()
    index = np.where(np.isfinite(pixels), index, COLOURS).astype(np.uint8)
    picture = Image.fromarray(index.reshape(-1, index.shape[2]), mode="P")
    colours = matplotlib.colormaps[colormap or shown.colormap](np.linspace(0, 1, COLOURS))[:, :3]
    palette = [*np.rint(255 * colours).astype(int).ravel().tolist(), *MISSING_COLOUR]
    picture.putpalette(palette)
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return {"png": base64.b64encode(file.getvalue()).decode("ascii")}


def _error_scale(shown: View) -> Normalize:
    """One scale for the errors of all models, which does not enlarge rounding errors."""
    largest = max((error_norm(each).vmax or 0.0 for each in shown.errors.values()), default=1.0)
    present = shown.truth[np.isfinite(shown.truth)]
    floor = ROUNDING * float(np.abs(present).max(initial=0.0))
    return Normalize(0.0, max(largest, floor) or 1.0)


def _scale(norm: Normalize, colormap: str, label: str) -> dict[str, Any]:
    """Ends and colours of a colour scale."""
    colours = matplotlib.colormaps[colormap](np.linspace(0, 1, STOPS))
    stops = [matplotlib.colors.to_hex(colour) for colour in colours]
    assert norm.vmin is not None and norm.vmax is not None
    return {
        "label": label,
        "lower": number(float(norm.vmin), 3),
        "upper": number(float(norm.vmax), 3),
        "stops": stops,
    }


def _lines(sample: RolloutSample, shown: View, chosen: NDArray[np.int_]) -> dict[str, Any]:
    """A field in one dimension: panels of values and errors, with a path a line and frame."""
    (axis, points), *_ = axis_points(sample.grid).items()
    lower, upper = sample.grid.lower[0], sample.grid.upper[0]
    low, high = _limits(shown)
    margin = 0.05 * (high - low or 1.0)
    values = {"truth": shown.truth, **shown.predictions}
    largest = float(_error_scale(shown).vmax or 1.0)
    x = (points - lower) / (upper - lower)
    axes = {
        "label": labelled(axis, sample.units.length),
        "lower": number(lower, 3),
        "upper": number(upper, 3),
    }
    return {
        "kind": "lines",
        "label": shown.label,
        "width": WIDTH,
        "height": HEIGHT,
        "pitch": PITCH,
        "panels": [
            _panel(shown.label, axes, x, values, chosen, (low - margin, high + margin)),
            *(
                [_panel(_error_label(shown), axes, x, shown.errors, chosen, (0.0, 1.05 * largest))]
                if shown.errors
                else []
            ),
        ],
    }


def _limits(shown: View) -> tuple[float, float]:
    """Range of the truth, and of predictions as far as they go beyond it by its own size."""
    present = shown.truth[np.isfinite(shown.truth)]
    low, high = float(present.min()), float(present.max())
    size = high - low
    for values in shown.predictions.values():
        finite = values[np.isfinite(values)]
        if finite.size:
            low = min(low, max(float(finite.min()), float(present.min()) - size))
            high = max(high, min(float(finite.max()), float(present.max()) + size))
    return low, high


def _panel(
    label: str,
    axes: Mapping[str, str],
    x: NDArray[np.float64],
    lines: Mapping[str, NDArray[Any]],
    chosen: NDArray[np.int_],
    limits: tuple[float, float],
) -> dict[str, Any]:
    low, high = limits
    return {
        "label": label,
        "axes": [dict(axes), {"label": label, "lower": number(low, 3), "upper": number(high, 3)}],
        "lines": [
            {
                "model": name,
                "title": LABELS[name],
                "paths": [
                    _path(x, (values[at] - low) / (high - low)) if at < len(values) else ""
                    for at in chosen
                ],
            }
            for name, values in lines.items()
        ],
    }


def _path(x: NDArray[np.float64], y: NDArray[Any]) -> str:
    """An SVG path through points of the unit square; gaps where a value is missing."""
    stride = max(1, len(x) // (2 * WIDTH))
    parts, pen = [], "M"
    for at, height in zip(x[::stride], y[::stride], strict=True):
        if not np.isfinite(height):
            pen = "M"
            continue
        shown = min(max(height, -BEYOND), 1 + BEYOND)
        parts.append(f"{pen}{WIDTH * at:.1f} {HEIGHT * (1 - shown):.1f}")
        pen = "L"
    return "".join(parts)
