"""Estimates whether the work to come repays the compilation of a graph."""

from dataclasses import dataclass

from hybrid_pde.numerics.compilation_cache import compiler_version
from hybrid_pde.numerics.compiled_part import can_compile

# Time of one operation of a graph that is not compiled: for the call, and for each value. Most of
# both is saved by compilation. Measured with differences of order 4 on 64² cells.
_CALL_S = 2.7e-6
_VALUE_S = 1.4e-10
# Time that it takes to compile a graph: start of the compiler, and each operation. Later programs
# find the compiled graph, but equal work has to give the same answer whatever was run before.
_START_S = 3.0
_OPERATION_S = 0.02


@dataclass(frozen=True)
class Workload:
    """Work that a graph is made for.

    Attributes:
        compile: ``auto`` compiles what repays it, ``always`` everything, ``never`` nothing.
        frames: Number of frames of a rollout.
        rollouts: Expected number of such rollouts.
    """

    compile: str = "never"
    frames: int = 1
    rollouts: int = 1

    def repays(self, num_operations: int, substeps: int, num_values: int) -> bool:
        """True if a graph is to be compiled. Equal work always gives the same answer.

        Args:
            num_operations: Number of operations of the graph.
            substeps: Number of time steps in a frame.
            num_values: Number of values of the state.
        """
        if self.compile == "never":
            return False
        steps = substeps * self.frames * self.rollouts
        saved = steps * num_operations * (_CALL_S + _VALUE_S * num_values)
        cost = _START_S + _OPERATION_S * num_operations
        return (self.compile == "always" or saved >= cost) and can_compile()


def compilation(mode: str) -> str:
    """Conditions for compiled steps, besides the work: part of a checkpoint's identity.

    Args:
        mode: ``auto``, ``always`` or ``never``.
    """
    compiler = compiler_version()
    return "never" if mode == "never" or compiler is None else f"{mode}, {compiler}"
