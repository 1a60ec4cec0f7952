"""Checkpoints of a surrogate training, including checkpoints within epochs."""

import logging
import signal
from typing import Any

from hybrid_pde.interruption import Interrupted, StopRequest
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.synthetic.collectives import max_over_processes
from hybrid_pde.training.synthetic.tensor_trainer import TensorTrainer
from hybrid_pde.training.synthetic.validated_training import ValidatedTraining

# The newest file may be damaged if the machine crashes.
_NUM_KEPT = 2
_SAVE, _SAVE_AND_STOP = 1, 2

logger = logging.getLogger(__name__)


class TrainingCheckpoints:
    """The ``on_progress`` callback that saves checkpoints; see :meth:`TensorTrainer.train`.

    It saves trainer, best weights and history when a checkpoint is due, and when a stop was
    requested. With several processes, all of them save and stop after the same step.

    Args:
        folder: Folder of the checkpoints.
        stop: Stop request from signals.
        training: The training, whose trainer, best weights, history and search are saved.
    """

    def __init__(
        self, folder: CheckpointFolder, stop: StopRequest, training: ValidatedTraining
    ) -> None:
        self._folder, self._stop, self._training = folder, stop, training

    def resume(self) -> None:
        """Restore trainer, best weights and history from the last checkpoint, if any.

        Raises:
            CheckpointError: if it belongs to other settings or another model.
        """
        content = self._folder.last()
        if content is None or content["trainer"] is None:
            return
        training = self._training
        training.trainer.load_state(content["trainer"], str(self._folder.directory))
        training.best.load_state(content["best"])
        training.history[:] = content["history"]

    def resume_search(self) -> None:
        """Restore the short trainings of the search for settings, if any."""
        content = self._folder.last()
        if content is not None:
            self._training.search[:] = content["search"]

    def save_search(self) -> None:
        """Save the short trainings so far."""
        self._folder.save(self._content(None), keep=_NUM_KEPT)

    def stop_if_requested(self, trainer: TensorTrainer) -> None:
        """End the search if a stop was requested; the short training at hand is repeated.

        Raises:
            Interrupted: if so.
        """
        if self._stop.number is not None:
            raise Interrupted(self._stop.number)

    def __call__(self, trainer: TensorTrainer) -> None:
        """Save if a checkpoint is due.

        Raises:
            Interrupted: after saving, if a stop was requested.
        """
        wanted = max_over_processes(trainer.fabric, self._wanted(trainer))
        if not wanted:
            return
        state = trainer.state()
        if trainer.fabric.is_global_zero:
            self._folder.save(self._content(state), keep=_NUM_KEPT)
        if wanted == _SAVE_AND_STOP:
            trainer.fabric.barrier()  # wait until the first process has saved
            position = trainer.epoch, trainer.within_epoch.batches
            logger.info(
                "saved after epoch %d, batch %d; the same call resumes from here", *position
            )
            raise Interrupted(
                self._stop.number or signal.SIGTERM
            )  # the signal may have reached another process

    def _wanted(self, trainer: TensorTrainer) -> int:
        if self._stop.number is not None:
            return _SAVE_AND_STOP
        after_epoch = not trainer.within_epoch.batches
        is_due = trainer.fabric.is_global_zero and self._folder.is_due(after_epoch)
        return _SAVE if is_due else 0

    def _content(self, state: dict[str, Any] | None) -> dict[str, Any]:
        training = self._training
        return {
            "trainer": state,
            "best": training.best.state(),
            "history": list(training.history),
            "search": list(training.search),
        }
