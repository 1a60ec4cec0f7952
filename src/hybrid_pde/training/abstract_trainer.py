"""Base class of all trainers."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.config import Experiment, parse_experiment


class AbstractTrainer:
    """Base class with the experiment and the seed; models and data are passed in by the caller.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.

    Attributes:
        experiment: The experiment with all defaults.
        seed: Random seed of the training.
    """

    def __init__(self, config: Mapping[str, Any] | Experiment) -> None:
        self.experiment = parse_experiment(config)
        self.seed = self.experiment.run_params.seed
