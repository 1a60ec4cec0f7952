"""Values of the nodes of a graph that depend on held tensors only, at random held tensors.

Two factors that an equation gives in different ways may be equal whatever the parameters are. Their
nodes do not show that, their values do.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import fx

# Relative rounding errors; factors of real value and of modes have the same.
_ROUNDING = {
    torch.float32: 1e-5,
    torch.complex64: 1e-5,
    torch.float64: 1e-12,
    torch.complex128: 1e-12,
}


class HeldValues:
    """Values at random held tensors between 0.5 and 1.

    Args:
        graph: The graph; its inputs carry their ``shape`` and ``dtype``.
        constants: Values of constant nodes.
        num_held: Number of held inputs, which are the first ones.
    """

    def __init__(
        self, graph: fx.Graph, constants: Mapping[fx.Node, torch.Tensor], num_held: int
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        self._values = dict(constants)
        for node in [node for node in graph.nodes if node.op == "placeholder"][:num_held]:
            shape, kind = node.meta["shape"], node.meta["dtype"]
            self._values[node] = 0.5 + 0.5 * torch.rand(shape, generator=generator, dtype=kind)
        for node in graph.nodes:
            if node.op == "call_function" and all(n in self._values for n in node.all_input_nodes):
                self._evaluate(node)

    def vanishes(self, terms: Sequence[tuple[int, fx.Node]]) -> bool:
        """True if the sum of held nodes times their signs is 0 but for rounding errors."""
        values = [sign * self._evaluate(node) for sign, node in terms]
        total, size = sum(values[1:], values[0]), sum(each.abs() for each in values)
        assert isinstance(size, torch.Tensor)
        return bool((total.abs() <= _ROUNDING[total.dtype] * size).all())

    @torch.no_grad()
    def _evaluate(self, node: fx.Node) -> torch.Tensor:
        if node not in self._values:
            args = fx.node.map_arg(node.args, self._evaluate)
            assert callable(node.target)
            self._values[node] = node.target(*args, **node.kwargs)
        return self._values[node]
