"""The initial guess of a field parameter as the experiment states it, and what is wrong with it."""

from typing import Any, NamedTuple

import numpy as np

from hybrid_pde.errors import ConfigError


class Entry(NamedTuple):
    """One number of a parametrization.

    Attributes:
        label: What it is called in messages and results.
        start: Where it starts, in its own unit.
        scale: Its magnitude, above zero.
        lower: Smallest value that has a meaning, ``-inf`` where there is none.
        upper: Largest value that has a meaning, ``inf`` where there is none.
    """

    label: str
    start: float
    scale: float
    lower: float = -np.inf
    upper: float = np.inf


def wrong(key: str, value: Any, allowed: str) -> ConfigError:
    """The error for a value of a learnable parameter that means nothing.

    Args:
        key: Parameter and key, e.g. ``diffusivity.initial_guess.centre``.
        value: What stands there.
        allowed: What may stand there.
    """
    return ConfigError(f"trainer_params.learnable_parameters: {key}: {value!r}: {allowed}")


def finite_numbers(key: str, value: Any, allowed: str) -> np.ndarray:
    """A number or nested lists of numbers as an array; numbers may be written as strings.

    Raises:
        ConfigError: if it is anything else.
    """
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise wrong(key, value, allowed) from None
    if not np.isfinite(numbers).all():
        raise wrong(key, value, allowed)
    return numbers


def magnitude(value: np.ndarray) -> float:
    """Mean size of some numbers; 1 where all are zero."""
    return float(np.abs(value).mean()) or 1.0
