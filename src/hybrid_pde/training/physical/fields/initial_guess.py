"""Checks of the initial guess of a field parameter in the experiment file."""

from typing import Any, NamedTuple

import numpy as np

from hybrid_pde.errors import ConfigError


class FieldCoefficient(NamedTuple):
    """One learnable number of a parametrization.

    Attributes:
        label: Name in messages and results.
        start: Initial value, in physical units.
        scale: Magnitude, above zero.
        lower: Smallest meaningful value, ``-inf`` for no limit.
        upper: Largest meaningful value, ``inf`` for no limit.
    """

    label: str
    start: float
    scale: float
    lower: float = -np.inf
    upper: float = np.inf


def invalid_value(key: str, value: Any, allowed: str) -> ConfigError:
    """The error for an invalid value of a learnable parameter.

    Args:
        key: Parameter and key, e.g. ``diffusivity.initial_guess.centre``.
        value: The value found.
        allowed: Description of the error or of allowed values.
    """
    return ConfigError(f"{key}: {value!r}: {allowed}")


def finite_numbers(key: str, value: Any, allowed: str) -> np.ndarray:
    """A number or nested lists of numbers as an array; numbers may be strings.

    Raises:
        ConfigError: for any other value.
    """
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise invalid_value(key, value, allowed) from None
    if not np.isfinite(numbers).all():
        raise invalid_value(key, value, allowed)
    return numbers


def magnitude(value: np.ndarray) -> float:
    """Mean absolute value of numbers; 1 if all are zero."""
    return float(np.abs(value).mean()) or 1.0
