"""Graphs that all models of an equation share in a process."""

from functools import lru_cache
from typing import Any

from hybrid_pde.models.physical.equation import Equation
from hybrid_pde.numerics.traced_functions import TracedFunctions

# Equations of the library follow from their options alone.
_LIBRARY = f"{__package__}.equations."
_METHODS = tuple(
    name for name, each in vars(Equation).items() if callable(each) and not name.startswith("__")
)
# Equations, grids and schemes whose graphs are kept.
_MOST = 32


def graphs_of(equation: Equation, label: str, setting: tuple[Any, ...]) -> TracedFunctions:
    """The graphs of an equation on a grid, which an earlier model may have recorded.

    A user's own equation may depend on what only its object knows: each has graphs of its own.

    Args:
        equation: The equation.
        label: Names the equation and scheme in messages.
        setting: All that its steps depend on besides: grid, layouts, scheme, precision.
    """
    kind = type(equation)
    is_own = kind.__module__ != __package__ or not kind.__mro__[1].__module__.startswith(_LIBRARY)
    if is_own or any(name in vars(equation) for name in _METHODS):
        return TracedFunctions(label)
    methods = tuple(getattr(kind, name) for name in _METHODS)
    return _shared(label, (kind, methods, tuple(sorted(equation.options.items())), *setting))


@lru_cache(maxsize=_MOST)
def _shared(label: str, key: tuple[Any, ...]) -> TracedFunctions:
    del key
    return TracedFunctions(label)
