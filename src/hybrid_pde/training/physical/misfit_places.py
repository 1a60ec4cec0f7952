"""Where a residual is: the wall beside which it is largest, and how long its waves are."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.training.physical.residuals import Residuals, root_mean_square

# Layer beside a wall as a share of the cells, and its mean square, as a multiple of that of the
# whole domain, from which the residual is said to come from the wall.
_LAYER, _FAR_LARGER = 0.1, 3.0
# Share of the mean square that waves must have for a wavelength to be given.
_MOSTLY = 0.5


def largest_wall(windows: Sequence[Residuals], grid: Grid) -> str | None:
    """The wall with the largest mean square beside it, if that is several times the whole one."""
    whole, ratios = root_mean_square(windows) ** 2, {}
    for axis, (sides, count) in enumerate(zip(grid.boundary, grid.shape, strict=True)):
        if sides == (PERIODIC, PERIODIC):
            continue
        layer = max(1, round(_LAYER * count))
        for name, part in (("lower", slice(0, layer)), ("upper", slice(-layer, None))):
            place = (*(slice(None),) * (axis + 2), part)
            beside = [
                Residuals(e.values[place], None if e.observed is None else e.observed[place])
                for e in windows
            ]
            ratios[f"the {name} end of {grid.axes[axis]}"] = root_mean_square(beside) ** 2
    side = max(ratios, key=lambda each: ratios[each], default=None)
    return side if side is not None and ratios[side] > _FAR_LARGER * whole else None


def dominant_wavelength(
    windows: Sequence[Residuals], grid: Grid
) -> tuple[float, float] | tuple[None, None]:
    """Wavelength with the most power, along the axis with the most; as a length and in cells."""
    best: tuple[float, int, float] | None = None
    whole = [each.values for each in windows if each.observed is None]
    total = sum(float((values**2).sum()) for values in whole)
    for axis, sides in enumerate(grid.boundary):
        is_periodic = sides == (PERIODIC, PERIODIC)
        power = sum(_power(values, axis + 2, is_periodic) for values in whole)
        waves = np.atleast_1d(power)[1:]
        if len(waves) and waves.sum() > max(_MOSTLY * total, 0.0 if best is None else best[0]):
            share = (1 if is_periodic else 2) / (1 + int(waves.argmax()))
            best = float(waves.sum()), axis, share
    if best is None:
        return None, None
    _, axis, share = best
    length = (grid.upper[axis] - grid.lower[axis]) * share
    return length, length / grid.spacing[axis]


def _power(values: np.ndarray, axis: int, is_periodic: bool) -> np.ndarray:
    """Sum of squares by mode along an axis; between walls those of the even extension."""
    lines = np.moveaxis(values, axis, -1)
    if not is_periodic:
        lines = np.concatenate([lines, lines[..., ::-1]], axis=-1) / sqrt(2)
    modes = np.fft.rfft(lines, norm="ortho")
    squares = np.sum(np.abs(modes) ** 2, axis=tuple(range(lines.ndim - 1)))
    squares[1:] *= 2
    return np.asarray(squares)
