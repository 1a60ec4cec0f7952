"""Errors from outside a calibration, added to the uncertainty that it reports."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybrid_pde.training.physical.normal_interval import NORMAL_90


def add_uncertainty(
    parameter: dict[str, Any], extra: np.ndarray, keys: Sequence[str] = ("uncertainty",)
) -> None:
    """Add an independent error to a reported parameter, in quadrature.

    Each side of ``interval_90`` grows by 1.645 ``extra`` in quadrature, within the bounds: by the
    factor by which the uncertainty grows, unless the interval has more on one side.

    Args:
        parameter: A parameter as in ``parameters.yaml``, with an uncertainty; it is changed.
        extra: One standard deviation of the error of each number, in the parameter's unit.
        keys: The entries that the error is added to.
    """
    many = isinstance(parameter["value"], list)
    for key in keys:
        parameter[key] = _plain(np.hypot(np.atleast_1d(parameter[key]), extra), many)
    value = np.atleast_1d(np.array(parameter["value"], dtype=float))
    lower, upper = parameter["bounds"]
    limits = []
    for limit, side in zip(parameter["interval_90"], (-1.0, 1.0), strict=True):
        away = np.atleast_1d(np.array(limit, dtype=float)) - value
        moved = value + side * np.hypot(away, NORMAL_90 * extra)
        within = np.clip(
            moved, -np.inf if lower is None else lower, np.inf if upper is None else upper
        )
        limits.append(_plain(within, many))
    parameter["interval_90"] = limits


def _plain(values: np.ndarray, many: bool) -> Any:
    return values.tolist() if many else float(values[0])
