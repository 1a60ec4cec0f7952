"""Uncertainty of parameters that all simulations share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from hybrid_pde.training.physical.arrow import Arrow
from hybrid_pde.training.physical.normal_interval import NORMAL_90
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.uncertainty import assess

# Simulations from which on the scatter of their gradients tells the size of the noise.
_FEWEST_CLUSTERS = 10
# Parts of the uncertainty, and those that are common to all simulations and do not average out.
_PARTS = ("noise", "scheme", "discretization", "precision", "initial_state")
_COMMON = ("scheme", "discretization")


@dataclass(frozen=True)
class SharedFit:
    """The end of a joint calibration.

    Attributes:
        vector: All learnable parameters of a simulation.
        z: Their values in the first simulation.
        shared: Entries of the shared ones.
        arrows: Linearization of each simulation.
        num_values: Number of observed values of all simulations.
    """

    vector: ParameterVector
    z: np.ndarray
    shared: Sequence[int]
    arrows: Sequence[Arrow]
    num_values: float


def shared_report(
    fit: SharedFit, estimates: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, dict[str, Any]], np.ndarray]:
    """The shared parameters as in ``parameters.yaml``.

    The sources of the uncertainty act as on the simulations' own parameters: in proportion to the
    std, and those of :data:`_COMMON` times √S, because they do not average out over S simulations.
    With ten simulations or more, the noise is at least what the scatter of their gradients says
    (Liang and Zeger 1986).

    Args:
        fit: The joint calibration.
        estimates: Estimates of the simulations, with the shared parameters held.

    Returns:
        The report, and the covariance of the shared parameters ``[n, n]`` in physical units,
        scaled to their uncertainty; zero for what the data do not determine.
    """
    vector, arrows, count = fit.vector, fit.arrows, len(fit.arrows)
    shared = list(fit.shared)
    jacobian = np.vstack([each.jacobian for each in arrows])
    squares = sum(each.squares for each in arrows)
    freedom = fit.num_values - len(shared) - (len(vector) - len(shared)) * count
    variance = squares / max(1.0, freedom)
    rest = np.concatenate([each.rest for each in arrows])
    found = assess(jacobian, rest, fit.num_values, len(shared), variance)
    slopes = np.abs(vector.slopes(fit.z)[shared])
    std = found.std * slopes
    inverse = np.linalg.pinv(jacobian.T @ jacobian)
    parts = {
        part: None if ratio is None else ratio * std * (sqrt(count) if part in _COMMON else 1.0)
        for part, ratio in _part_ratios(estimates).items()
    }
    if count >= _FEWEST_CLUSTERS:
        gradients = np.stack([each.jacobian.T @ each.rest for each in arrows])
        scatter = count / (count - 1) * gradients.T @ gradients
        robust = np.sqrt(np.diag(inverse @ scatter @ inverse)) * slopes
        parts["noise"] = np.maximum(std if parts["noise"] is None else parts["noise"], robust)
    squared = [each**2 for each in parts.values() if each is not None]
    total = np.maximum(np.sqrt(np.sum([np.zeros(len(std)), *squared], axis=0)), std)
    report = {
        name: _entry(fit, name, std, total, parts)
        for name in dict.fromkeys(vector.names[entry] for entry in shared)
    }
    growth = np.where(found.determined & (std > 0), total / np.where(std > 0, std, 1.0), 0.0)
    signed = vector.slopes(fit.z)[shared] * growth
    return report, variance * inverse * np.outer(signed, signed)


def _entry(
    fit: SharedFit,
    name: str,
    std: np.ndarray,
    total: np.ndarray,
    parts: Mapping[str, np.ndarray | None],
) -> dict[str, Any]:
    """A shared parameter as in ``parameters.yaml``."""
    vector = fit.vector
    owned = vector.owned(name)
    entry = vector.entries[owned[0]]

    def plain(values: np.ndarray) -> Any:
        whole = np.full(len(vector), np.nan)
        whole[list(fit.shared)] = values
        return vector.by_name(whole, name)

    theta = vector.values(fit.z)[list(fit.shared)]
    determined = bool(np.isfinite(np.atleast_1d(plain(std))).all())
    report: dict[str, Any] = {
        **dict.fromkeys(("value", "std")),
        "initial_guess": vector.by_name(vector.values(vector.start), name),
        "bounds": [None if np.isinf(end) else end for end in (entry.lower, entry.upper)],
        "unit": vector.spec_of(name).unit,
        "determined": determined,
        "discretization_error": None,
        **dict.fromkeys(("uncertainty", "interval_90", "uncertainty_parts")),
    }
    if not determined:
        return report
    reach = NORMAL_90 * total
    return {
        **report,
        "value": plain(theta),
        "std": plain(std),
        "uncertainty": plain(total),
        "interval_90": [
            plain(np.maximum(theta - reach, entry.lower)),
            plain(np.minimum(theta + reach, entry.upper)),
        ],
        "uncertainty_parts": {
            part: None if values is None else plain(values) for part, values in parts.items()
        },
    }


def _part_ratios(estimates: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Median ratio of each part of the uncertainty to the std, over simulations and parameters."""
    found: dict[str, list[float]] = {part: [] for part in _PARTS}
    for estimate in estimates:
        for parameter in estimate["parameters"].values():
            stds = np.atleast_1d(np.array(parameter.get("std"), dtype=float))
            for part, values in (parameter.get("uncertainty_parts") or {}).items():
                if values is not None and np.all(stds > 0):
                    found[part] += list(np.atleast_1d(np.array(values, dtype=float)) / stds)
    return {part: float(np.median(each)) if each else None for part, each in found.items()}
