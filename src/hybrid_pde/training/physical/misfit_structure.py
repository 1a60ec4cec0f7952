"""Structure of the residuals of a calibration: growth, quantity it follows, wavelength, bias.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, sqrt

import numpy as np

from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.training.physical.misfit_quantities import (
    Component,
    Quantity,
    components_of,
    quantities,
)
from hybrid_pde.training.physical.residual_statistics import Correlation, Residuals, correlation

# Factor on the standard deviations from which residuals have structure that is described. The
# effect of correlation on one parameter is uncertain by about a factor of two.
INFLATED_STD = 3.0
# Values that are compared with the quantities: 4 MB for each of them.
_MOST_VALUES = 2**19
# Exponent p of growth as (lead time)^p that separates the kinds of growth.
_KINDS = ((0.25, "constant"), (0.75, "saturating"), (1.35, "linear"))
FASTER = "faster"
_FEWEST_FRAMES = 4
# Smallest correlation that is mentioned, and its distance from zero in standard errors: one of a
# dozen quantities is that far by chance in 3 of 100 calibrations. Few independent values have a
# correlation as large as the last by chance only if the quantity happens to be alike everywhere.
_LEAST_CORRELATION, _SIGNIFICANT, _COMPLETE = 0.3, 3.0, 0.95
# Autocorrelation of neighbours from which the residual is smooth beside its noise.
_SMOOTH = 0.2
# Layer beside a wall as a share of the cells, and its mean square, as a multiple of that of the
# whole domain, from which the residual is said to come from the wall.
_LAYER, _FAR_LARGER = 0.1, 3.0
# Share of the mean square that waves must have for a wavelength to be given.
_MOSTLY = 0.5
# Components with a smaller root mean square than this share of the largest are not described.
_RELEVANT = 0.3


@dataclass(frozen=True)
class MisfitStructure:
    """Structure of the residual of one channel.

    Attributes:
        component: Label of the channel.
        rms: Root mean square of the residual, in units of the field's standard deviation.
        bias: Its mean, in the same units.
        growth: ``constant``, ``saturating``, ``linear`` or ``faster``; ``None`` with few frames.
        exponent: p of growth as (lead time)^p.
        follows: The quantity that the residual follows most; ``None`` if none is significant.
        meaning: What this quantity stands for.
        of_size: Whether the size of the residual follows it.
        correlation: Correlation with this quantity.
        wavelength: Dominating wavelength [length]; ``None`` for a uniform residual.
        wavelength_cells: The same in cells.
        wall: The side of the domain where the residual is largest by far; ``None`` if there is
            none.
    """

    component: str
    rms: float
    bias: float
    growth: str | None = None
    exponent: float | None = None
    follows: str | None = None
    meaning: str = ""
    of_size: bool = False
    correlation: float | None = None
    wavelength: float | None = None
    wavelength_cells: float | None = None
    wall: str | None = None


def misfit_structure(
    residuals: Sequence[Residuals], layouts: Sequence[FieldLayout], grid: Grid
) -> list[MisfitStructure]:
    """Structure of every channel whose residuals are correlated, the largest residual first.

    Args:
        residuals: Residuals of frames with the predicted states.
        layouts: The fields of the equation, in the order of the channels.
        grid: The grid.
    """
    windows = _few([each for each in residuals if each.states is not None])
    if not windows:
        return []
    components = components_of([each.name for each in layouts], {e.name: e for e in layouts})
    channels = [_channel(windows, channel) for channel in range(len(components))]
    sizes = [_rms(each) for each in channels]
    found = []
    for channel in sorted(range(len(components)), key=lambda each: -sizes[each]):
        if sizes[channel] < _RELEVANT * max(sizes) or not sizes[channel]:
            continue
        statistics = correlation(channels[channel])
        if sqrt(statistics.inflation) >= INFLATED_STD:
            found.append(_described(windows, channel, components, grid, statistics))
    return found


def _described(
    windows: Sequence[Residuals],
    channel: int,
    components: Sequence[Component],
    grid: Grid,
    statistics: Correlation,
) -> MisfitStructure:
    own = _channel(windows, channel)
    by_time = _structured_rms(own, statistics)
    exponent = _exponent(by_time)
    growth = None
    if exponent is not None:
        growth = next((kind for limit, kind in _KINDS if exponent < limit), FASTER)
    best, value = _best_quantity(windows, channel, components, grid, by_time)
    length, cells = _wavelength(own, grid)
    count = max(sum(each.num_values for each in own), 1)
    return MisfitStructure(
        components[channel].label,
        _rms(own),
        float(sum(each.values.sum() for each in own) / count),
        growth,
        exponent,
        None if best is None else best.label,
        "" if best is None else best.meaning,
        best is not None and best.of_size,
        value,
        length,
        cells,
        _wall(own, grid),
    )


def _few(windows: Sequence[Residuals]) -> list[Residuals]:
    """Evenly chosen windows with as many values as are compared, at least one."""
    if not windows:
        return []
    kept = max(1, _MOST_VALUES // windows[0].values.size)
    chosen = np.unique(np.linspace(0, len(windows) - 1, min(kept, len(windows))).astype(int))
    return [windows[number] for number in chosen]


def _channel(windows: Sequence[Residuals], channel: int) -> list[Residuals]:
    part = slice(channel, channel + 1)
    return [
        Residuals(
            each.values[:, part],
            None if each.observed is None else each.observed[:, part],
            each.simulation,
        )
        for each in windows
    ]


def _rms(windows: Sequence[Residuals]) -> float:
    count = max(sum(each.num_values for each in windows), 1)
    return sqrt(sum(float((each.values**2).sum()) for each in windows) / count)


def _structured_rms(windows: Sequence[Residuals], statistics: Correlation) -> np.ndarray:
    """Root mean square by frame, without independent noise where neighbours are alike, ``[T]``.

    Products of neighbouring values have the mean square of what is smooth.
    """
    frames = max(len(each.values) for each in windows)
    sums, counts = np.zeros(frames), np.zeros(frames)
    is_smooth = max(statistics.lag_one[1:], default=0.0) > _SMOOTH
    axis = 2 + int(np.argmax(statistics.lag_one[1:])) if is_smooth else 0
    for each in windows:
        values = each.values
        present = np.ones(values.shape) if each.observed is None else each.observed.astype(float)
        products, pairs = values**2, present
        if is_smooth:
            first = [slice(None)] * values.ndim
            second = list(first)
            first[axis], second[axis] = slice(None, -1), slice(1, None)
            products = values[tuple(first)] * values[tuple(second)]
            pairs = present[tuple(first)] * present[tuple(second)]
        others = tuple(range(1, values.ndim))
        sums[: len(values)] += products.sum(axis=others)
        counts[: len(values)] += pairs.sum(axis=others)
    return np.sqrt(np.maximum(sums, 0.0) / np.maximum(counts, 1))


def _exponent(by_time: np.ndarray) -> float | None:
    """Exponent of growth with lead time: a line through the logarithms, weighted by the size."""
    present = by_time > 0
    if present.sum() < _FEWEST_FRAMES:
        return None
    time = np.log(1 + np.arange(len(by_time))[present])
    return float(np.polyfit(time, np.log(by_time[present]), 1, w=by_time[present])[0])


def _best_quantity(
    windows: Sequence[Residuals],
    channel: int,
    components: Sequence[Component],
    grid: Grid,
    by_time: np.ndarray,
) -> tuple[Quantity | None, float | None]:
    """The quantity with the largest significant correlation.

    It is compared with r/g for the residual r and its growth g, with the weights g²: a term of
    constant size makes a residual that grows.
    """
    sums: dict[str, _Sums] = {}
    kinds: dict[str, Quantity] = {}
    for each in windows:
        assert each.states is not None
        growth = by_time[: len(each.values)].reshape(-1, *(1,) * len(grid.axes))
        own = each.values[:, channel]
        level = own / np.where(growth > 0, growth, 1.0)
        present = 1.0 if each.observed is None else each.observed[:, channel]
        weights = np.broadcast_to(growth**2 * present, own.shape)
        for quantity in quantities(each.states, channel, components, grid):
            compared = np.abs(level) if quantity.of_size else level
            kinds[quantity.label] = quantity
            sums.setdefault(quantity.label, _Sums()).add(compared, quantity.values, weights)
    found = {name: each.correlation(kinds[name].of_size) for name, each in sums.items()}
    name = max(found, key=lambda each: abs(found[each]))
    value = found[name]
    independent = _independent_pairs(_channel(windows, channel))
    errors = atanh(min(abs(value), 1 - 1e-12)) * sqrt(max(independent - 3, 0.0))
    if abs(value) >= _COMPLETE or (abs(value) >= _LEAST_CORRELATION and errors >= _SIGNIFICANT):
        return kinds[name], value
    return None, None


class _Sums:
    """Weighted sums of products of two arrays over windows."""

    def __init__(self) -> None:
        self._sums = np.zeros(6)

    def add(self, a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> None:
        """Add the values of a window."""
        one, other = weights * a, weights * b
        products = [np.vdot(one, a), np.vdot(one, b), np.vdot(other, b)]
        self._sums += [weights.sum(), one.sum(), other.sum(), *products]

    def correlation(self, centered: bool) -> float:
        """Correlation of the values, of their deviations from the means if ``centered``."""
        total, a, b, aa, ab, bb = self._sums
        if centered and total:
            aa, ab, bb = aa - a * a / total, ab - a * b / total, bb - b * b / total
        return float(ab / sqrt(aa * bb)) if aa > 0 and bb > 0 else 0.0


def _independent_pairs(windows: Sequence[Residuals]) -> float:
    """Number of independent pairs of residual and quantity, N / Π (1 + 2 Σ ρ_k²).

    The quantity is taken to be correlated as the residual is.

    Source: Bartlett (1935), J. R. Stat. Soc. 98, 536-543.
    """
    statistics = correlation(windows)
    shape, found = windows[0].values.shape, 1.0
    curves = [_memory(windows), *statistics.curves[1:]]
    for curve, count in zip(curves, (shape[0], *shape[2:]), strict=True):
        weights = 1 - np.arange(len(curve)) / count
        found *= 1 + 2 * float(np.sum((curve**2 * weights)[1:]))
    return statistics.num_values / found


def _memory(windows: Sequence[Residuals]) -> np.ndarray:
    """Autocorrelation in time at lags 0, 1, …, each frame relative to its own size.

    Relative to one variance, a residual that grows would seem to forget.
    """
    curve = [1.0]
    for lag in range(1, len(windows[0].values)):
        sums = np.zeros(3)
        for each in windows:
            early, late = each.values[:-lag], each.values[lag:]
            sums += [np.vdot(early, late), np.vdot(early, early), np.vdot(late, late)]
        value = sums[0] / sqrt(sums[1] * sums[2]) if sums[1] * sums[2] > 0 else 0.0
        if value < _SMOOTH:
            break
        curve.append(float(value))
    return np.array(curve)


def _wall(windows: Sequence[Residuals], grid: Grid) -> str | None:
    """The wall with the largest mean square beside it, if that is several times the whole one."""
    whole, ratios = _rms(windows) ** 2, {}
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
            ratios[f"the {name} end of {grid.axes[axis]}"] = _rms(beside) ** 2
    side = max(ratios, key=lambda each: ratios[each], default=None)
    return side if side is not None and ratios[side] > _FAR_LARGER * whole else None


def _wavelength(
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
