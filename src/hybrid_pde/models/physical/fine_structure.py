"""Warnings of solutions with structure of a few cells, which no scheme resolves.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hybrid_pde.result_warnings import warn_of_result

# Share of the variance. Waves of six cells have 0.06, and a spectral solution of Burgers' equation
# with energy piled up at the smallest scales 0.05-0.12.
MAX_SHARE = 0.03
SHOCK = 2.0  # times one over the number of points; a shock that WENO captures has at most 1.5
MAX_GROWTH = 4.0  # of the share from the initial state on, which may be rough or noisy itself
_FRAMES = 8  # of a simulation that are looked at
_ROUNDING = 1e-6  # of a standard deviation, relative to the largest value
_NAMED = 5


def fine_share(values: NDArray[np.floating]) -> float:
    """Share of the variance of a field ``[C, *space]`` that has wavelengths of a few cells.

    The largest over the axes of ⟨f²⟩ / ⟨(u − ⟨u⟩)²⟩ with the filter f = (u₋ − 2u + u₊) / 4, whose
    gain is sin²(k dx/2): 1 for waves of two cells, 0.5 for four, 0.15 for eight. No point beyond
    the ends is used, so any boundary will do.
    """
    numbers = values.astype(np.float64)
    mean = numbers.mean(axis=tuple(range(1, numbers.ndim)), keepdims=True)
    variance = float(np.square(numbers - mean).mean())
    largest = float(np.abs(numbers).max())
    if not np.isfinite(variance) or variance <= (_ROUNDING * largest) ** 2:
        return 0.0
    curved = [
        np.square(np.diff(numbers, n=2, axis=axis) / 4).mean()
        for axis in range(1, numbers.ndim)
        if numbers.shape[axis] > 2
    ]
    return float(max(curved, default=0.0) / variance)


def unresolved_fields(frames: Mapping[str, NDArray[np.floating]]) -> dict[str, tuple[float, int]]:
    """Fields that the grid does not resolve, with the share of the variance and the frame.

    Args:
        frames: ``[T, C, *space]`` of each field, the initial state first.
    """
    found: dict[str, tuple[float, int]] = {}
    for name, values in frames.items():
        start = fine_share(values[0])
        points = min((n for n in values.shape[2:] if n > 2), default=1)
        least = max(MAX_SHARE, SHOCK / points, MAX_GROWTH * start)
        for time in np.unique(np.linspace(1, len(values) - 1, _FRAMES, dtype=int)):
            share = fine_share(values[time])
            if share > max(least, found.get(name, (0.0, 0))[0]):
                found[name] = (share, int(time))
    return found


def warn_of_unresolved(simulations: Mapping[str, Mapping[str, tuple[float, int]]]) -> None:
    """Warn of simulations with fields that the grid does not resolve, in one sentence.

    Args:
        simulations: Result of :func:`unresolved_fields` of each simulation, by its name.
    """
    found = {label: fields for label, fields in simulations.items() if fields}
    if not found:
        return
    label, fields = max(found.items(), key=lambda item: max(item[1].values()))
    name, (share, time) = max(fields.items(), key=lambda item: item[1])
    named = ", ".join([*found][:_NAMED]) + (", …" if len(found) > _NAMED else "")
    others = f" ({named}; the worst of {len(found)})" if len(found) > 1 else ""
    warn_of_result(
        f"{label}{others}: the grid does not resolve {name}: at frame {time}, {100 * share:.2g} % "
        "of its variation has wavelengths of a few cells. Such a solution is wrong: take a finer "
        "grid, a smoother initial state, or parameters that diffuse more"
    )
