"""Hybrid cycles: the order in which the stages of all cycles run."""

from typing import Protocol

from hybrid_pde.config.derived import cycle_stages, num_cycles
from hybrid_pde.config.schema import Experiment


class CycleStages(Protocol):
    """The stages of one cycle, each called with the number of the cycle, from 1."""

    def guide(self, cycle: int) -> None:
        """Predict hidden values with the surrogate of the cycle before."""

    def train_physical(self, cycle: int) -> None:
        """Calibrate the physical model, with these predictions if there are any."""

    def augment(self, cycle: int) -> None:
        """Generate simulations with the calibrated model."""

    def train_synthetic(self, cycle: int) -> None:
        """Train the surrogate on real and generated simulations."""


def run_cycles(experiment: Experiment, stages: CycleStages) -> None:
    """Run all stages of all cycles, as :func:`~hybrid_pde.config.derived.cycle_stages` lists them.

    Args:
        experiment: The experiment.
        stages: Runs one stage of one cycle.
    """
    run = {
        "guide": stages.guide,
        "train_physical": stages.train_physical,
        "augment": stages.augment,
        "train_synthetic": stages.train_synthetic,
    }
    for cycle in range(1, num_cycles(experiment) + 1):
        for stage in cycle_stages(experiment, cycle):
            run[stage](cycle)
