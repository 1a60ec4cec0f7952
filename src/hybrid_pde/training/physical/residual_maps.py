"""Maps of a calibration's residuals for the report: where, when and how far they are structured."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybrid_pde.domain.grid import Grid
from hybrid_pde.training.physical.autocorrelation import Correlation
from hybrid_pde.training.physical.residuals import Residuals

DIGITS = 4  # of each number; a map of 128 × 128 cells takes 150 kB
MOST_POINTS = 2**14  # of a map; a larger one is thinned


def residual_maps(
    residuals: Sequence[Residuals], structure: Correlation, grid: Grid, dt: float
) -> dict[str, Any]:
    """Root mean square residual at each position and lead time, and autocorrelations.

    All are in units of the field's standard deviation, over all windows and components.

    Args:
        residuals: Residuals of frames, and of sensors, which have no map.
        structure: Their autocorrelation.
        grid: The grid; of three axes the middle of the last one is kept.
        dt: Time between frames [time].

    Returns:
        JSON types: ``by_time``, root mean squares from the first compared frame on; ``map``, those
        at positions ``[X]`` or ``[X, Y]``, and ``mean_map``, the means, ``None`` where nothing is
        observed; ``axes``, ``lower``, ``upper`` of the map; ``correlation`` by ``time`` and axis,
        ρ_0 = 1, ρ_1, …, with the distance of neighbours; ``rms``; ``windows``.
    """
    space = len(grid.axes)
    mapped = [each for each in residuals if each.values.ndim == space + 2]
    names = ("time", *(grid.axes if mapped else ()))
    steps = (dt, *grid.spacing)
    found: dict[str, Any] = {
        "windows": len(residuals),
        "rms": _rounded(np.sqrt(_mean(residuals, None))),
        "dt": dt,
        "correlation": {
            name: {"step": step, "values": _rounded(curve)}
            for name, step, curve in zip(names, steps, structure.curves, strict=False)
        },
    }
    if not mapped:
        return found
    axes = tuple(range(1, space + 2))
    by_time = np.sqrt(_mean(mapped, axes))
    squares, means = _mean(mapped, (0, 1)), _mean(mapped, (0, 1), power=1)
    stride = max(1, int(np.ceil((squares.size / MOST_POINTS) ** (1 / min(space, 2)))))
    kept: tuple[slice | int, ...] = (slice(None, None, stride),) * min(space, 2)
    if space == 3:
        kept = (*kept, grid.shape[2] // 2)
    return found | {
        "by_time": _rounded(by_time),
        "map": _rounded(np.sqrt(squares[kept])),
        "mean_map": _rounded(means[kept]),
        "axes": list(grid.axes[:2]),
        "lower": list(grid.lower[:2]),
        "upper": list(grid.upper[:2]),
    }


def _mean(
    residuals: Sequence[Residuals], axes: tuple[int, ...] | None, power: int = 2
) -> np.ndarray:
    """Mean of a power of the observed residuals over windows and axes, or all; NaN without any.

    Windows may differ in length; the mean by frame is over those that have the frame.
    """
    total: np.ndarray = np.zeros(())
    count: np.ndarray = np.zeros(())
    for window in residuals:
        present = np.ones(window.values.shape) if window.observed is None else window.observed
        total = _added(total, np.asarray(np.sum(window.values**power * present, axis=axes)))
        count = _added(count, np.asarray(np.sum(present, axis=axes)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / np.where(count > 0, count, np.nan))


def _added(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of arrays of which the shorter is padded with zeros along its first axis."""
    if a.ndim == 0 or b.ndim == 0 or len(a) == len(b):
        return np.asarray(a + b)
    long, short = (a, b) if len(a) > len(b) else (b, a)
    found = np.array(long)
    found[: len(short)] += short
    return found


def _rounded(values: np.ndarray) -> Any:
    """Nested lists of numbers with few digits; ``None`` for what is not finite."""
    array = np.asarray(values, dtype=float)
    if array.ndim:
        return [_rounded(each) for each in array]
    return float(f"{float(array):.{DIGITS}g}") if np.isfinite(array) else None
