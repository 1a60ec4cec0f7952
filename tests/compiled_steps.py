"""Memory of compiled time steps, which TorchScript never returns by itself."""

import ctypes
import gc
import sys
from types import FunctionType
from typing import Any

import torch


def free_compiled_steps() -> None:
    """Give TorchScript a new compilation unit, so that the old one goes with the last step in it.

    Every trace adds its graph to one unit of the whole process, some MB a time step, and nothing
    takes it out again. Steps that are still used keep the old unit.
    """
    gc.collect()
    state: Any = torch.jit._state
    old, new = state._python_cu, torch._C.CompilationUnit()
    for module in [m for name, m in sys.modules.items() if name.startswith("torch.jit")]:
        for name, value in list(vars(module).items()):
            if value is old:
                setattr(module, name, new)
            elif type(value) is FunctionType:
                _replace_default(value, old, new)
    del old
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def _replace_default(function: FunctionType | None, old: object, new: object) -> None:
    while function is not None:  # a decorator's, and what is below it
        if function.__defaults__ and any(value is old for value in function.__defaults__):
            values = [new if value is old else value for value in function.__defaults__]
            function.__defaults__ = tuple(values)
        function = getattr(function, "__wrapped__", None)
