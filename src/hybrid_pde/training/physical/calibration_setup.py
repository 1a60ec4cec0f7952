"""Trainer and observed windows of an experiment's calibration."""

from collections.abc import Sequence

from hybrid_pde.config.derived import chosen_simulations
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.training.physical.learnable_values import learnable_values
from hybrid_pde.training.physical.observation_window import ObservedData
from hybrid_pde.training.physical.observed_windows import observed_windows
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer


def calibration_trainer(experiment: Experiment) -> PhysicalTrainer:
    """A trainer of the experiment's physical model, which starts at the initial guesses.

    Raises:
        ConfigError: if the experiment names no physical model or no learnable parameters.
    """
    model = ModelRegistry(experiment).get_physical_model()
    return PhysicalTrainer(experiment, model, learnable_values(experiment, model))


def calibration_windows(
    experiment: Experiment,
    store: SimulationStore,
    sim_indices: Sequence[int] | None = None,
    use_sliding_window: bool = True,
) -> HybridDataset | ObservedData:
    """Windows as PhiFlow fields, ``({name: Field}, {name: [Field] * steps})``.

    With ``data.observations`` the data set also has masks of the observed values. Where values are
    hidden and the initial state is known, a window is a whole simulation.

    Args:
        experiment: Sections ``model.physical``, ``trainer_params`` and ``data.observations``.
        store: The simulations.
        sim_indices: Which of them, by default ``trainer_params.train_sim``.
        use_sliding_window: Whether windows overlap.

    Raises:
        ConfigError: if there are no simulations to train on.
    """
    training = experiment.trainer_params.physical
    spec = ModelRegistry(experiment).physical_class().spec
    dynamic = [layout.name for layout in store.layouts if not layout.static]
    indices = chosen_simulations(sim_indices, training.train_sim)
    seen = experiment.data.observations
    steps = training.num_predict_steps
    if seen is not None and seen.hides and training.initial_state == "known":
        steps = min(store.header(index).num_frames for index in indices) - 1
    dataset = HybridDataset(
        store,
        indices,
        list(match_roles(spec, dynamic).values()),
        num_predict_steps=steps,
        use_sliding_window=use_sliding_window,
        return_fields=True,
    )
    return dataset if seen is None else observed_windows(dataset, spec, experiment)
