"""Training settings that an experiment leaves open, chosen for the grid and the network.

The length of a training is a number of optimizer steps. It follows from the size of the grid and
the network, so it is the same on every machine.

Layout: ``C`` channels, ``X Y Z`` space.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from hybrid_pde.config.derived import complete_training
from hybrid_pde.config.schema import (
    AUTOMATIC,
    CompleteTraining,
    Curriculum,
    Experiment,
    SyntheticTraining,
)
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.training.synthetic.schedules import rollout_steps

# Time of a training on two idle cores [s], besides the search and the validations, with the costs
# below, which were measured for U-Nets of 16 channels: a layer, forward and backward, and a point.
BUDGET = 60.0
HARD = 2.0  # budgets for a problem whose short trainings all have large errors
COST_OF_LAYER, COST_OF_POINT = 0.3e-3, 0.9e-6
OPERATIONS_OF_POINT = 37e3  # of these networks in two dimensions; larger ones cost in proportion
COST_OF_AXES = (1.0, 1.0, 2.6)  # of an operation by the number of axes; PyTorch is slow in 3D
FORWARD = 1 / 3  # share of a pass that predicts without learning
STEPS = range(60, 8001)  # fewer learn nothing, more gain little
STEPS_WANTED = 3000.0  # the batch is as large as this number allows
MAX_BATCH = 16
EPOCHS = 20  # each ends with a validation, so fewer where validations would take long
LEAST_EPOCHS = 5
VALIDATIONS = 0.5  # share of the budget that validations may take besides
LEARNING_RATE = 3e-3  # of a budget, where no search is made
LEAST_SEARCHED = 200  # optimizer steps; a search would not pay in a shorter training
# A surrogate with a small error of a step may amplify waves that the data hardly have. So rollouts
# become longer, step by step, up to a multiple of the chosen length over the last tenth.
LONGER, SHARE_OF_GROWTH = 4, 0.9


def settings_for(
    experiment: Experiment,
    model: SyntheticModel,
    space: Sequence[int],
    chosen: Mapping[str, Any] | None = None,
    validated: int = 0,
    budgets: float = 1.0,
    longest: int = 0,
) -> CompleteTraining:
    """Settings of a training with a number for each one that the experiment leaves open.

    Args:
        experiment: Section ``trainer_params.synthetic``.
        model: The surrogate.
        space: Number of points along each axis.
        chosen: Values of open settings that were chosen before.
        validated: Number of frames that a validation predicts.
        budgets: Length of the training as a multiple of the usual one, where it is open.
        longest: Largest length that rollouts may grow to during a training of open length; 0 if
            they are not to grow.
    """
    open_settings = open_settings_of(experiment)
    given = experiment.trainer_params.synthetic
    known = {name: value for name, value in dict(given).items() if name not in open_settings}
    taken = {*open_settings, *({"windows_per_epoch"} if "epochs" in open_settings else ())}
    taken |= {"curriculum"} if "num_predict_steps" in open_settings else set()
    for name, value in (chosen or {}).items():
        if name in taken and known.get(name) is None:
            known[name] = value
    cost = _cost_of_window(model, space)
    known.setdefault("num_predict_steps", default_steps(experiment))
    known.setdefault("batch_size", _batch_size(cost))
    if "epochs" in open_settings:
        known.setdefault("scheduler", "one_cycle")
        known.setdefault("learning_rate", LEARNING_RATE)
    if "epochs" not in known:
        if longest and "num_predict_steps" in open_settings and not known["curriculum"]:
            known |= _growing_rollouts(known["num_predict_steps"], longest)
        passes = _mean_passes(known["curriculum"], known["num_predict_steps"], model.bundle)
        cost_of_step = passes * (_cost_of_pass(model) + known["batch_size"] * cost)
        batches = round(budgets * _number_of_steps(cost_of_step))
        windows = known["windows_per_epoch"]
        if windows is None:
            epochs = _number_of_epochs(validated * FORWARD * cost / model.bundle)
            per_epoch = math.ceil(batches / epochs)
            known |= {"epochs": epochs, "windows_per_epoch": per_epoch * known["batch_size"]}
        else:
            known["epochs"] = math.ceil(batches / math.ceil(windows / known["batch_size"]))
    return CompleteTraining.model_validate(known)


def _growing_rollouts(steps: int, longest: int) -> dict[str, Any]:
    """Settings of rollouts that grow from these steps."""
    curriculum = Curriculum(first_steps=steps, share=SHARE_OF_GROWTH)
    return {"curriculum": curriculum, "num_predict_steps": min(LONGER * steps, max(steps, longest))}


def _mean_passes(curriculum: Curriculum | None, steps: int, bundle: int) -> float:
    """Mean number of passes of the network for a window, over the training."""
    shares = [(epoch + 0.5) / EPOCHS for epoch in range(EPOCHS)]
    passes = [math.ceil(rollout_steps(curriculum, steps, done) / bundle) for done in shares]
    return sum(passes) / EPOCHS


def open_settings_of(experiment: Experiment) -> list[str]:
    """Names of the settings in ``trainer_params.synthetic`` that the experiment leaves open."""
    given = experiment.trainer_params.synthetic
    if isinstance(given, CompleteTraining):
        return []
    return [name for name in AUTOMATIC if getattr(given, name) is None]


def default_steps(experiment: Experiment) -> int:
    """Length of training rollouts where none is given and no search is made.

    A step, or a bundle of steps, makes most of a budget. Options that need longer rollouts, and
    values that are hidden, get those of a trainer in Python.
    """
    training, section = experiment.trainer_params.synthetic, experiment.model.synthetic
    if training.num_predict_steps is not None:
        return training.num_predict_steps
    if needs_long_rollouts(training) or experiment.data.observations is not None:
        return complete_training(experiment).num_predict_steps
    return 1 if section is None else section.bundle


def needs_long_rollouts(training: SyntheticTraining) -> bool:
    """True if options have a meaning only for rollouts of several steps."""
    return training.curriculum is not None or training.pushforward > 0


def _cost_of_pass(model: SyntheticModel) -> float:
    """Time of a pass, forward and backward, besides that of its windows [s]."""
    layers = [each for each in model.network.modules() if [*each.parameters(recurse=False)]]
    return COST_OF_LAYER * len(layers)


def _cost_of_window(model: SyntheticModel, space: Sequence[int]) -> float:
    """Time of a pass for a window, forward and backward, besides that of any pass [s]."""
    points = math.prod(space)
    device, dtype = model.input_mean.device, model.input_mean.dtype
    state = torch.zeros((1, model.in_channels, *space), device=device, dtype=dtype)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model.network_output(state)
    relative = counter.get_total_flops() / points / OPERATIONS_OF_POINT
    return COST_OF_POINT * points * max(1.0, relative * COST_OF_AXES[len(space) - 1])


def _batch_size(cost: float) -> int:
    """Largest power of two that leaves the wanted number of steps."""
    most = min(MAX_BATCH, max(1.0, BUDGET / STEPS_WANTED / cost))
    return int(2 ** math.floor(math.log2(most)))


def _number_of_steps(cost: float) -> int:
    return min(STEPS[-1], max(STEPS[0], int(BUDGET / cost)))


def _number_of_epochs(cost: float) -> int:
    """As many as their validations, of this time each [s], leave time for."""
    most = VALIDATIONS * BUDGET / cost if cost else math.inf
    return int(min(EPOCHS, max(LEAST_EPOCHS, most)))
