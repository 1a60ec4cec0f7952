"""Checkpoints of a surrogate training, including checkpoints within epochs."""

import logging
import signal
from collections.abc import Sequence
from typing import Any

from hybrid_pde.evaluation.history import Row
from hybrid_pde.interruption import Interrupted, StopRequest
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.synthetic.best_weights import BestWeights
from hybrid_pde.training.synthetic.collectives import max_over_processes
from hybrid_pde.training.synthetic.tensor_trainer import TensorTrainer

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
        best: The best weights so far.
        history: Rows of the epochs so far.
    """

    def __init__(
        self, folder: CheckpointFolder, stop: StopRequest, best: BestWeights, history: list[Row]
    ) -> None:
        self._folder, self._stop, self._best, self._history = folder, stop, best, history

    def resume(self, trainer: TensorTrainer) -> None:
        """Restore trainer, best weights and history from the last checkpoint, if any.

        Raises:
            CheckpointError: if it belongs to other settings or another model.
        """
        content = self._folder.last()
        if content is None:
            return
        trainer.load_state(content["trainer"], str(self._folder.directory))
        self._best.load_state(content["best"])
        self._history[:] = content["history"]

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
            self._folder.save(self._content(state, self._history), keep=_NUM_KEPT)
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

    def _content(self, state: dict[str, Any], history: Sequence[Row]) -> dict[str, Any]:
        return {"trainer": state, "best": self._best.state(), "history": list(history)}
