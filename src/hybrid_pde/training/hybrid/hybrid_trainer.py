"""Training of both models in cycles, each with what the other one makes."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

import torch
from phi.torch.flow import math

from hybrid_pde.config import Experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.domain.run_folders import cycle_folder
from hybrid_pde.errors import ConfigError
from hybrid_pde.evaluation.history import Row
from hybrid_pde.evaluation.predictors import SyntheticPredictor
from hybrid_pde.evaluation.validation import Validation
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.training.abstract_trainer import AbstractTrainer
from hybrid_pde.training.augmentation.augmentation import Augmentation, refuse_many_left_out
from hybrid_pde.training.hybrid.guidance import GuidanceMaker
from hybrid_pde.training.hybrid.guided_calibration import calibrate_guided
from hybrid_pde.training.physical.observed_dataset import ObservedDataset
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer
from hybrid_pde.training.synthetic.best_weights import BestWeights
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.epoch_record import EpochRecord
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.tensor_trainer import (
    EpochCallback,
    TensorTrainer,
    TrainingResult,
)
from hybrid_pde.training.synthetic.training_windows import RealWindows, mix, real_windows

logger = logging.getLogger(__name__)


class CycleResult(TypedDict):
    """What one cycle gives: the results of its two trainers, and the generated simulations."""

    physical: dict[str, Any]
    synthetic: TrainingResult
    generated: list[int]


class HybridResult(CycleResult):
    """What :meth:`HybridTrainer.train` returns: the last cycle's result, and those of all."""

    cycles: list[CycleResult]


