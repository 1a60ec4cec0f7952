"""The signature of predictors, which the evaluation compares with the truth, and persistence.

A predictor maps the initial state ``{field: [B, C, *space]}`` (static fields included, and known
parameters as ``known:<parameter>``, ``[B, …]`` as they are cached) and a number of steps to the
states after it, ``{field: [B, steps, C, *space]}``, NaN from where it leaves the finite numbers.
"""

from collections.abc import Callable, Mapping

import torch

from hybrid_pde.domain.known_values import TENSOR_PREFIX

State = Mapping[str, torch.Tensor]
Predictor = Callable[[State, int], State]


def persistence(initial: State, steps: int) -> dict[str, torch.Tensor]:
    """The initial state for ever: what any model has to beat."""
    return {
        name: values.unsqueeze(1).expand(-1, steps, *values.shape[1:])
        for name, values in initial.items()
        if not name.startswith(TENSOR_PREFIX)
    }
