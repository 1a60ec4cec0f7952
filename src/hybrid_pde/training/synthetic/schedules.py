"""Schedules of the learning rate and of the rollout length.

Both are functions of the completed fraction of the training, 0 at its start and 1 at its end, and
are constant afterwards.
"""

import math

from hybrid_pde.config.schema import Curriculum

LOWEST_RATE = 0.01  # final factor of decaying schedules
# As in PyTorch's OneCycleLR, after Smith and Topin (2019), "Super-Convergence", SPIE 11006
FIRST_RATE = 1 / 25
RISE = 0.1  # fraction of the training with a rising rate in `one_cycle`


def rate_factor(scheduler: str, done: float) -> float:
    """Factor of ``learning_rate`` in an epoch.

    ``cosine``: 0.01 + 0.99 (1 + cos πp) / 2; ``exponential``: 0.01ᵖ; ``one_cycle``: linear from
    1/25 to 1 over the first tenth, then the cosine over the rest; ``constant``: 1.

    Args:
        scheduler: ``trainer_params.scheduler``.
        done: Completed fraction p of the training before the epoch.
    """
    done = min(1.0, done)
    if scheduler == "constant":
        return 1.0
    if scheduler == "exponential":
        return LOWEST_RATE**done
    if scheduler == "one_cycle":
        if done < RISE:
            return FIRST_RATE + (1 - FIRST_RATE) * done / RISE
        done = (done - RISE) / (1 - RISE)
    return LOWEST_RATE + (1 - LOWEST_RATE) * (1 + math.cos(math.pi * done)) / 2


def rollout_steps(curriculum: Curriculum | None, steps: int, done: float) -> int:
    """Number of rollout steps in an epoch.

    Each number from ``first_steps`` to ``steps - 1`` is used for equally many epochs, and ``steps``
    after the fraction ``share`` of the training.

    Args:
        curriculum: ``trainer_params.curriculum``; without it rollouts have all steps.
        steps: Number of steps of the windows.
        done: Completed fraction of the training before the epoch.
    """
    if curriculum is None or done >= curriculum.share:
        return steps
    first = min(curriculum.first_steps, steps)
    # the offset compensates rounding errors of the fraction
    return first + math.floor((steps - first) * done / curriculum.share + 1e-9)
