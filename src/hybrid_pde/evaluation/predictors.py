"""The signature of predictors, which the evaluation compares with the truth, and persistence.

A predictor maps an initial state ``{field: [B, C, *space]}`` and a number of steps to the following
states ``{field: [B, steps, C, *space]}``, NaN after a divergence. The initial state includes static
fields, and known parameters as ``known:<parameter>``, ``[B, …]`` with the shape in the cache.
"""

from collections.abc import Callable, Mapping

import torch

from hybrid_pde.domain.known_values import TENSOR_PREFIX

State = Mapping[str, torch.Tensor]
Predictor = Callable[[State, int], State]


def persistence(initial: State, steps: int) -> dict[str, torch.Tensor]:
    """The initial state, repeated: the baseline of every model."""
    return {
        name: values.unsqueeze(1).expand(-1, steps, *values.shape[1:])
        for name, values in initial.items()
        if not name.startswith(TENSOR_PREFIX)
    }
