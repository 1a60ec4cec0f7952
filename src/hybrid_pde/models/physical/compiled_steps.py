"""Compilation of time steps, and release of the memory that compiled steps take.

PhiML compiles with ``torch.jit.trace``. TorchScript keeps the graph of every traced function, with
the execution plans that it derived from it, until the process ends, even if nothing can call the
function any more.
"""

import gc
import warnings
import weakref
from collections.abc import Callable, Hashable
from typing import Any

import torch
from phi.torch.flow import math


class CompiledSteps:
    """Compiled functions of a stepper, each compiled once for every combination of shapes."""

    def __init__(self) -> None:
        self._functions: dict[Hashable, Callable[..., Any]] = {}
        self._traced: set[Hashable] = set()
        _all_steps.add(self)

    def get(
        self,
        key: Hashable,
        shapes: Hashable,
        function: Callable[..., Any],
        examples: Callable[[], tuple[Any, ...]],
    ) -> Callable[..., Any]:
        """The compiled function, traced for the shapes.

        Args:
            key: Identifies the function.
            shapes: Shapes of its arguments.
            function: The function, compiled if ``key`` is new.
            examples: Gives arguments of these shapes for the trace, without derivatives: a trace
                would record the derivatives, too.
        """
        if key not in self._functions:
            self._functions[key] = math.jit_compile(function)
        compiled = self._functions[key]
        if (key, shapes) not in self._traced:
            with warnings.catch_warnings(), torch.no_grad():
                # torch.jit.trace warns that it is deprecated.
                warnings.simplefilter("ignore", DeprecationWarning)
                warnings.simplefilter("ignore", torch.jit.TracerWarning)
                compiled(*examples())
            self._traced.add((key, shapes))
        return compiled

    def clear(self) -> None:
        """Forget the compiled functions."""
        self._functions.clear()
        self._traced.clear()


_all_steps: "weakref.WeakSet[CompiledSteps]" = weakref.WeakSet()


def release_compiled_steps() -> None:
    """Free the memory of all compiled steps; models compile theirs again when they need them.

    For processes that use many models one after the other, such as test suites. All modules
    compiled with TorchScript in this process become unusable, also those of other libraries.
    """
    for steps in list(_all_steps):
        steps.clear()
    gc.collect()
    # As PyTorch's own tests do (torch.testing._internal.jit_utils.clear_class_registry).
    torch._C._jit_clear_class_registry()
    torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
    torch.jit._state._clear_class_state()
