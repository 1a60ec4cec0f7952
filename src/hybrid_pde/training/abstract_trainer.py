"""What every trainer has."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.config import Experiment, parse_experiment


class AbstractTrainer:
    """Holds the experiment; models and data are made outside and handed in.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.

    Attributes:
        experiment: The experiment with every default filled in.
        seed: Seed of everything random in the training.
    """

    def __init__(self, config: Mapping[str, Any] | Experiment) -> None:
        self.experiment = parse_experiment(config)
        self.seed = self.experiment.run_params.seed
