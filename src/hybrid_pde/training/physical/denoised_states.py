"""Unknown initial states without the modes that noise makes.

Modes that are only noise rotate with the dispersion or the velocity. They have derivatives with
respect to the parameters that may exceed those of the solution, so Gauss-Newton steps from noisy
states are far too short.
"""

from math import comb

import numpy as np
import torch

from hybrid_pde.training.physical.objective import Objective

# Order of the differences: a wave of eight points keeps less than 1 % of its amplitude.
_ORDER = 6
FEWEST_POINTS = 2 * _ORDER
# Median of |x| of a standard normal distribution.
MEDIAN = 0.6744897501960817
# Power of a mode relative to the expected power of noise from which it is kept: noise exceeds it
# with a probability of exp(-8).
_KEPT = 8.0


def without_noise(objective: Objective, unknowns: np.ndarray) -> np.ndarray:
    """The unknowns with Fourier modes of the observed initial states above the level of noise.

    States that were found already stay as they are.

    Args:
        objective: The misfit.
        unknowns: All its unknowns.
    """
    states, size = objective.states, len(objective.vector)
    if states is None or not np.array_equal(unknowns[size:], states.start):
        return unknowns
    return resolved_states(objective, unknowns)


def resolved_states(objective: Objective, unknowns: np.ndarray) -> np.ndarray:
    """The unknowns with the Fourier modes of initial states that are observed above their noise.

    States of other grids than periodic ones, and hidden ones, stay as they are.

    Args:
        objective: The misfit.
        unknowns: All its unknowns.
    """
    states, grid, size = objective.states, objective.observations.grid, len(objective.vector)
    if states is None or not grid.is_periodic or min(grid.shape) < FEWEST_POINTS:
        return unknowns
    if objective.observations.hides_starts:
        return unknowns
    axes = tuple(range(-len(grid.axes), 0))
    observed, own = (
        states.to_fields(torch.from_numpy(np.array(each)).reshape(-1, states.size))
        for each in (states.start, unknowns[size:])
    )
    kept = {}
    for name, field in observed.items():
        values = field.numpy()
        noise = noise_size(values.reshape(-1, *grid.shape))
        power = np.abs(np.fft.fftn(values, axes=axes)) ** 2 / np.prod(grid.shape)
        modes = np.where(power > _KEPT * noise**2, np.fft.fftn(own[name], axes=axes), 0.0)
        resolved = np.fft.ifftn(modes, axes=axes).real
        kept[name] = torch.from_numpy(resolved / objective.observations.scale[name] ** 2)
    return np.concatenate([unknowns[:size], states.to_unknowns(kept).flatten().numpy()])


def noise_size(states: np.ndarray) -> float:
    """Standard deviation of independent noise of states, ``[B, *space]``, at most."""
    differences = [rough(states, axis) for axis in range(1, states.ndim)]
    return min(float(np.median(np.abs(each))) / MEDIAN for each in differences)


def rough(values: np.ndarray, axis: int) -> np.ndarray:
    """Differences of high order, scaled to leave the size of independent noise as it is."""
    weight = np.sqrt(comb(2 * _ORDER, _ORDER))
    return np.asarray(np.diff(values, _ORDER, axis=axis) / weight)


def noise_information(objective: Objective, unknowns: np.ndarray) -> np.ndarray:
    """Factors on the std of z, at least 1, without what noise seems to tell, ``[p]``.

    Estimated states take up noise. Its modes rotate with the parameters too, and seem to determine
    them far more closely than the solution does. The derivatives at states without these modes do
    not have this information.

    Args:
        objective: The misfit, its model at the estimate.
        unknowns: All its unknowns at the estimate.
    """
    size = len(objective.vector)
    clean = resolved_states(objective, unknowns)
    if np.array_equal(clean, unknowns):
        return np.ones(size)
    at = objective.linearize(unknowns)
    deviations = []
    for each in (objective.linearize(clean), at):
        jacobian, _ = each.of_parameters(size)
        inverse = np.linalg.pinv(jacobian.T @ jacobian, hermitian=True)
        deviations.append(np.sqrt(np.maximum(np.diag(inverse), 0.0)))
    objective.reuse(at)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.fmax(deviations[0] / deviations[1], 1.0)
