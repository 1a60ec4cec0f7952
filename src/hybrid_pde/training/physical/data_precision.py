"""Rounding of stored observations: floating-point format, packed integers, few decimal digits.

Few values on a fine lattice have no neighbours on it, but all of them have the same phase of the
wave exp(2πi v/q): the Fourier transform of their histogram has a peak at 1/q that is as high as
their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybrid_pde.training.physical.observations import Observations

# Values of a field that are looked at.
_SAMPLE = 20_000
# Gaps between neighbouring values of which a step must divide nearly all, by this many steps.
_FEWEST_GAPS, _LARGEST_MULTIPLE = 20, 50
_SHARE, _OFF = 0.97, 0.1
# Fractions of the smallest gap that may be the step.
_DIVISORS = (1, 2, 3)
# Bins of the histogram of the values; levels of a lattice that are looked for: more than a few,
# which _lattice_step finds, up to 16 bits.
_BINS, _FEWEST_LEVELS, _MOST_LEVELS = 2**18, 200, 66_000
# Fewest distinct values of which none has a peak by chance: 0.6 is 6 standard deviations of 100.
_FEWEST_PHASES, _PEAK, _CERTAIN = 100, 0.6, 0.9
# Bits of the significand, beside the first.
_FORMATS: Sequence[tuple[type, int]] = ((np.float16, 10), (np.float32, 23))
_DOUBLE_BITS = 52


@dataclass(frozen=True)
class Rounding:
    """Rounding of the stored values of a field.

    A value that was rounded to a multiple of q has an error of the variance q²/12. For a
    floating-point format q is proportional to the value, to the next power of two; for a lattice
    (packed integers, few decimal digits) it is the same for all values.

    Attributes:
        bits: Bits of the significand beside the first.
        step: Step of the lattice, in the field's unit; 0 without one.
        size: Root mean square of the errors of the field's values, in its unit.
    """

    bits: int
    step: float
    size: float

    def errors(self, values: np.ndarray) -> np.ndarray:
        """Standard deviation of the rounding error of each value, of the same shape."""
        return np.maximum(_spacing(values, self.bits), self.step) / 12**0.5


def roundings(observations: Observations) -> dict[str, Rounding]:
    """Rounding of the observed values of each field."""
    return {name: rounding_of(observations.sample(name, _SAMPLE)) for name in observations.fields}


def rounding_of(values: np.ndarray) -> Rounding:
    """Rounding of numbers ``[n]``, from the numbers themselves.

    The step is that of the shortest floating-point format that holds the values, or of a lattice on
    which all of them lie, whichever is larger.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return Rounding(_DOUBLE_BITS, 0.0, 0.0)
    bits = _DOUBLE_BITS
    many = len(np.unique(values)) >= _FEWEST_GAPS  # a few round numbers fit any format
    for kind, stored in _FORMATS if many else _FORMATS[-1:]:
        with np.errstate(over="ignore"):
            if np.array_equal(values.astype(kind).astype(float), values):
                bits = stored
                break
    spacing = _spacing(values, bits)
    spread = float(np.sqrt(np.mean(spacing**2)))
    finest = float(spacing.max()) * min(1.0, 2.0 ** (bits - _FORMATS[-1][1]))
    step = _lattice_step(values, finest) or _step_of_phase(values, finest)
    return Rounding(bits, step, max(spread, step) / 12**0.5)


def _spacing(values: np.ndarray, bits: int) -> np.ndarray:
    """Distance of neighbouring floating-point numbers at each value; 0 at 0."""
    exponents = np.floor(np.log2(np.maximum(np.abs(values), np.finfo(float).tiny)))
    return np.where(values == 0, 0.0, 2.0 ** (exponents - bits))


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


def _step_of_phase(values: np.ndarray, spacing: float) -> float:
    """Step of a lattice of up to 2¹⁶ levels by the phase of the values; 0 if there is none."""
    extent = float(np.ptp(values))
    if len(np.unique(values)) < _FEWEST_PHASES or extent <= 32 * spacing * _MOST_LEVELS:
        return 0.0
    # Bins of at most a quarter of the step; twice their number, so that no peak falls between.
    counts, _ = np.histogram(values, _BINS)
    heights = np.abs(np.fft.rfft(counts, 2 * _BINS)) / len(values)
    levels = np.arange(len(heights)) / 2
    allowed = (levels >= _FEWEST_LEVELS) & (levels <= _MOST_LEVELS)
    peaks = np.flatnonzero(allowed & (heights >= _PEAK))
    if not len(peaks):
        return 0.0
    first = peaks[0]  # multiples of 1/q have peaks too
    near = levels[first] + np.linspace(-1, 1, 81)
    phases = np.exp(2j * np.pi * near[:, None] * ((values - values.min()) / extent))
    heights = np.abs(phases.mean(axis=1))
    best = int(heights.argmax())
    return extent / float(near[best]) if heights[best] >= _CERTAIN else 0.0
