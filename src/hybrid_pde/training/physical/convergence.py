"""Test for a minimum: the full Gauss-Newton step within the bounds, and what it would gain.

A minimizer also stops when its own steps have become small, e.g. because its trust region was
scaled by a guess that is far too small. Only the full step tells whether there is a minimum.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.uncertainty import NO_INFLUENCE

# Relative change of the loss that is rounding error.
ROUNDING = 1e-14
# Near the minimum, moving the parameters by one standard deviation changes |r|² by σ². With N
# values, a relative change of 1e-4/N is a hundredth of a standard deviation.
IRRELEVANT = 1e-4
# The loss that the full step would still gain at a minimum, as a multiple of that change.
_REMAINING_GAIN = 10
# Mean square by which rounding errors of rollouts change the prediction, in units of the data
# variance.
_ROUNDING_LOSS = 1e-20
# A parameter close to zero has no size of its own. Its step is short if it changes the prediction
# by less than this fraction of the tolerance, in standard deviations of the data.
_SMALL_CHANGE = 1e-3
# A step that fails although derivatives promise a gain is due to rounding or to kinks of the scheme
# if it is no longer than this, relative to the parameters, or if it gains no more than that: of the
# loss, or in units of the data variance.
_LONG_STEP, _LARGE_GAIN, _LARGE_CHANGE = 1e-2, 1e-6, 1e-10
# Share of the gain by eliminated initial states: a gain of the noise variance, which moves
# thousands of them by a fraction of their errors, is as irrelevant as 0.001 of it by a parameter.
_STATE_GAIN = 1e-3
# Number of unknowns up to which the step is minimized within the bounds; beyond, it is clipped.
_MAX_BOUNDED = 200


@dataclass(frozen=True)
class FullStep:
    """The full Gauss-Newton step at a point.

    Attributes:
        step: The step s of all unknowns within the bounds; without eliminated ones.
        gain: Relative decrease of |r|² that the linearization promises, between 0 and 1. A small
            part of that by eliminated states counts, because it hardly moves the parameters.
        change: Root mean square by which each entry of the step changes the prediction, in
            standard deviations of the data.
        sizes: Magnitude of each unknown.
        loss: The loss at the point.
        num_values: Number of observed values N.
    """

    step: np.ndarray
    gain: float
    change: np.ndarray
    sizes: np.ndarray
    loss: float
    num_values: float

    def is_short(self, tolerance: float) -> bool:
        """True if the step is below a tolerance relative to every unknown."""
        own = np.abs(self.step) <= tolerance * self.sizes
        return bool(np.all(own | (self.change <= _SMALL_CHANGE * tolerance)))

    def is_negligible(self, tolerance: float) -> bool:
        """True if the point is a minimum: the step is short, or gains nothing of relevance."""
        least = max(ROUNDING, IRRELEVANT / self.num_values)
        return (
            self.gain <= _REMAINING_GAIN * least
            or self.gain * self.loss <= _ROUNDING_LOSS
            or self.is_short(tolerance)
        )

    @property
    def is_large(self) -> bool:
        """True if neither rounding nor kinks of a scheme explain that the step fails."""
        if not self.loss:
            return False
        least = max(ROUNDING, IRRELEVANT / self.num_values)
        relevant = max(_LARGE_GAIN, _REMAINING_GAIN * least, _LARGE_CHANGE / self.loss)
        return self.gain > relevant and not self.is_short(_LONG_STEP)


def full_step(
    at: Linearization,
    bounds: tuple[np.ndarray, np.ndarray],
    sizes: np.ndarray,
    num_values: float,
) -> FullStep:
    """The step s that minimizes |J s + r|² with lower ≤ z + s ≤ upper.

    Args:
        at: Residual r and Jacobian J at the point z.
        bounds: Lower and upper bounds of all unknowns.
        sizes: Magnitudes of the unknowns to which tolerances are relative.
        num_values: Number of observed values N.

    Source: Stark and Parker (1995), Computational Statistics 10, 129-141 (bounded least squares).
    """
    count = at.jacobian.shape[1]  # without unknowns that were eliminated
    bounds, sizes, z = (bounds[0][:count], bounds[1][:count]), sizes[:count], at.z[:count]
    lengths = np.linalg.norm(at.jacobian, axis=0)
    units = np.where(lengths > 0, lengths, 1.0)
    scaled = at.jacobian / units
    scaled_step = np.linalg.lstsq(scaled, -at.residual, rcond=None)[0]
    low, high = (bounds[0] - z) * units, (bounds[1] - z) * units
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    if np.any(scaled_step < low) or np.any(scaled_step > high):
        if len(scaled_step) <= _MAX_BOUNDED:
            free = low < high
            scaled_step = np.zeros_like(scaled_step)
            scaled_step[free] = lsq_linear(
                scaled[:, free], -at.residual, (low[free], high[free]), method="bvls"
            ).x
        else:
            scaled_step = np.clip(scaled_step, low, high)
    moved = scaled @ scaled_step
    reduced = float(at.residual @ at.residual)
    squares = reduced if at.states is None else at.loss * num_values
    gain = -float(2 * (at.residual @ moved) + moved @ moved) / squares if squares else 0.0
    if at.states is not None and squares:
        gain += _STATE_GAIN * max(1 - reduced / squares, 0.0)
    return FullStep(
        scaled_step / units,
        max(gain, 0.0),
        np.abs(scaled_step) * (lengths > 0) / np.sqrt(num_values),
        sizes,
        at.loss,
        num_values,
    )


def without_influence(at: Linearization, count: int, num_values: float) -> np.ndarray:
    """True if each of the first unknowns, the parameters, hardly changes the prediction."""
    lengths = np.linalg.norm(at.jacobian[:, :count], axis=0)
    return lengths <= NO_INFLUENCE * np.sqrt(num_values)


def nothing_to_fit(loss: float) -> bool:
    """True if the loss is that of rounding errors."""
    return loss <= _ROUNDING_LOSS
