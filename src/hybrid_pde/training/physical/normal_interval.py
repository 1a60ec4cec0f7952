"""Interval that holds 90 % of a normal distribution, and an estimate beside its mean."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from hybrid_pde.training.physical.parameter_vector import ParameterVector

# Half the width of an interval that holds 90 % of a normal distribution.
NORMAL_90 = 1.6448536269514722


def interval_90(
    vector: ParameterVector, uncertainty: np.ndarray, shifts: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limits of an interval that holds the true value with a probability of 90 %.

    They are estimate ± 1.645 uncertainty, or on the logarithmic scale
    estimate · exp(± 1.645 uncertainty / estimate), within the bounds. Parts whose sign is known
    shift the distribution: with their sum s and the rest τ of the uncertainty, the true value has
    the mean estimate + s and the standard deviation τ. The limits are then s ± 1.645 τ from the
    estimate. Where the estimate itself lies outside, it is one limit, and the other one is cut so
    that 90 % lie between them.

    Args:
        vector: The parameters at the estimate.
        uncertainty: Their standard deviations in physical units, ``[n]``.
        shifts: Its parts whose sign is known, as changes of z, ``[n]`` each.
    """
    signed = np.array([np.zeros(len(uncertainty)), *shifts])
    z = vector.read()
    value = vector.values(z)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        spread = uncertainty / np.abs(vector.slopes(z))
        rest = np.sqrt(np.maximum(spread**2 - (signed**2).sum(axis=0), 0.0))
        low, high = (vector.values(z + each) for each in _changes_90(signed.sum(axis=0), rest))
    low, high = np.fmin(low, high), np.fmax(low, high)
    lower, upper = vector.values(vector.lower), vector.values(vector.upper)
    return np.fmin(np.maximum(low, lower), value), np.fmax(np.minimum(high, upper), value)


def _changes_90(mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interval with 0 that holds 90 % of a normal distribution, the central one if 0 is in it."""
    size = np.abs(mean)
    near, far = size - NORMAL_90 * std, size + NORMAL_90 * std
    beyond = 0.9 + ndtr(-size / np.where(std > 0, std, 1.0))
    cut = size + std * ndtri(np.minimum(beyond, 0.95))
    low, high = np.minimum(near, 0.0), np.where(near > 0, cut, far)
    return np.where(mean < 0, -high, low), np.where(mean < 0, -low, high)
