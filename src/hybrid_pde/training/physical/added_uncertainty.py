"""Errors from outside a calibration, added to the uncertainty that it reports."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def add_uncertainty(
    parameter: dict[str, Any], extra: np.ndarray, keys: Sequence[str] = ("uncertainty",)
) -> None:
    """Add an independent error to a reported parameter, in quadrature.

    ``interval_90`` grows on both sides by the factor by which the uncertainty grows, within the
    bounds.

    Args:
        parameter: A parameter as in ``parameters.yaml``, with an uncertainty; it is changed.
        extra: One standard deviation of the error of each number, in the parameter's unit.
        keys: The entries that the error is added to.
    """
    many = isinstance(parameter["value"], list)
    before = np.atleast_1d(np.array(parameter["uncertainty"], dtype=float))
    for key in keys:
        parameter[key] = _plain(np.hypot(np.atleast_1d(parameter[key]), extra), many)
    after = np.atleast_1d(np.array(parameter["uncertainty"], dtype=float))
    factor = after / np.where(before > 0, before, after) if after.any() else np.ones(len(after))
    value = np.atleast_1d(np.array(parameter["value"], dtype=float))
    lower, upper = parameter["bounds"]
    limits = []
    for limit in parameter["interval_90"]:
        away = np.atleast_1d(np.array(limit, dtype=float)) - value
        moved = value + factor * away
        within = np.clip(
            moved, -np.inf if lower is None else lower, np.inf if upper is None else upper
        )
        limits.append(_plain(within, many))
    parameter["interval_90"] = limits


def _plain(values: np.ndarray, many: bool) -> Any:
    return values.tolist() if many else float(values[0])
