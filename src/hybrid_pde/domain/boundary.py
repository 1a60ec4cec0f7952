"""Boundary conditions as an experiment or a raw file states them, checked and put in one form."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Side

SIDES = ("lower", "upper")
ALLOWED = (
    "allowed: periodic, zero-gradient, a number, one of these for each axis "
    "{x: zero-gradient, y: 0.0}, or for each side {x: {lower: 1.0, upper: 0.0}}"
)


class BoundaryError(ValueError):
    """An invalid boundary condition; the caller adds the file and the key."""


def parse_boundary(value: Any, axes: Sequence[str]) -> tuple[tuple[Side, Side], ...]:
    """The condition on the (lower, upper) side of each axis.

    Args:
        value: ``periodic``, ``zero-gradient``, a number (the fixed value), or a mapping of axes to
            these or to ``{lower: …, upper: …}``.
        axes: The grid's axes.

    Raises:
        BoundaryError: naming the value and what is allowed.
    """
    if not isinstance(value, Mapping):
        side = _side(value)
        return tuple((side, side) for _ in axes)
    unknown, missing = set(value) - set(axes), set(axes) - set(value)
    if unknown or missing:
        problem = f"no axis {sorted(map(str, unknown))[0]}" if unknown else "an axis is missing"
        raise BoundaryError(
            f"{dict(value)!r}: {problem}; the axes are {', '.join(axes)}; {ALLOWED}"
        )
    return tuple(_sides(axis, value[axis]) for axis in axes)


def parse_attribute(text: Any) -> Any:
    """The ``boundary`` attribute of a raw file: a plain string or number, or JSON."""
    if not isinstance(text, str):
        return text.item() if hasattr(text, "item") else text
    if text.lstrip().startswith(("{", '"')):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise BoundaryError(f"{text!r}: no valid JSON ({error}); {ALLOWED}") from None
    return text.strip()


def boundary_attribute(axes: Sequence[str], boundary: Sequence[tuple[Side, Side]]) -> str:
    """The ``boundary`` attribute of a file, for :func:`parse_attribute`: ``periodic`` or JSON."""
    if all(sides == (PERIODIC, PERIODIC) for sides in boundary):
        return PERIODIC
    return json.dumps(
        {
            axis: dict(zip(SIDES, pair, strict=True))
            for axis, pair in zip(axes, boundary, strict=True)
        }
    )


def _sides(axis: str, value: Any) -> tuple[Side, Side]:
    if not isinstance(value, Mapping):
        return _side(value), _side(value)
    if set(value) != set(SIDES):
        raise BoundaryError(
            f"{axis}: {dict(value)!r}: the sides are 'lower' and 'upper', both; {ALLOWED}"
        )
    lower, upper = (_side(value[side]) for side in SIDES)
    if (lower == PERIODIC) != (upper == PERIODIC):
        raise BoundaryError(f"{axis}: {dict(value)!r}: both sides of an axis are periodic or none")
    return lower, upper


def _side(value: Any) -> Side:
    if value in (PERIODIC, ZERO_GRADIENT):
        return str(value)
    try:
        if isinstance(value, bool) or not math.isfinite(number := float(value)):
            raise ValueError
    except (TypeError, ValueError):
        raise BoundaryError(f"{value!r}: {ALLOWED}") from None
    return number
