"""Profile likelihood: the smallest loss as a function of one parameter, and its 90 % interval.

The profile of θ_k is P(θ_k) = min |r|² over all other unknowns. Its increase above the minimum is
measured in units of the variance that makes a parabola give the interval of the error budget:

    Δ(θ_k) = (P(θ_k) − P_min) · C_kk / u_k²,   C = (JᵀJ)⁻¹,

with u_k the uncertainty from all sources on the scale of z. Independent errors have u_k² = σ² C_kk,
which gives the likelihood ratio itself; correlated errors have fewer independent values, so that
u_k² is larger. The interval holds the values with Δ ≤ χ²₁(0.9) = 2.71.

Sources: Venzon and Moolgavkar (1988), Appl. Stat. 37, 87-94; Pace and Salvan (1997), Principles of
Statistical Inference, section 4.6 (adjusted likelihood ratios).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf, sqrt
from typing import Any

import numpy as np
from scipy.optimize import brentq

from hybrid_pde.errors import DivergenceError
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.physical.convergence import full_step
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.normal_interval import NORMAL_90
from hybrid_pde.training.physical.objective import Objective

# χ² of one degree of freedom below which 90 % of its values lie.
THRESHOLD = NORMAL_90**2
# Distances from the estimate that are tried until the threshold is crossed; a parabola crosses it
# at 1.
_DISTANCES = (0.5, 1.0, 1.5, 2.5, 4.0, 8.0, 16.0)
# Error of a crossing in the same units.
_TOLERANCE = 2e-3
# Largest number of steps of the other unknowns at one value, and the gain of Δ that ends them.
_MAX_STEPS, _LEAST_GAIN = 12, 1e-3
_HALVINGS = 8


@dataclass
class Profile:
    """Profile of one number.

    Attributes:
        values: The values at which the others were fitted, ascending, in physical units.
        increases: Δ there.
        limits: Ends of the interval; ``None`` where the data set no limit.
        reasons: Why an end is open, in words; ``None`` where it is not.
    """

    values: list[float] = field(default_factory=list)
    increases: list[float] = field(default_factory=list)
    limits: list[float | None] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)

    @property
    def smallest(self) -> float:
        """The smallest Δ."""
        return min(self.increases)

    def add(self, value: float, increase: float) -> None:
        """Add a point, in the order of the values."""
        at = int(np.searchsorted(self.values, value))
        self.values.insert(at, value)
        self.increases.insert(at, float(increase))


class ProfileSearch:
    """Profiles of the parameters of a calibration at its estimate.

    Args:
        objective: The objective.
        unknowns: All unknowns at the estimate.
        uncertainty: Standard deviations of the parameters from all sources, in physical units.
    """

    def __init__(self, objective: Objective, unknowns: np.ndarray, uncertainty: np.ndarray) -> None:
        self._objective = objective
        self._at = objective.linearize(unknowns)
        vector = objective.vector
        z = unknowns[: len(vector)]
        self._spread = uncertainty / np.abs(vector.slopes(z))
        jacobian, _ = self._at.of_parameters(len(vector))
        self._inverse = np.diag(np.linalg.pinv(jacobian.T @ jacobian, hermitian=True))
        # Without noise the calibration's tolerance may exceed the uncertainty.
        self._at = self._minimized(self._at, float(self._scales().max()))
        self._estimate = self._at.z

    def _scales(self) -> np.ndarray:
        """Factors from an increase of the loss to Δ, ``[n]``."""
        return self._objective.num_values * self._inverse / self._spread**2

    def profile(self, entry: int) -> Profile:
        """The profile of one number, and its interval."""
        vector = self._objective.vector
        found = Profile([float(vector.values(self._estimate[: len(vector)])[entry])], [0.0])
        for sign in (-1.0, 1.0):
            limit, reason = self._side(entry, sign, found)
            found.limits.append(limit)
            found.reasons.append(reason)
        return found

    def _side(self, entry: int, sign: float, found: Profile) -> tuple[float | None, str | None]:
        """Limit on one side, or why there is none."""
        z0, reach = self._estimate[entry], NORMAL_90 * self._spread[entry]
        bound = self._objective.bounds()[int(sign > 0)][entry]
        farthest = sign * (bound - z0) / reach
        if farthest <= 0:
            return None, _at_bound(self._physical(entry, z0), sign)
        at, before, known = self._estimate, 0.0, {0.0: -NORMAL_90}

        def excess(distance: float) -> float:
            """√Δ − √threshold, which is linear in the distance for a parabola."""
            nonlocal at
            if distance in known:
                return known[distance]
            at, increase = self._fitted(entry, z0 + sign * distance * reach, at)
            found.add(self._physical(entry, at[entry]), increase)
            known[distance] = sqrt(max(increase, 0.0)) - NORMAL_90
            return known[distance]

        try:
            for distance in _DISTANCES:
                tried = min(distance, farthest)
                if excess(tried) > 0:
                    crossing = brentq(excess, before, tried, xtol=_TOLERANCE)
                    return self._physical(entry, z0 + sign * crossing * reach), None
                if tried == farthest:
                    return None, _at_bound(self._physical(entry, bound), sign)
                before = tried
        except DivergenceError:
            return None, "the solution diverges at values further out, before the data exclude them"
        farthest_value = self._physical(entry, z0 + sign * _DISTANCES[-1] * reach)
        return None, f"the data do not exclude values as far out as {farthest_value:.3g}"

    def _fitted(self, entry: int, value: float, start: np.ndarray) -> tuple[np.ndarray, float]:
        """All unknowns with one of them fixed and the others at their minimum; Δ there."""
        scale = float(self._scales()[entry])
        begin = np.array(start)
        begin[entry] = value
        at = self._minimized(self._objective.linearize(begin), scale, entry)
        return at.z, (at.loss - self._at.loss) * scale

    def _minimized(self, at: Linearization, scale: float, held: int | None = None) -> Linearization:
        """The minimum next to a point, up to a negligible Δ, with one unknown held."""
        objective, sizes = self._objective, self._objective.vector.sizes(at.z)
        for _ in range(_MAX_STEPS):
            free = np.array(at.jacobian)
            if held is not None:
                free[:, held] = 0.0
            step = full_step(
                replace(at, jacobian=free), objective.bounds(), sizes, objective.num_values
            )
            if held is not None:
                step.step[held] = 0.0
            if step.gain * at.loss * scale <= _LEAST_GAIN:
                break
            lower = self._along(at, step.step)
            if lower is None:
                break
            at = lower
        return at

    def _along(self, at: Linearization, step: np.ndarray) -> Linearization | None:
        lower, upper = self._objective.bounds()
        for halvings in range(_HALVINGS):
            try:
                trial = self._objective.linearize(np.clip(at.z + step / 2**halvings, lower, upper))
            except DivergenceError:
                continue
            if trial.loss < at.loss:
                return trial
        return None

    def _physical(self, entry: int, z: float) -> float:
        whole = np.array(self._estimate[: len(self._objective.vector)])
        whole[entry] = z
        return float(self._objective.vector.values(whole)[entry])


def profiles(
    objective: Objective, unknowns: np.ndarray, parameters: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Profile of every determined number, in plain types; sets ``interval_90`` of its parameter.

    Args:
        objective: The objective, its model at the estimate.
        unknowns: All its unknowns at the estimate.
        parameters: The parameters as reported, with an uncertainty; they are changed.

    Returns:
        By label: ``values`` and ``increases`` of the curve, ``threshold``, and ``open``, the reason
        by side (``lower``, ``upper``) where the data set no limit.
    """
    vector = objective.vector
    uncertainty = np.full(len(vector), np.nan)
    for name in vector.parameters:
        if parameters[name]["uncertainty"] is not None:
            uncertainty[vector.owned(name)] = parameters[name]["uncertainty"]
    usable = np.isfinite(uncertainty) & (uncertainty > 0)
    if not usable.any():
        return {}
    search = ProfileSearch(objective, unknowns, np.where(usable, uncertainty, inf))
    report: dict[str, dict[str, Any]] = {}
    for name in vector.parameters:
        owned = vector.owned(name)
        if not usable[owned].all():
            continue
        found = [search.profile(entry) for entry in owned]
        many = isinstance(parameters[name]["value"], list)
        limits = [[each.limits[side] for each in found] for side in (0, 1)]
        parameters[name]["interval_90"] = limits if many else [side[0] for side in limits]
        for entry, each in zip(owned, found, strict=True):
            label = vector.labels[entry]
            _warn(label, each)
            report[label] = {
                "values": each.values,
                "increases": each.increases,
                "threshold": THRESHOLD,
                "open": {
                    side: reason
                    for side, reason in zip(("lower", "upper"), each.reasons, strict=True)
                    if reason is not None
                },
            }
    return report


def _at_bound(value: float, sign: float) -> str:
    return f"the data exclude no value {'up' if sign > 0 else 'down'} to the bound, {value:.4g}"


def _warn(label: str, found: Profile) -> None:
    """Warn of an open interval, and of a better minimum."""
    for side, reason in zip(("lower", "upper"), found.reasons, strict=True):
        if reason is not None:
            warn_of_result(
                f"{label}: interval_90 has no {side} end: {reason}. Add data on which it has an "
                "influence, or give trainer_params.learnable_parameters: prior or bounds from what "
                "is known"
            )
    if found.smallest < -THRESHOLD / 10:
        value = found.values[int(np.argmin(found.increases))]
        warn_of_result(
            f"{label}: the profile found a smaller loss at {value:.5g} than at the estimate, which "
            "is another minimum. Start there (trainer_params.learnable_parameters: initial_guess), "
            "or set trainer_params.physical.starts"
        )
