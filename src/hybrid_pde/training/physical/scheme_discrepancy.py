"""Error of the estimate where a scheme of another solver made the data.

The data are those of an unknown scheme, with noise. Its solution differs from the used one by a
combination of the differences d_j = rollout_j(θ) − rollout(θ) of a few other schemes j: in the
residual

    r = −J δθ − Σ α_j d_j + noise,    α_j ~ N(0, 1)

the amplitudes α_j are nuisance parameters. With d = J⁺d + d⊥, the posterior of the amplitudes is
normal with the precision D⊥ᵀD⊥/σ² + 1, and that of the parameters is shifted by S α with
S = −J⁺D. Where noise hides the difference, α is open, and the estimate is uncertain by the whole
shift to the other scheme; where the data show that α = 0, the error vanishes.

Time steps of order 2 are another difference, between four large steps a frame and as many as
needed, on a periodic grid. How large the steps of the data's solver were is not known at all, so
where noise hides their error, this one does not count.

Sources: Kennedy and O'Hagan (2001), J. R. Stat. Soc. B 63, 425-464 (model discrepancy); Golub and
Pereyra (1973), SIAM J. Numer. Anal. 10, 413-432 (elimination of linear parameters).

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space; ``p`` parameters, ``q`` amplitudes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import DivergenceError
from hybrid_pde.numerics.discretization import CANDIDATES, Discretization
from hybrid_pde.training.physical.autocorrelation import correlation
from hybrid_pde.training.physical.frame_arrays import Sensitivities
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.refined_linearization import discretized
from hybrid_pde.training.physical.residual_arrays import residual_arrays
from hybrid_pde.training.physical.residuals import Residuals

# Order of most solvers: advection in advective and in divergence form spans the common schemes.
_COMMON = (
    Discretization("finite_difference", 2),
    Discretization("finite_difference", 2, divergence_form=True),
)
# Time steps of order 2, as many a frame as some solvers are run with.
_COARSE_STEPS, _LARGE_STEPS = Discretization("spectral", 2), 4
_SMALL_STEPS = Discretization("spectral", 4)
# Standard deviation of an amplitude up to which the data determine it; that of the prior is 1.
_DETERMINED = 0.25
# Number of residuals that count as one from which they are errors of a solution, not noise.
_STRUCTURED = 2.0
# Largest amplitude of another scheme's error. Beyond it the equation is wrong, not the scheme.
_LARGEST = 2.0
# Axes of the residuals of sensor readings; frames have more.
_READING_AXES = 2
# Relative difference of two schemes' errors below which they are one scheme.
_SAME = 1e-3
# Singular values of J with columns of unit length, and eigenvalues of D⊥ᵀD⊥, that count.
_SINGULAR = 1e-6
# The variance is that of the residuals less what the amplitudes explain: fixed-point iterations,
# and the change of the amplitudes, in standard deviations, that ends them.
_ITERATIONS, _UNCHANGED = 4, 0.01
# Sum of the amplitudes of order 2, and its size in standard deviations, that is no chance.
_NOTICEABLE, _DECISIVE = 0.5, 5.0


@dataclass(frozen=True)
class SchemeDiscrepancy:
    """Effect that schemes of other solvers may have on the estimate.

    Attributes:
        shift: Change of z towards the value that the other schemes give, ``[p]``.
        std: Standard deviation of z from amplitudes that the data leave open, ``[p]``.
        second_order: Sum of the amplitudes of schemes of order 2, on the grid of the data: 1 if one
            of them made the data, 0 where the used scheme explains them.
        second_order_std: Its standard deviation.
    """

    shift: np.ndarray
    std: np.ndarray
    second_order: float = 0.0
    second_order_std: float = 1.0

    @property
    def error(self) -> np.ndarray:
        """Root mean square error of z, ``[p]``."""
        return np.hypot(self.shift, self.std)

    @property
    def is_second_order(self) -> bool:
        """True if a scheme of order 2 explains the data clearly better than the used one."""
        return (
            self.second_order >= _NOTICEABLE
            and self.second_order >= _DECISIVE * self.second_order_std
        )


def scheme_discrepancy(
    objective: Objective,
    unknowns: np.ndarray,
    windows: Sequence[Sensitivities],
    explained: float = 1.0,
) -> SchemeDiscrepancy | None:
    """Error of the estimate from the scheme of the data.

    Args:
        objective: The misfit, its model at the estimate with the chosen scheme.
        unknowns: All its unknowns at the estimate.
        windows: Residuals and derivatives there.
        explained: Loss of a finer solution relative to that of the used one: of the residuals only
            this part is not the error of the used scheme itself.

    Returns:
        ``None`` without frames, or if no other scheme has a solution.
    """
    residual = np.concatenate([each.residuals.values.ravel() for each in windows])
    solved = {objective.model.discretization: residual}
    schemes: list[Discretization] = []
    columns: list[np.ndarray] = []
    for scheme in _other_schemes(objective.model.discretization, objective.observations.grid):
        try:
            solved[scheme] = _rollout(objective, unknowns, scheme)
        except DivergenceError:
            continue
        difference = solved[scheme] - residual
        if not any(_is_same(difference, each) for each in columns):
            schemes.append(scheme)
            columns.append(difference)
    large_steps = _difference_of_time_steps(objective, unknowns, solved.get(_SMALL_STEPS))
    if large_steps is not None:
        schemes.append(_COARSE_STEPS)
        columns.append(large_steps)
    if not columns:
        return None
    residual = residual * sqrt(min(1.0, explained))
    fit = Regression(windows, np.stack(columns, axis=1), objective.num_values)
    mean, covariance = fit.posterior(residual)
    is_open = large_steps is not None and covariance[-1, -1] > _DETERMINED**2
    if is_open and fit.inflation(residual) < _STRUCTURED:
        schemes, columns = schemes[:-1], columns[:-1]
        if not columns:
            return None
        fit = Regression(windows, np.stack(columns, axis=1), objective.num_values)
        mean, covariance = fit.posterior(residual)
    counts = np.array(
        [s.is_second_order and not objective.model.discretization.is_second_order for s in schemes],
        dtype=float,
    )
    return SchemeDiscrepancy(
        fit.shifts @ mean,
        np.sqrt(np.einsum("pi,ij,pj->p", fit.shifts, covariance, fit.shifts)),
        float(counts @ mean),
        sqrt(counts @ covariance @ counts),
    )


def _other_schemes(used: Discretization, grid: Grid) -> Sequence[Discretization]:
    """Common schemes on the grid of the data, and the most accurate one that it has."""
    others = [*_COMMON, replace(CANDIDATES[-1], refine=used.refine)]
    if others[-1].incompatibility(grid) is not None:
        others[-1] = replace(CANDIDATES[-2], refine=used.refine)
    return [each for each in others if each != used and each.incompatibility(grid) is None]


def _difference_of_time_steps(
    objective: Objective, unknowns: np.ndarray, small: np.ndarray | None
) -> np.ndarray | None:
    """Weighted rollout with large time steps of order 2 less one with small ones of order 4.

    Args:
        objective: The misfit.
        unknowns: All its unknowns.
        small: The latter, if it has been solved.
    """
    model = objective.model
    if _COARSE_STEPS.incompatibility(objective.observations.grid) is not None:
        return None
    numerics = model.numerics
    try:
        if small is None:
            small = _rollout(objective, unknowns, _SMALL_STEPS)
        model.numerics = numerics.model_copy(update={"substeps": _LARGE_STEPS})
        return _rollout(objective, unknowns, _COARSE_STEPS) - small
    except DivergenceError:
        return None
    finally:
        model.numerics = numerics


def _rollout(objective: Objective, unknowns: np.ndarray, scheme: Discretization) -> np.ndarray:
    """Weighted residuals of the frames with a scheme, ``[n]``.

    Raises:
        DivergenceError: if its solution diverges.
    """
    with discretized(objective.model, scheme):
        found = residual_arrays(objective, unknowns, len(objective.vector) + 1)
    frames = [each.values.ravel() for each in found if each.values.ndim > _READING_AXES]
    return np.concatenate(frames)


def _is_same(first: np.ndarray, second: np.ndarray) -> bool:
    return float(np.linalg.norm(first - second)) <= _SAME * float(np.linalg.norm(second))


class Regression:
    """Residuals of the used scheme as a combination of others, the parameters eliminated.

    Args:
        windows: Residuals and derivatives of the used scheme.
        differences: Differences of the other schemes, ``[n, q]``.
        num_values: Number of observed values of all windows, of which these may be a part.

    Attributes:
        shifts: Change of z for a unit amplitude, S = −J⁺D, ``[p, q]``.
    """

    def __init__(
        self, windows: Sequence[Sensitivities], differences: np.ndarray, num_values: float
    ) -> None:
        self._windows = windows
        slopes = np.concatenate([each.slopes.reshape(len(each.slopes), -1) for each in windows], 1)
        size = np.linalg.norm(slopes, axis=1)
        size = np.where(size > 0, size, 1.0)
        left, values, right = np.linalg.svd((slopes / size[:, None]).T, full_matrices=False)
        keep = values > _SINGULAR * values[0]
        self._basis = left[:, keep]
        inverse = (right[keep].T / values[keep]) @ self._basis.T / size[:, None]
        self.shifts = -inverse @ differences
        self._differences = self._remainder(differences)
        kept = sum(each.residuals.num_values for each in windows)
        self._num_values = min(float(kept), num_values)
        self._times = max(1.0, num_values / kept)

    def posterior(self, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean ``[q]`` and covariance ``[q, q]`` of the amplitudes.

        The noise has the variance and the autocorrelation of what the amplitudes leave.
        """
        residual = self._remainder(residual)
        count = self._differences.shape[1]
        gram = self._differences.T @ self._differences
        score = self._differences.T @ residual
        mean = -np.linalg.pinv(gram, rcond=_SINGULAR, hermitian=True) @ score
        mean, covariance = np.clip(mean, -_LARGEST, _LARGEST), np.eye(count)
        for _ in range(_ITERATIONS):
            left = residual + self._differences @ mean
            freedom = max(self._num_values - count - self._basis.shape[1], 1.0)
            variance = float(left @ left) / freedom * self.inflation(left) / self._times
            if variance == 0:
                return mean, np.zeros((count, count))
            covariance = np.linalg.inv(gram / variance + np.eye(count))
            before, mean = mean, np.clip(-covariance @ score / variance, -_LARGEST, _LARGEST)
            if np.all(np.abs(mean - before) <= _UNCHANGED * np.sqrt(np.diag(covariance))):
                break
        return mean, covariance

    def _remainder(self, values: np.ndarray) -> np.ndarray:
        """The part that no change of the parameters explains."""
        return np.asarray(values - self._basis @ (self._basis.T @ values))

    def inflation(self, residual: np.ndarray) -> float:
        """Number of residuals that count as one independent value."""
        shapes = [each.residuals.values.shape for each in self._windows]
        ends = np.cumsum([np.prod(shape) for shape in shapes])
        parts = np.split(residual, ends[:-1])
        return correlation(
            Residuals(part.reshape(shape), each.residuals.observed)
            for part, shape, each in zip(parts, shapes, self._windows, strict=True)
        ).inflation
