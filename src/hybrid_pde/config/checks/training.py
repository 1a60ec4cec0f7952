"""Whether the options of a surrogate's training fit each other."""

from collections.abc import Iterator

from hybrid_pde.config.schema import Experiment


def wrong_training(experiment: Experiment) -> Iterator[str]:
    """Say what of ``trainer_params`` contradicts the rest.

    Args:
        experiment: An experiment that trains a surrogate.
    """
    training = experiment.trainer_params.synthetic
    steps = training.num_predict_steps
    if training.patience is not None and not training.val_sim:
        yield (
            f"trainer_params.patience: {training.patience}: without trainer_params.val_sim there "
            "is no error that could stop the training; name simulations to validate on"
        )
    if training.curriculum is not None and training.curriculum.first_steps > steps:
        yield (
            f"trainer_params.curriculum.first_steps: {training.curriculum.first_steps}: more than "
            f"trainer_params.num_predict_steps, {steps}"
        )
    if training.pushforward >= steps:
        yield (
            f"trainer_params.pushforward: {training.pushforward}: must be less than "
            f"trainer_params.num_predict_steps, {steps}, so that a step keeps its gradient"
        )
