"""Pieces of graphs compiled to machine code by PyTorch's compiler."""

import logging
import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch

from hybrid_pde.numerics.compilation_cache import compiler_version, prepare_compilation
from hybrid_pde.numerics.graph_part import Part
from hybrid_pde.numerics.graph_recorder import Tensors

logger = logging.getLogger(__name__)

Call = Callable[..., tuple[torch.Tensor, ...]]

_OPTIONS: dict[str, Any] = {
    # In this process: workers would outlive Ctrl-C, and gain nothing for one graph.
    "compile_threads": 1,
    # The number of threads of a kernel is that of the program when it runs.
    "cpp.dynamic_threads": True,
}
# Ctrl-C ends a compiler that runs; the program may be finishing what it does.
_ATTEMPTS = 2


class CompiledPart:
    """A piece of a graph that is compiled when it is first called.

    The compiled function computes the same to rounding. Where it cannot be compiled, the piece runs
    as it stands, which the log says once.

    Args:
        part: The piece, of real tensors: the compiler has no kernels for complex numbers.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._compiled: dict[tuple[tuple[int, ...], ...], Call] = {}

    def fitting(self, arguments: Tensors) -> Call:
        """The function for tensors of the memory layout of these."""
        layout = tuple(each.stride() for each in arguments)
        if layout not in self._compiled:
            self._compiled[layout] = _compiled(self._part, arguments) or self._part.call
        return self._compiled[layout]


def can_compile() -> bool:
    """True if graphs can be compiled here; the first ``False`` is explained in the log."""
    return not _Obstacle.is_found and (compiler_version() is not None or _Obstacle.log(_MISSING))


_MISSING = "there is no C++ compiler; install one, or name it in the variable CXX"


class _Obstacle:
    """Reasons why graphs are not compiled: each is reported once and not tried again."""

    is_found = False

    @classmethod
    def log(cls, reason: str) -> bool:
        """Remember the obstacle; ``False``."""
        if not cls.is_found:
            logger.warning(
                "time steps are not compiled and take several times as long on small grids: %s; "
                "workflow.compile: never does without this message",
                reason,
            )
        cls.is_found = True
        return False


def _compiled(part: Part, arguments: Tensors) -> Call | None:
    if not can_compile():
        return None
    prepare_compilation()
    for attempt in range(_ATTEMPTS):
        try:
            return _compile(part, arguments)
        except Exception as problem:
            lines = str(problem).strip().splitlines() or [type(problem).__name__]
            logger.debug("compilation of a graph, attempt %d", attempt + 1, exc_info=problem)
    _Obstacle.log(f"the compiler failed ({lines[0]})")
    return None


def _compile(part: Part, arguments: Tensors) -> Call:
    import torch._inductor  # takes two seconds

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # Unlike ``torch._inductor.compile``, it finds the results of earlier programs.
        call: Call = torch._inductor.standalone_compile(
            deepcopy(part.module),
            list(arguments),
            dynamic_shapes="from_example_inputs",
            options={"config_patches": _OPTIONS},
        )
        call(*arguments)
    return call
