"""Training of a surrogate on stores of simulations, with checkpoints and result files."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_pde.config.derived import complete_training
from hybrid_pde.config.schema import CompleteTraining, Experiment
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.errors import CheckpointError
from hybrid_pde.evaluation.history import Row, read_rows, write_history
from hybrid_pde.interruption import StopRequest
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.surrogate_file import (
    load_saved_model,
    read_training_warnings,
    save_synthetic_model,
)
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.result_warnings import of_earlier_cycle, recorded_warnings
from hybrid_pde.stages.kept_results import KeptResults
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.synthetic.automatic_settings import default_steps
from hybrid_pde.training.synthetic.epoch_record import is_stale
from hybrid_pde.training.synthetic.processes import num_processes, run_together
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.tensorboard import Scalars
from hybrid_pde.training.synthetic.training_checkpoints import TrainingCheckpoints
from hybrid_pde.training.synthetic.training_windows import real_windows
from hybrid_pde.training.synthetic.validated_training import SurrogateData, ValidatedTraining

if TYPE_CHECKING:
    from hybrid_pde.models.physical.physical_model import PhysicalModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SurrogateFiles:
    """Files that a training of the surrogate writes.

    Attributes:
        model: ``synthetic_model.pt``.
        history: ``history.csv``.
        checkpoints: Folder of checkpoints, one sub-folder a training.
        checkpoint_every_s: Least time between two checkpoints [s].
        tensorboard: Folder of TensorBoard scalars, if they are wanted.
        kept: Where the finished results are kept, if they are.
    """

    model: Path
    history: Path
    checkpoints: Path
    checkpoint_every_s: float
    tensorboard: Path | None = None
    kept: KeptResults | None = None


class SurrogateTraining:
    """A :class:`ValidatedTraining` with checkpoints, on stores of simulations and model files.

    Args:
        experiment: Sections ``model.synthetic``, ``trainer_params``, ``augmentation``, ``hybrid``.
        real: The training and validation simulations.
        generated: Store of generated simulations, if there is one.
        made: The generated simulations to train on.
        physical: The calibrated model, where the surrogate's data need it.
        warm_start: An earlier ``synthetic_model.pt`` to start from, with its normalisation.
        cycle: See :class:`ValidatedTraining`.
        earlier: Warnings of the stages that made the simulations, to be kept in the model's file.

    Attributes:
        model: The surrogate.

    Raises:
        CheckpointError: if ``warm_start`` has another architecture.
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
        earlier: Sequence[str] = (),
    ) -> None:
        self.experiment = experiment
        self._settings = experiment.trainer_params.synthetic
        self._real, self._warm_start, self._cycle = real, warm_start, cycle
        with recorded_warnings() as found:
            steps = default_steps(experiment)
            windows = real_windows(experiment, real, physical=physical, num_predict_steps=steps)
            held_out = real if self._settings.val_sim else None
            self._data = SurrogateData(windows, generated, made, held_out)
            self.model: SyntheticModel = ModelRegistry(experiment).get_synthetic_model(real.grid)
            chosen = None if warm_start is None else _load_weights(self.model, warm_start)
            self._training = ValidatedTraining(
                experiment,
                self.model,
                self._data,
                cycle=cycle,
                is_warm=warm_start is not None,
                chosen=chosen,
            )
        self._warnings = [*earlier, *found]
        if warm_start is not None:
            before = read_training_warnings(warm_start)
            self._warnings += of_earlier_cycle("train_synthetic", before)

    @property
    def trainer(self) -> SyntheticTrainer:
        """Trains the model in this process, and in those that were started together with it."""
        return self._training.trainer

    def run(self, files: SurrogateFiles, identity: dict[str, Any]) -> list[Row]:
        """Train, from the last checkpoint if there is one, and write model and history.

        With ``trainer_params.devices`` above 1 that many processes are started, unless
        ``torchrun`` or Slurm has started them.

        Args:
            files: Files to write.
            identity: Settings, code and inputs that decide the result; a checkpoint of another
                identity is not used.

        Returns:
            The rows of ``history.csv``.
        """
        devices = self._settings.devices
        if devices == 1 or num_processes(devices) > 1:
            return self._run(files, identity)
        run_together(_run_in_process, (self, files, identity), devices)
        self.model.load_state_dict(load_saved_model(files.model).model.state_dict())
        return read_rows(files.history)

    def inputs(self) -> dict[str, str]:
        """Digests of the simulations that decide the result, by file."""
        used = sorted({*self._settings.train_sim, *self._settings.val_sim})
        found = {f"real/{k}": v for k, v in self._real.manifest(used)["files"].items()}
        if self._data.generated is not None:
            files = self._data.generated.manifest(self._data.made)["files"]
            found |= {f"generated/{name}": digest for name, digest in files.items()}
        return found

    def _run(self, files: SurrogateFiles, identity: dict[str, Any]) -> list[Row]:
        training, full_identity = self._training, self._full_identity(identity)
        folder = CheckpointFolder(files.checkpoints, full_identity, files.checkpoint_every_s)
        if training.needs_search:
            with StopRequest() as stop, folder, recorded_warnings() as found:
                checkpoints = TrainingCheckpoints(folder, stop, training)
                checkpoints.resume_search()
                training.choose_settings(checkpoints.save_search, checkpoints.stop_if_requested)
            self._warnings += found
        trainer, history = self.trainer, training.history
        is_first = trainer.fabric.is_global_zero
        with StopRequest() as stop, folder if is_first else nullcontext():
            trainer.fabric.barrier()  # until the first process has the folder's lock
            checkpoints = TrainingCheckpoints(folder, stop, training)
            checkpoints.resume()
            last = trainer.first_epoch + training.settings.epochs
            left = 0 if is_stale(history, self._settings.patience) else last - trainer.epoch
            scalars = None
            if is_first:
                self._log_start(last)
                if files.tensorboard:
                    scalars = Scalars(files.tensorboard, trainer.epoch)
            with recorded_warnings() as found:
                training.train(left, on_progress=checkpoints, scalars=scalars)
            self._warnings += found
            if is_first:
                self._write(files, history)
                folder.finish()
        return history

    def _log_start(self, last: int) -> None:
        trainer = self.trainer
        if batch := trainer.within_epoch.batches:
            logger.info("going on after epoch %d of %d, batch %d", trainer.epoch, last, batch)
        elif trainer.epoch > trainer.first_epoch:
            logger.info("going on after epoch %d of %d", trainer.epoch, last)

    def _full_identity(self, identity: dict[str, Any]) -> dict[str, Any]:
        """The identity with the file that the training starts from, and the cycle."""
        start = sha256_of(self._warm_start) if self._warm_start else None
        return {**identity, "warm_start": start, "of_cycles": list(self._cycle)}

    def _write(self, files: SurrogateFiles, history: list[Row]) -> None:
        write_history(files.history, history)
        save_synthetic_model(
            files.model,
            self.model,
            self._training.experiment,
            self._real.grid,
            self._real.layouts,
            self._real.dt,
            warnings=list(dict.fromkeys(self._warnings)),
            search=self._training.search,
            origin=self._real.description,
        )
        if files.kept is not None:
            files.kept.keep([files.model, files.history])


def _run_in_process(
    training: SurrogateTraining, files: SurrogateFiles, identity: dict[str, Any]
) -> None:
    """Task of each of several processes."""
    training.run(files, identity)


def _load_weights(model: SyntheticModel, path: Path) -> CompleteTraining:
    """Give the model the weights and the normalisation of a saved model.

    Returns:
        The settings that it was trained with.
    """
    saved = load_saved_model(path)
    section, before = model.experiment.model.synthetic, saved.model
    assert section is not None
    # the earlier model has the choices that the experiment leaves open
    is_same = {**before.architecture, **section.architecture} == before.architecture
    is_same &= section.coordinates in (None, before.harmonics)
    if is_same and section.potentials in (None, before.potentials):
        model.renew_network(**before.network_settings)
    try:
        model.load_state_dict(saved.model.state_dict())
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: a training cannot start from it, its architecture is another one: {error}"
        ) from error
    return complete_training(saved.experiment)
