"""Training of both models in hybrid cycles, in memory."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import torch
from phi.torch.flow import math

from hybrid_pde.config import Experiment
from hybrid_pde.config.derived import num_cycles
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.domain.run_folders import cycle_folder
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.abstract_trainer import AbstractTrainer
from hybrid_pde.training.augmentation.augmentation import Augmentation
from hybrid_pde.training.hybrid.cycles import run_cycles
from hybrid_pde.training.hybrid.guidance import GuidanceMaker
from hybrid_pde.training.hybrid.guided_calibration import Guidance, calibrate_cycle
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.tensor_trainer import EpochCallback
from hybrid_pde.training.synthetic.training_result import TrainingResult
from hybrid_pde.training.synthetic.training_windows import (
    RealWindows,
    check_left_out,
    real_windows,
)
from hybrid_pde.training.synthetic.validated_training import SurrogateData, ValidatedTraining


class CycleResult(TypedDict):
    """Results of one cycle: those of its two trainers, and the generated simulations."""

    physical: dict[str, Any]
    synthetic: dict[str, Any]
    generated: list[int]


class HybridResult(CycleResult):
    """Return value of :meth:`HybridTrainer.train`: the last cycle's result, and all cycles'."""

    cycles: list[CycleResult]


class HybridTrainer(AbstractTrainer):
    """Calibrates, generates, and trains the surrogate on both, ``hybrid.cycles`` times.

    From the second cycle on the calibration also sees the surrogate's predictions of values that
    are not observed, and starts from the previous estimate. The surrogate keeps its weights, and
    its schedules run over the epochs of all cycles. The workflow's stages give the same numbers.

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
        run = self.experiment.run_params.model_copy(update={"model_type": "hybrid"})
        self.experiment = self.experiment.model_copy(update={"run_params": run})
        # Values, since parameters may be the model's own, which training changes.
        self.initial_values = [
            value.detach().clone() if isinstance(value, torch.Tensor) else value
            for value in learnable_params
        ]
        cycles = num_cycles(self.experiment)
        self.physical_trainer = PhysicalTrainer(config, physical_model, self.initial_values)
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
                simulations are cached in the same store, the best weights are kept and
                ``hybrid.revert_if_worse`` applies; otherwise nothing is validated.
            generated: Folder for the generated simulations; with several cycles
                ``cycle_01/augmented``, ``cycle_02/guidance``, … in it.
            on_epoch_end: See :meth:`TensorTrainer.train`.

        Raises:
            ConfigError: if there are several cycles, and the physical data are not a data set.
            ExchangeError: if the surrogate has no prediction for the physical model.
        """
        stages = _StagesInMemory(self, physical_data, synthetic_data, generated, on_epoch_end)
        run_cycles(self.experiment, stages)
        results = [
            CycleResult(
                physical=found,
                synthetic=stages.synthetic[cycle].to_mapping(),
                generated=stages.generated.get(cycle, []),
            )
            for cycle, found in stages.physical.items()
        ]
        return HybridResult(**results[-1], cycles=results)


class _StagesInMemory:
    """The stages of cycles on models in memory; only simulations are written to files.

    Attributes:
        physical: Result of the calibration, by cycle.
        generated: Generated simulations, by cycle; missing where there is no augmentation.
        synthetic: Result of the surrogate's training, by cycle.
    """

    def __init__(
        self,
        trainer: HybridTrainer,
        physical_data: Iterable[Any],
        synthetic_data: RealWindows,
        folder: CacheManager,
        on_epoch_end: EpochCallback | None,
    ) -> None:
        self.physical: dict[int, dict[str, Any]] = {}
        self.generated: dict[int, list[int]] = {}
        self.synthetic: dict[int, TrainingResult] = {}
        self._trainer, self._experiment = trainer, trainer.experiment
        self._physical_data, self._real = physical_data, synthetic_data
        self._store: SimulationStore = synthetic_data.store
        self._folder, self._on_epoch_end = folder, on_epoch_end

    def guide(self, cycle: int) -> None:
        """Predict with the surrogate of the cycle before."""
        surrogate = self._trainer.synthetic_trainer.model
        GuidanceMaker(self._experiment, self._store, surrogate, self._guidance(cycle)).make()

    def train_physical(self, cycle: int) -> None:
        """Calibrate the physical model."""
        trainer, guidance = self._trainer, None
        if cycle > 1:
            model = trainer.physical_trainer.model
            trainer.physical_trainer = PhysicalTrainer(
                self._experiment, model, trainer.initial_values
            )
            held_out = self._held_out("physical")
            guidance = Guidance(self._guidance(cycle), self.physical[cycle - 1], held_out)
        found = calibrate_cycle(trainer.physical_trainer, self._physical_data, guidance)
        self.physical[cycle] = found

    def augment(self, cycle: int) -> None:
        """Generate simulations with the calibrated model."""
        model, store = self._trainer.physical_trainer.model, self._augmented(cycle)
        calibrated = self.physical[cycle]["parameters"]
        maker = Augmentation(self._experiment, model, self._store, store, calibrated=calibrated)
        made = maker.make(range(self._experiment.augmentation.num_simulations))
        check_left_out(self._experiment, made)
        self.generated[cycle] = made

    def train_synthetic(self, cycle: int) -> None:
        """Train the surrogate on real and generated windows."""
        trainer, experiment = self._trainer, self._experiment
        data = SurrogateData(
            self._real_windows(),
            self._augmented(cycle),
            self.generated.get(cycle, ()),
            self._held_out("synthetic"),
        )
        training = ValidatedTraining(
            experiment,
            trainer.synthetic_trainer.model,
            data,
            cycle=(cycle, num_cycles(experiment)),
            is_warm=cycle > 1,
            trainer=trainer.synthetic_trainer if cycle == 1 else None,
            chosen=None if cycle == 1 else trainer.synthetic_trainer.training,
        )
        training.choose_settings()
        trainer.synthetic_trainer = training.trainer
        self.synthetic[cycle] = training.train(on_epoch_end=self._on_epoch_end)

    def _guidance(self, cycle: int) -> CacheManager:
        return CacheManager(cycle_folder(self._folder.directory, cycle) / "guidance")

    def _augmented(self, cycle: int) -> CacheManager:
        if num_cycles(self._experiment) == 1:
            return self._folder
        return CacheManager(cycle_folder(self._folder.directory, cycle) / "augmented")

    def _real_windows(self) -> RealWindows:
        """The given windows, or new ones where the calibrated model fills in values of theirs."""
        given, data = self._real, self._experiment.data
        section = self._experiment.model.synthetic
        has_parameters = section is not None and set(section.input_specs) - set(data.fields)
        if data.observations is None and not has_parameters:
            return given
        physical = self._trainer.physical_trainer.model
        return real_windows(self._experiment, given.store, given.sim_indices, physical=physical)

    def _held_out(self, stage: str) -> SimulationStore | None:
        """The store, if the stage's validation simulations are in it."""
        indices = getattr(self._experiment.trainer_params, stage).val_sim
        absent = [index for index in indices if not self._store.exists(index)]
        if absent:
            warn_of_result(
                f"trainer_params.val_sim: {absent} are not in {self._store.directory}: there is no "
                "validation; DataManager.cache_shard caches them"
            )
        return self._store if indices and not absent else None
