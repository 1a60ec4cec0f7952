"""Validation rollouts during the training of a surrogate.

Layout: ``B`` simulations, ``C`` channels, then space.
"""

import math
from collections.abc import Sequence

from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.evaluation.measures.metrics import rollout_errors, summarize
from hybrid_pde.evaluation.predictors import Predictor
from hybrid_pde.evaluation.rollout_batches import HeldOut, group_batches, stack_states
from hybrid_pde.evaluation.rollout_starts import find_start


class Validation:
    """Rollout errors on the validation simulations, computed as in the evaluation.

    Simulations of equal length are rolled out together.

    Args:
        store: Store of the simulations, which stay memory-mapped.
        indices: Indices of the simulations.
        batch_size: Largest number of simulations per rollout.
        most_steps: Largest number of steps; by default all that a simulation has.
    """

    def __init__(
        self,
        store: SimulationStore,
        indices: Sequence[int],
        batch_size: int,
        most_steps: int | None = None,
    ) -> None:
        self._batch_size = batch_size
        self._held_out = []
        for index in indices:
            simulation = store.load(index)
            header = simulation.header
            steps = None if most_steps is None else min(most_steps, header.num_frames - 1)
            start = find_start(index, simulation, steps, header.known)
            self._held_out.append(HeldOut(index, simulation, start))

    def vrmse(self, predictor: Predictor) -> float | None:
        """Mean VRMSE over fields, lead times and simulations.

        Args:
            predictor: The model.

        Returns:
            Infinity if a rollout diverges; ``None`` if the truth has no variance.
        """
        errors = []
        for batch in group_batches(self._held_out, self._batch_size):
            initial = stack_states([each.start.initial for each in batch])
            predicted = predictor(initial, batch[0].start.steps)
            for position, each in enumerate(batch):
                truth = each.start.truth
                one = {
                    name: values[position].numpy()
                    for name, values in predicted.items()
                    if name in truth
                }
                targets = {name: truth[name][1:] for name in one}
                errors.append(rollout_errors(one, targets, each.index))
        summary = summarize(errors)
        return math.inf if summary["diverged"] else summary["vrmse"]
