"""Rollouts on the validation simulations while a surrogate is trained.

Layout: ``B`` simulations, ``C`` channels, then space.
"""

import math
from collections.abc import Sequence

from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.evaluation.measures.metrics import rollout_errors, summarize
from hybrid_pde.evaluation.predictors import Predictor
from hybrid_pde.evaluation.rollout_batches import HeldOut, batched, stacked
from hybrid_pde.evaluation.rollout_starts import begin


class Validation:
    """Errors of rollouts from the first frames of some simulations, as the evaluation has them.

    Simulations of one length are rolled out together.

    Args:
        store: Where the simulations are; they stay memory maps.
        indices: The simulations.
        batch_size: Most simulations in one rollout.
    """

    def __init__(self, store: SimulationStore, indices: Sequence[int], batch_size: int) -> None:
        self._batch_size = batch_size
        self._held_out = [
            HeldOut(index, simulation, begin(index, simulation, None, simulation.header.known))
            for index in indices
            for simulation in [store.load(index)]
        ]

    def vrmse(self, predictor: Predictor) -> float | None:
        """Mean VRMSE over fields, lead times and simulations.

        Args:
            predictor: The model.

        Returns:
            Infinity where a rollout diverges; ``None`` where the truth has no variance at all.
        """
        errors = []
        for batch in batched(self._held_out, self._batch_size):
            initial = stacked([each.beginning.initial for each in batch])
            predicted = predictor(initial, batch[0].beginning.steps)
            for position, each in enumerate(batch):
                truth = each.beginning.truth
                one = {
                    name: values[position].numpy()
                    for name, values in predicted.items()
                    if name in truth
                }
                targets = {name: truth[name][1:] for name in one}
                errors.append(rollout_errors(one, targets, each.index))
        summary = summarize(errors)
        return math.inf if summary["diverged"] else summary["vrmse"]
