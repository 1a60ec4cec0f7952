"""Loss of predictions without a model: the mean of the data, and an unchanged initial state."""

import torch

from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_times import observation_times
from hybrid_pde.training.physical.residual import residual_at

# A model that explains less than this fraction of the change in the data may be at parameters of
# the wrong magnitude.
_EXPLAINED = 0.5


@torch.no_grad()
def reference_loss(objective: Objective) -> float:
    """The smaller of the losses of the mean (1) and of persistence, in units of the variance."""
    observations = objective.observations
    if objective.states is not None or observations.hides_starts:
        return 1.0
    total = 0.0
    for numbers in observations.chunks():
        states = {name: v.unsqueeze(0) for name, v in observations.initial(numbers).items()}
        for instant in observation_times(observations, numbers, objective.dt):
            total += float((residual_at(observations, numbers, instant, states) ** 2).sum())
    return min(1.0, total / objective.num_values)


def explains(objective: Objective, loss: float) -> bool:
    """True if a loss is clearly below that of predictions without a model."""
    return loss <= (1 - _EXPLAINED) * reference_loss(objective)
