"""Structure of the residuals of a calibration: growth, quantity it follows, wavelength, bias.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.training.physical.autocorrelation import Correlation, correlation
from hybrid_pde.training.physical.misfit_correlation import SMOOTH, best_quantity
from hybrid_pde.training.physical.misfit_places import dominant_wavelength, largest_wall
from hybrid_pde.training.physical.misfit_quantities import Component, components_of
from hybrid_pde.training.physical.residuals import Residuals, root_mean_square

# Factor on the standard deviations from which residuals have structure that is described. The
# effect of correlation on one parameter is uncertain by about a factor of two.
INFLATED_STD = 3.0
# Values that are compared with the quantities: 4 MB for each of them.
_MOST_VALUES = 2**19
# Exponent p of growth as (lead time)^p that separates the kinds of growth.
_KINDS = ((0.25, "constant"), (0.75, "saturating"), (1.35, "linear"))
FASTER = "faster"
_FEWEST_FRAMES = 4
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
    channels = [[each.channel(channel) for each in windows] for channel in range(len(components))]
    sizes = [root_mean_square(each) for each in channels]
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
    own = [each.channel(channel) for each in windows]
    by_time = _structured_rms(own, statistics)
    exponent = _exponent(by_time)
    growth = None
    if exponent is not None:
        growth = next((kind for limit, kind in _KINDS if exponent < limit), FASTER)
    best, value = best_quantity(windows, channel, components, grid, by_time)
    length, cells = dominant_wavelength(own, grid)
    count = max(sum(each.num_values for each in own), 1)
    return MisfitStructure(
        components[channel].label,
        root_mean_square(own),
        float(sum(each.values.sum() for each in own) / count),
        growth,
        exponent,
        None if best is None else best.label,
        "" if best is None else best.meaning,
        best is not None and best.of_size,
        value,
        length,
        cells,
        largest_wall(own, grid),
    )


def _few(windows: Sequence[Residuals]) -> list[Residuals]:
    """Evenly chosen windows with as many values as are compared, at least one."""
    if not windows:
        return []
    kept = max(1, _MOST_VALUES // windows[0].values.size)
    chosen = np.unique(np.linspace(0, len(windows) - 1, min(kept, len(windows))).astype(int))
    return [windows[number] for number in chosen]


def _structured_rms(windows: Sequence[Residuals], statistics: Correlation) -> np.ndarray:
    """Root mean square by frame, without independent noise where neighbours are alike, ``[T]``.

    Products of neighbouring values have the mean square of what is smooth.
    """
    frames = max(len(each.values) for each in windows)
    sums, counts = np.zeros(frames), np.zeros(frames)
    is_smooth = max(statistics.lag_one[1:], default=0.0) > SMOOTH
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
