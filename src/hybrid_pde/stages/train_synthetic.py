"""The training of the surrogate, on explicit stores and paths."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.errors import CheckpointError
from hybrid_pde.evaluation.history import Row, read_rows, write_history
from hybrid_pde.evaluation.predictors import SyntheticPredictor
from hybrid_pde.evaluation.validation import Validation
from hybrid_pde.factories.model_factory import ModelFactory
from hybrid_pde.factories.trainer_factory import synthetic_dataset
from hybrid_pde.interruption import StopRequest
from hybrid_pde.models.surrogate_file import load_saved_model, save_synthetic_model
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.synthetic.best_weights import BestWeights
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.epoch_record import EpochRecord, is_stale
from hybrid_pde.training.synthetic.processes import num_processes, run_together
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.tensor_trainer import TensorTrainer
from hybrid_pde.training.synthetic.tensorboard import Scalars
from hybrid_pde.training.synthetic.training_checkpoints import TrainingCheckpoints
from hybrid_pde.training.synthetic.training_windows import mix

if TYPE_CHECKING:
    from hybrid_pde.models.physical.physical_model import PhysicalModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SurrogateFiles:
    """Where a training of the surrogate leaves its results and its checkpoints.

    Attributes:
        model: ``synthetic_model.pt``.
        history: ``history.csv``.
        checkpoints: Folder of checkpoints, one sub-folder a training.
        checkpoint_every_s: Least time between two checkpoints [s].
        tensorboard: Folder of TensorBoard scalars, if they are wanted.
    """

    model: Path
    history: Path
    checkpoints: Path
    checkpoint_every_s: float
    tensorboard: Path | None = None


class SurrogateTraining:
    """Trains the surrogate on real windows, and on generated ones where there are any.

    Args:
        experiment: Sections ``model.synthetic``, ``trainer_params``, ``augmentation``, ``hybrid``.
        real: The training and validation simulations.
        generated: Store of generated simulations, if there is one.
        made: The generated simulations to train on.
        physical: The calibrated model, where the surrogate's data need it.
        warm_start: An earlier ``synthetic_model.pt`` to start from, with its normalisation; with
            ``hybrid.revert_if_worse`` and validation simulations it is kept if no epoch is better.
        cycle: ``(k, n)`` for the k-th of n trainings, whose epochs are counted on and whose
            schedules run over all of them.

    Raises:
        CheckpointError: if ``warm_start`` is a model of another kind.
    """

    def __init__(
        self,
        experiment: Experiment,
        real: SimulationStore,
        generated: CacheManager | None = None,
        made: Sequence[int] = (),
        *,
        physical: "PhysicalModel | None" = None,
        warm_start: Path | None = None,
        cycle: tuple[int, int] = (1, 1),
    ) -> None:
        self.experiment = experiment
        self._training = experiment.trainer_params.synthetic
        self._real = real
        self._generated, self._made = generated, made
        self._warm_start, self._cycle = warm_start, cycle
        real_windows = synthetic_dataset(experiment, real, physical=physical)
        dataset = mix(experiment, real_windows, generated, made) if generated else real_windows
        self._loader = batches(experiment, dataset)
        self.model: SyntheticModel = ModelFactory.create_synthetic_model(experiment, real.grid)
        if warm_start is None:
            self.model.fit_normalization(dataset)
        else:
            _take_over(self.model, warm_start)
        self.model.parameter_defaults = real_windows.parameters

    @cached_property
    def trainer(self) -> SyntheticTrainer:
        """Trains the model in this process, and in those that were started together with it."""
        return SyntheticTrainer(self.experiment, self.model, cycle=self._cycle)

    def run(self, files: SurrogateFiles, identity: dict[str, Any]) -> list[Row]:
        """Train, going on from the last checkpoint, and write model and history.

        With ``trainer_params.devices`` above 1 that many processes are started for it, unless
        ``torchrun`` or Slurm has started them.

        Args:
            files: Where results and checkpoints go.
            identity: Settings, code and inputs that decide the result; a checkpoint of another
                identity is not used.

        Returns:
            The rows of ``history.csv``.
        """
        devices = self._training.devices
        if devices == 1 or num_processes(devices) > 1:
            return self._run(files, identity)
        run_together(_run_here, (self, files, identity), devices)
        self.model.load_state_dict(load_saved_model(files.model).model.state_dict())
        return read_rows(files.history)

    def inputs(self) -> dict[str, str]:
        """Digests of the simulations that decide the result, by file."""
        used = sorted({*self._training.train_sim, *self._training.val_sim})
        found = {f"real/{k}": v for k, v in self._real.manifest(used)["files"].items()}
        if self._generated is not None:
            files = self._generated.manifest(self._made)["files"]
            found |= {f"generated/{name}": digest for name, digest in files.items()}
        return found

    def _run(self, files: SurrogateFiles, identity: dict[str, Any]) -> list[Row]:
        trainer = self.trainer
        whole = self._whole(identity)
        folder = CheckpointFolder(files.checkpoints, whole, files.checkpoint_every_s)
        with StopRequest() as stop, folder if trainer.fabric.is_global_zero else nullcontext():
            trainer.fabric.barrier()  # until the first process has the folder's lock
            best, history = BestWeights(), list[Row]()
            checkpoints = TrainingCheckpoints(folder, stop, best, history)
            checkpoints.resume(trainer)
            last = trainer.first_epoch + self._training.epochs
            left = 0 if is_stale(history, self._training.patience) else last - trainer.epoch
            if not trainer.fabric.is_global_zero:
                trainer.train(self._loader, left, _unheard, on_progress=checkpoints)
                return history
            scalars = Scalars(files.tensorboard, trainer.epoch) if files.tensorboard else None
            record = EpochRecord(trainer, self._error, self._keeps_start, best, history, scalars)
            self._tell_start(last)
            if trainer.epoch == trainer.first_epoch and not trainer.within_epoch.batches:
                record.start()
            trainer.train(self._loader, left, record, on_progress=checkpoints)
            self._finish(files, best, history)
            folder.finish()
        return history

    def _tell_start(self, last: int) -> None:
        trainer = self.trainer
        if batch := trainer.within_epoch.batches:
            logger.info("going on after epoch %d of %d, batch %d", trainer.epoch, last, batch)
        elif trainer.epoch > trainer.first_epoch:
            logger.info("going on after epoch %d of %d", trainer.epoch, last)

    @property
    def _keeps_start(self) -> bool:
        """Whether the weights that the training starts from may be its result."""
        reverts = self.experiment.hybrid.revert_if_worse and self._training.val_sim
        return bool(self._warm_start and reverts)

    def _error(self) -> float | None:
        """Mean VRMSE of rollouts over the validation simulations; ``None`` without any."""
        if not self._training.val_sim:
            return None
        with torch.no_grad():
            return self._validation.vrmse(SyntheticPredictor(self.model.eval()))

    @cached_property
    def _validation(self) -> Validation:
        return Validation(self._real, self._training.val_sim, self._training.batch_size)

    def _whole(self, identity: dict[str, Any]) -> dict[str, Any]:
        """The identity with what this object was told besides."""
        start = sha256_of(self._warm_start) if self._warm_start else None
        return {**identity, "warm_start": start, "of_cycles": list(self._cycle)}

    def _finish(self, files: SurrogateFiles, best: BestWeights, history: list[Row]) -> None:
        """Take the best weights, and write them and the history."""
        best.restore(self.model)
        if best.epoch == self.trainer.first_epoch:
            logger.warning(
                "no epoch had a smaller error on the validation simulations than the model that "
                "the training started from (VRMSE %.3g), which is kept", best.error,
            )  # fmt: skip
        elif best.epoch is not None:
            logger.info("kept: epoch %d, validation VRMSE %.3g", best.epoch, best.error)
        write_history(files.history, history)
        save_synthetic_model(
            files.model,
            self.model,
            self.experiment,
            self._real.grid,
            self._real.layouts,
            self._real.dt,
        )


def _unheard(epoch: int, loss: float, trainer: TensorTrainer) -> bool:
    """The callback of the processes that do not write; what the first one says is done."""
    return False


def _run_here(training: SurrogateTraining, files: SurrogateFiles, identity: dict[str, Any]) -> None:
    """What each of several processes does."""
    training.run(files, identity)


def _take_over(model: SyntheticModel, path: Path) -> None:
    """Make the model the function that another one is: its weights and its normalisation."""
    try:
        model.load_state_dict(load_saved_model(path).model.state_dict())
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: a training cannot start from it, its architecture is another one: {error}"
        ) from error
