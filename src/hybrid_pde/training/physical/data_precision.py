"""Rounding of stored observations: floating-point format, packed integers, few decimal digits."""

from collections.abc import Sequence

import numpy as np

from hybrid_pde.training.physical.observations import Observations

# Values of a field that are looked at.
_SAMPLE = 20_000
# Gaps between neighbouring values of which a step must divide nearly all, by this many steps.
_FEWEST_GAPS, _LARGEST_MULTIPLE = 20, 50
_SHARE, _OFF = 0.97, 0.1
# Fractions of the smallest gap that may be the step.
_DIVISORS = (1, 2, 3)
# Bits of the significand, beside the first.
_FORMATS: Sequence[tuple[type, int]] = ((np.float16, 10), (np.float32, 23))
_DOUBLE_BITS = 52


def rounding_errors(observations: Observations) -> dict[str, float]:
    """Root mean square of the rounding errors of each field, in the field's unit.

    A value that was rounded to a multiple of q has an error of the variance q²/12. The step is
    that of the shortest floating-point format that holds the values, or of a lattice on which all
    of them lie (packed integers, few decimal digits), whichever is larger.
    """
    return {
        name: rounding_error(observations.sample(name, _SAMPLE)) for name in observations.fields
    }


def rounding_error(values: np.ndarray) -> float:
    """Root mean square of the rounding errors of numbers, ``[n]``, from the numbers themselves."""
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0
    bits = _DOUBLE_BITS
    many = len(np.unique(values)) >= _FEWEST_GAPS  # a few round numbers fit any format
    for kind, stored in _FORMATS if many else _FORMATS[-1:]:
        with np.errstate(over="ignore"):
            if np.array_equal(values.astype(kind).astype(float), values):
                bits = stored
                break
    exponents = np.floor(np.log2(np.maximum(np.abs(values), np.finfo(float).tiny)))
    spacing = np.where(values == 0, 0.0, 2.0 ** (exponents - bits))
    spread = float(np.sqrt(np.mean(spacing**2)))
    finest = float(spacing.max()) * min(1.0, 2.0 ** (bits - _FORMATS[-1][1]))
    return max(spread, _lattice_step(values, finest)) / 12**0.5


def _lattice_step(values: np.ndarray, spacing: float) -> float:
    """Step of the lattice that the values lie on; 0 if there is none above their own spacing."""
    distinct = np.unique(values)
    gaps = np.diff(distinct)
    gaps = gaps[gaps > 4 * spacing]
    if len(gaps) < _FEWEST_GAPS:
        return 0.0
    for divisor in _DIVISORS:
        step = float(gaps.min()) / divisor
        near = gaps[gaps <= _LARGEST_MULTIPLE * step]
        if len(near) < max(_FEWEST_GAPS, len(gaps) // 2) or step < 32 * spacing:
            continue
        # the smallest gap has a rounding error itself
        step = float(np.sum(near) / np.sum(np.round(near / step)))
        multiples = near / step
        if np.mean(np.abs(multiples - np.round(multiples)) < _OFF) >= _SHARE:
            return step
    return 0.0
