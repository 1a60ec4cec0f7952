"""What recorded simulations bring along, as the conditions of rollouts that go as they did.

Layout of native tensors: ``B`` simulations, ``T`` frames, ``A`` axes, ``X Y Z`` space.
"""

from collections.abc import Iterable, Mapping

import torch

from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.models.physical.coefficients import Natives
from hybrid_pde.models.physical.solver import Conditions


def recorded_conditions(
    kinds: Iterable[KnownParameter], values: Mapping[str, torch.Tensor]
) -> Conditions:
    """Known values of several simulations, of which rollouts start at the first frame.

    Args:
        kinds: The known parameters.
        values: Their values by name, as in a cached simulation with an axis ``B`` before:
            ``[B, (T,) (A)]``, of fields ``[B, (T,) C, *space]``.
    """
    constant: Natives = {}
    series: Natives = {}
    for kind in kinds:
        native = values[kind.name].to(torch.float64)
        if kind.is_field and not kind.components:
            native = native.squeeze(1 if kind.static else 2)  # a scalar field has no channel
        (constant if kind.static else series)[kind.name] = native
    return Conditions(constant, series)
