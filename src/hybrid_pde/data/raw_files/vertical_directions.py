"""Directions of a vertical axis and of the components of vectors along it.

A component along an axis is positive in the direction in which the axis counts. Files of depths
(``positive: down``) often have velocities that are positive upwards; these change sign.
"""

import re
from collections.abc import Mapping
from typing import Any

from hybrid_pde.data.raw_files.unit_conversion import dimensions, unit_text

UP, DOWN = "up", "down"
_WORDS = {"upward": UP, "upwards": UP, "downward": DOWN, "downwards": DOWN}
_AXES = {"depth": DOWN, "height": UP, "altitude": UP}
_VELOCITY = (("length", 1.0), ("time", -1.0))


def axis_direction(name: str, attrs: Mapping[Any, Any]) -> str:
    """``up`` or ``down`` for a vertical axis that says so, else empty.

    Args:
        name: Name of the coordinate variable.
        attrs: Its attributes: ``positive``, else ``standard_name`` (CF conventions, section 4.3).
    """
    stated = str(attrs.get("positive", "")).strip().lower()
    if stated in (UP, DOWN):
        return stated
    return _AXES.get(str(attrs.get("standard_name", name)).lower(), "")


def component_direction(attrs: Mapping[Any, Any]) -> str:
    """``up`` or ``down`` for a component that says so, else empty.

    Args:
        attrs: Attributes of its variable: ``positive``, or a word like ``upward`` in
            ``standard_name`` or ``long_name``.
    """
    stated = str(attrs.get("positive", "")).strip().lower()
    if stated in (UP, DOWN):
        return stated
    for key in ("standard_name", "long_name"):
        for word in re.split(r"[\s_,]+", str(attrs.get(key, "")).lower()):
            if word in _WORDS:
                return _WORDS[word]
    return ""


def is_velocity(attrs: Mapping[Any, Any]) -> bool:
    """True if a variable says that it is a velocity, by its name or its unit."""
    named = f"{attrs.get('standard_name', '')} {attrs.get('long_name', '')}"
    return "velocity" in named.lower() or dimensions(unit_text(attrs.get("units"))) == _VELOCITY
