"""Trainers of an experiment, and the data to train on."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch.utils.data import DataLoader

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.factories.model_factory import ModelFactory
from hybrid_pde.training.hybrid.hybrid_trainer import HybridTrainer
from hybrid_pde.training.physical.calibration_setup import calibration_trainer, calibration_windows
from hybrid_pde.training.physical.learnable_values import learnable_values
from hybrid_pde.training.physical.observation_window import ObservedData
from hybrid_pde.training.physical.per_simulation import SimulationCalibrator
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.training_windows import real_windows

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
        return calibration_trainer(parse_experiment(config))

    @staticmethod
    def create_simulation_calibrator(
        config: Config, store: SimulationStore | None = None
    ) -> SimulationCalibrator:
        """Calibration of single simulations, for parameters with ``per_simulation: true``.

        Args:
            config: The experiment.
            store: The simulations, by default the experiment's data set.
        """
        experiment = parse_experiment(config)
        return SimulationCalibrator(experiment, store or DataManager.from_experiment(experiment))

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
            shuffle: Whether to shuffle; the order depends on the seed and the epoch.
            use_sliding_window: Whether windows overlap.
        """
        experiment = parse_experiment(config)
        store = DataManager.from_experiment(experiment)
        windows = real_windows(experiment, store, sim_indices, use_sliding_window)
        return batches(experiment, windows, batch_size, shuffle)

    @staticmethod
    def create_dataset_for_physical(
        config: Config,
        sim_indices: Sequence[int] | None = None,
        use_sliding_window: bool = True,
        *,
        store: SimulationStore | None = None,
    ) -> HybridDataset | ObservedData:
        """Windows as PhiFlow fields, ``({name: Field}, {name: [Field] * steps})``.

        With ``data.observations`` the data set also has masks of the observed values. Where values
        are hidden and the initial state is known, a window is a whole simulation.

        Args:
            config: The experiment.
            sim_indices: Simulations, by default ``trainer_params.train_sim``.
            use_sliding_window: Whether windows overlap.
            store: The simulations, by default the experiment's data set.
        """
        experiment = parse_experiment(config)
        store = store or DataManager.from_experiment(experiment)
        return calibration_windows(experiment, store, sim_indices, use_sliding_window)
