"""Values of parameters on the command line: ``viscosity=0.02,velocity=[1,0.5]``."""

import json
import math
import re
from collections.abc import Sequence

from hybrid_pde.errors import StateError

_SEPARATOR = re.compile(r",(?![^\[]*\])")  # outside brackets


def parse_parameters(options: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """The numbers of each parameter.

    Args:
        options: Texts like ``viscosity=0.02``, several in one separated by commas.

    Raises:
        StateError: naming the text.
    """
    found: dict[str, tuple[float, ...]] = {}
    for text in (part for option in options for part in _SEPARATOR.split(option)):
        name, equals, value = (part.strip() for part in text.partition("="))
        try:
            numbers = json.loads(value) if value.startswith("[") else [float(value)]
            values = tuple(map(float, numbers))
        except (ValueError, TypeError):
            values = ()
        if not (name and equals and values) or not all(map(math.isfinite, values)):
            raise StateError(
                f"--parameters {text!r}: no name and number; write viscosity=0.02, and "
                "velocity=[1,0.5] for a vector"
            )
        if name in found:
            raise StateError(f"--parameters {text!r}: {name} is given twice; leave one out")
        found[name] = values
    return found