class HybridTrainer(AbstractTrainer):
    """Calibrates, generates, and trains the surrogate on both, ``hybrid.cycles`` times.

    From the second cycle on the calibration also sees what the surrogate predicts where nothing is
    seen, and starts from the estimate before; the surrogate goes on from its weights, and its
    schedules run over the epochs of all cycles. The numbers are those of the workflow's stages.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        synthetic_model: Surrogate, trained in place.
        physical_model: Equation, calibrated in place.
        learnable_params: Initial values of the learnable parameters, in the experiment's order.

    Attributes:
        physical_trainer: The trainer of the last calibration.
        synthetic_trainer: The trainer of the last cycle's surrogate.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | Experiment,
        synthetic_model: SyntheticModel,
        physical_model: PhysicalModel,
        learnable_params: Sequence[math.Tensor | torch.nn.Parameter],
    ) -> None:
        super().__init__(config)
        # The values, since the parameters may be the model's own, which will be the estimate.
        self._guess = [
            value.detach().clone() if isinstance(value, torch.Tensor) else value
            for value in learnable_params
        ]
        cycles = self.experiment.hybrid.cycles
        self.physical_trainer = PhysicalTrainer(config, physical_model, self._guess)
        self.synthetic_trainer = SyntheticTrainer(config, synthetic_model, cycle=(1, cycles))

    def train(
        self,
        physical_data: Iterable[Any],
        synthetic_data: RealWindows,
        generated: CacheManager,
        on_epoch_end: EpochCallback | None = None,
    ) -> HybridResult:
        """Run all cycles.

        Args:
            physical_data: Windows of PhiFlow fields for the calibration; with several cycles a data
                set of :meth:`TrainerFactory.create_dataset_for_physical`.
            synthetic_data: Windows of native tensors for the surrogate. If the validation
                simulations are cached beside theirs, the best weights are kept, and
                ``hybrid.revert_if_worse`` holds; else there is no validation.
            generated: Folder that takes the generated simulations; with several cycles
                ``cycle_01/augmented``, ``cycle_02/guidance``, … in it.
            on_epoch_end: See :meth:`TensorTrainer.train`.

        Raises:
            ConfigError: if there are several cycles, and the physical data are not a data set.
            ExchangeError: if the surrogate has nothing to teach the physical model.
        """
        cycles = self.experiment.hybrid.cycles
        results: list[CycleResult] = []
        for number in range(1, cycles + 1):
            folder = cycle_folder(generated.directory, number)
            if number == 1:
                epochs = self.experiment.trainer_params.physical.epochs
                physical = self.physical_trainer.train(physical_data, epochs)
            else:
                predictions = CacheManager(folder / "guidance")
                surrogate = self.synthetic_trainer.model
                maker = GuidanceMaker(self.experiment, synthetic_data.store, surrogate, predictions)
                maker.make()
                before = results[-1]["physical"]
                held_out = self._held_out("physical", synthetic_data.store)
                physical = self._recalibrate(physical_data, predictions, before, held_out)
            target = generated if cycles == 1 else CacheManager(folder / "augmented")
            made = self.generate(synthetic_data, target, physical["parameters"])
            synthetic = self._train_surrogate(synthetic_data, target, made, number, on_epoch_end)
            results.append(CycleResult(physical=physical, synthetic=synthetic, generated=made))
        return HybridResult(**results[-1], cycles=results)

    def generate(
        self,
        real: RealWindows,
        generated: CacheManager,
        calibrated: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[int]:
        """Simulations from the calibrated model, none where augmentation is off.

        Args:
            real: Windows of the training simulations.
            generated: Where the simulations go.
            calibrated: What the calibration says of each parameter.
        """
        augmentation = self.experiment.augmentation
        if not augmentation.enabled or augmentation.alpha == 0:
            return []
        model = self.physical_trainer.model
        maker = Augmentation(self.experiment, model, real.store, generated, calibrated=calibrated)
        made = maker.make(range(augmentation.num_simulations))
        refuse_many_left_out(self.experiment, made)
        return made

    def _recalibrate(
        self,
        data: Iterable[Any],
        predictions: CacheManager,
        before: Mapping[str, Any],
        held_out: SimulationStore | None,
    ) -> dict[str, Any]:
        if not isinstance(data, HybridDataset | ObservedDataset):
            raise ConfigError(
                f"hybrid.cycles: {self.experiment.hybrid.cycles}: the physical data must be a data "
                "set, from TrainerFactory.create_dataset_for_physical, so that predictions find "
                "their place in them"
            )
        model = self.physical_trainer.model
        self.physical_trainer = PhysicalTrainer(self.experiment, model, self._guess)
        return calibrate_guided(self.physical_trainer, data, predictions, before, held_out)

    def _train_surrogate(
        self,
        given: RealWindows,
        generated: CacheManager,
        made: Sequence[int],
        cycle: int,
        on_epoch_end: EpochCallback | None,
    ) -> TrainingResult:
        experiment, model = self.experiment, self.synthetic_trainer.model
        training = experiment.trainer_params.synthetic
        real = self._real_windows(given)
        dataset = mix(experiment, real, generated, made)
        model.parameter_defaults = real.parameters
        if cycle == 1:
            model.fit_normalization(dataset)
        else:
            cycles = (cycle, experiment.hybrid.cycles)
            self.synthetic_trainer = SyntheticTrainer(experiment, model, cycle=cycles)
        best, history = BestWeights(), list[Row]()
        held_out = self._held_out("synthetic", given.store)
        reverts = experiment.hybrid.revert_if_worse and held_out is not None and cycle > 1
        validate = self._validation(held_out)
        record = EpochRecord(self.synthetic_trainer, validate, reverts, best, history, None)
        record.start()

        def after_epoch(epoch: int, loss: float, trainer: TensorTrainer) -> bool:
            stops = record(epoch, loss, trainer)
            told = on_epoch_end is not None and bool(on_epoch_end(epoch, loss, trainer))
            return stops or told

        loader = batches(experiment, dataset)
        result = self.synthetic_trainer.train(loader, training.epochs, after_epoch)
        best.restore(model)
        return result

    def _real_windows(self, given: RealWindows) -> RealWindows:
        """The windows handed in, but for what the calibrated model has to fill in or to tell."""
        section, data = self.experiment.model.synthetic, self.experiment.data
        told = section is not None and set(section.input_specs) - set(data.fields)
        if data.observations is None and not told:
            return given
        physical = self.physical_trainer.model
        return real_windows(self.experiment, given.store, given.sim_indices, physical=physical)

    def _held_out(self, stage: str, store: SimulationStore) -> SimulationStore | None:
        """The store, if the stage's validation simulations are in it."""
        indices = getattr(self.experiment.trainer_params, stage).val_sim
        absent = [index for index in indices if not store.exists(index)]
        if absent:
            logger.warning(
                "trainer_params.val_sim: %s are not in %s: there is no validation; "
                "DataManager.cache_shard caches them", absent, store.directory,
            )  # fmt: skip
        return store if indices and not absent else None

    def _validation(self, store: SimulationStore | None) -> Callable[[], float | None]:
        """The error of the surrogate as it is on the validation simulations, if there are any."""
        training, model = self.experiment.trainer_params.synthetic, self.synthetic_trainer.model
        if store is None:
            return lambda: None
        validation = Validation(store, training.val_sim, training.batch_size)

        def validate() -> float | None:
            with torch.no_grad():
                return validation.vrmse(SyntheticPredictor(model.eval()))

        return validate
