"""Configuration of the interrupted experiment: tiny, but with work in every stage."""

from typing import Any

from tests.workflow.tiny import tiny_experiment

NAME = "burgers_2d"
EPOCHS = 40
# Simulations are computed in batches of five, the most that an interruption can cost.
GROUP = 5


def interrupted_experiment(cycles: int = 1, epochs: int = EPOCHS) -> dict[str, Any]:
    """The tiny experiment with more and longer simulations in two shards, and more epochs.

    A checkpoint is due every second of a training of about ten seconds, the same ratio as for ten
    minutes and the default of a minute.

    Args:
        cycles: Number of hybrid cycles.
        epochs: Epochs of each training of the surrogate.
    """
    experiment = tiny_experiment()
    experiment["generation_params"] |= {"num_simulations": 2 * GROUP, "steps": 60}
    experiment["trainer_params"] |= {"train_sim": [0, 1, 2, 5], "val_sim": [3], "test_sim": [4]}
    experiment["trainer_params"]["synthetic"] |= {"epochs": epochs, "windows_per_epoch": 64}
    experiment["augmentation"] = {"num_simulations": 3 * GROUP, "alpha": 0.5}
    experiment["hybrid"] = {"cycles": cycles}
    experiment["evaluation_params"] = {"num_steps": 6, "long_factor": 0}
    experiment["workflow"] = {"sims_per_job": 2 * GROUP, "checkpoint_every_s": 1}
    return experiment
