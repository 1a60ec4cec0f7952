"""Makes trainers, and the data that are handed to them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.errors import ConfigError
from hybrid_pde.factories.model_factory import ModelFactory, data_manager
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.training.hybrid.hybrid_trainer import HybridTrainer
from hybrid_pde.training.physical.observed_dataset import ObservedDataset
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.training_windows import RealWindows, real_windows

Config = Mapping[str, Any] | Experiment


class TrainerFactory:
    """Trainers by ``run_params.model_type``, with the models that they train."""

    @staticmethod
    def create_trainer(config: Config) -> SyntheticTrainer | PhysicalTrainer | HybridTrainer:
        """The trainer of the experiment's model type, with a new model.

        Raises:
            ValueError: for a physical model without learnable parameters.
        """
        experiment = parse_experiment(config)
        kind = experiment.run_params.model_type
        if kind == "physical":
            return TrainerFactory.create_physical_trainer(experiment)
        if kind == "hybrid":
            return TrainerFactory.create_hybrid_trainer(experiment)
        return SyntheticTrainer(experiment, ModelFactory.create_synthetic_model(experiment))

    @staticmethod
    def create_physical_trainer(config: Config) -> PhysicalTrainer:
        """A trainer of the physical model, which starts at the initial guesses."""
        experiment = parse_experiment(config)
        model = ModelFactory.create_physical_model(experiment)
        return PhysicalTrainer(experiment, model, learnable_values(experiment, model))

    @staticmethod
    def create_hybrid_trainer(config: Config) -> HybridTrainer:
        """A trainer of both models."""
        experiment = parse_experiment(config)
        physical = ModelFactory.create_physical_model(experiment)
        synthetic = ModelFactory.create_synthetic_model(experiment)
        values = learnable_values(experiment, physical)
        return HybridTrainer(experiment, synthetic, physical, values)

    @staticmethod
    def create_data_loader_for_synthetic(
        config: Config,
        sim_indices: Sequence[int] | None = None,
        batch_size: int | None = None,
        shuffle: bool = True,
        use_sliding_window: bool = True,
    ) -> DataLoader:
        """Batches of windows ``(input [B, C_in, *space], targets [B, steps, C_out, *space])``.

        Args:
            config: The experiment.
            sim_indices: Simulations, by default ``trainer_params.train_sim``.
            batch_size: Windows a batch, by default ``trainer_params.batch_size``.
            shuffle: Whether to shuffle, anew every epoch, as seed and epoch say.
            use_sliding_window: Whether windows overlap.
        """
        experiment = parse_experiment(config)
        store = data_manager(experiment)
        dataset = synthetic_dataset(experiment, store, sim_indices, use_sliding_window)
        return batches(experiment, dataset, batch_size, shuffle)

    @staticmethod
    def create_dataset_for_physical(
        config: Config,
        sim_indices: Sequence[int] | None = None,
        use_sliding_window: bool = True,
        *,
        store: SimulationStore | None = None,
    ) -> HybridDataset | ObservedDataset:
        """Windows as PhiFlow fields, ``({name: Field}, {name: [Field] * steps})``.

        With ``data.observations`` it also says what of them is seen, and where values are hidden a
        window is a whole simulation.

        Args:
            config: The experiment.
            sim_indices: Simulations, by default ``trainer_params.train_sim``.
            use_sliding_window: Whether windows overlap.
            store: Where they are read from; by default the experiment's data set.
        """
        experiment = parse_experiment(config)
        store = store or data_manager(experiment)
        training = experiment.trainer_params.physical
        spec = ModelRegistry(experiment).physical_class().spec
        dynamic = [layout.name for layout in store.layouts if not layout.static]
        indices = _some(training.train_sim if sim_indices is None else sim_indices)
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
        return dataset if seen is None else ObservedDataset(dataset, experiment)


def learnable_values(experiment: Experiment, model: PhysicalModel) -> list[torch.nn.Parameter]:
    """The model's learnable parameters, in the order of the experiment."""
    learnable = experiment.trainer_params.physical.learnable_parameters
    return [model.get_parameter(parameter.name) for parameter in learnable]


def synthetic_dataset(
    experiment: Experiment,
    store: SimulationStore,
    sim_indices: Sequence[int] | None = None,
    use_sliding_window: bool = True,
    *,
    physical: PhysicalModel | None = None,
) -> RealWindows:
    """Windows of native tensors with the surrogate's channels, from any store.

    Args:
        experiment: Sections ``model.synthetic``, ``trainer_params`` and ``data.observations``.
        store: The simulations.
        sim_indices: Which of them, by default ``trainer_params.train_sim``.
        use_sliding_window: Whether windows overlap.
        physical: The calibrated model, which fills in what ``data.observations`` hides, and gives
            the values of parameters that are inputs.
    """
    training = experiment.trainer_params.synthetic
    indices = _some(training.train_sim if sim_indices is None else sim_indices)
    return real_windows(experiment, store, indices, use_sliding_window, physical)


def _some(indices: Sequence[int]) -> list[int]:
    if not indices:
        raise ConfigError("trainer_params.train_sim: missing; it lists the simulations to train on")
    return list(indices)
