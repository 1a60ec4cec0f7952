"""Checks of the options for training a surrogate."""

from collections.abc import Iterator
from importlib.util import find_spec

from hybrid_pde.config.derived import complete_training
from hybrid_pde.config.schema import Experiment


def training_errors(experiment: Experiment) -> Iterator[str]:
    """Errors in ``trainer_params`` of the surrogate.

    Args:
        experiment: An experiment that trains a surrogate.
    """
    training = complete_training(experiment)
    steps = training.num_predict_steps
    if experiment.workflow.tensorboard and find_spec("tensorboard") is None:
        yield (
            "workflow.tensorboard: true: needs the package tensorboard, which is not installed "
            "here; `pip install tensorboard==2.21.0` installs it, or leave the key out"
        )
    if training.patience is not None and not training.val_sim:
        yield (
            f"trainer_params.patience: {training.patience}: early stopping needs validation "
            "simulations; list them in trainer_params.val_sim"
        )
    if training.curriculum is not None and training.curriculum.first_steps > steps:
        yield (
            f"trainer_params.curriculum.first_steps: {training.curriculum.first_steps}: must not "
            f"exceed trainer_params.num_predict_steps, {steps}"
        )
    if training.pushforward >= steps:
        yield (
            f"trainer_params.pushforward: {training.pushforward}: must be less than "
            f"trainer_params.num_predict_steps, {steps}, so that at least one step has a gradient"
        )
