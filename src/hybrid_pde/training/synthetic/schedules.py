"""What changes over a training: the learning rate, and the length of rollouts.

Both are functions of the share of the training that is done, 0 at its start and 1 at its end, and
stay what they are from there on.
"""

import math

from hybrid_pde.config.schema import Curriculum

LOWEST_RATE = 0.01  # share of the learning rate that the falling schedules end with
# of OneCycleLR in PyTorch, after Smith and Topin (2019), "Super-Convergence", SPIE 11006
FIRST_RATE = 1 / 25
RISE = 0.1  # share of the training over which the rate of `one_cycle` rises


def rate_factor(scheduler: str, done: float) -> float:
    """Share of ``learning_rate`` that an epoch is trained with.

    ``cosine``: 0.01 + 0.99 (1 + cos πp) / 2; ``exponential``: 0.01ᵖ; ``one_cycle``: linear from
    1/25 to 1 over the first tenth, then the cosine over the rest; ``constant``: 1.

    Args:
        scheduler: ``trainer_params.scheduler``.
        done: Share p of the training that is done before the epoch.
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
    """Number of steps of an epoch's rollouts.

    Each number from ``first_steps`` to ``steps - 1`` holds for equally many epochs, and ``steps``
    from ``share`` of the training on.

    Args:
        curriculum: ``trainer_params.curriculum``; without it all rollouts have all steps.
        steps: Number of steps of the windows.
        done: Share of the training that is done before the epoch.
    """
    if curriculum is None or done >= curriculum.share:
        return steps
    first = min(curriculum.first_steps, steps)
    # a share that is not a binary fraction may fall short of a whole number by its rounding
    return first + math.floor((steps - first) * done / curriculum.share + 1e-9)
