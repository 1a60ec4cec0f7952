"""Checkpoints of a surrogate's training, within epochs too."""

import logging
import signal
from collections.abc import Sequence
from typing import Any

from hybrid_pde.evaluation.history import Row
from hybrid_pde.interruption import Interrupted, StopRequest
from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.synthetic.best_weights import BestWeights
from hybrid_pde.training.synthetic.tensor_trainer import TensorTrainer

# The newest may be damaged by what ended the machine.
_KEPT = 2
_SAVE, _SAVE_AND_STOP = 1, 2

logger = logging.getLogger(__name__)


class TrainingCheckpoints:
    """Saves trainer, best weights and history when it is time, and when the program is to end.

    It is the ``on_progress`` of :meth:`TensorTrainer.train`; what one of several processes has been
    asked is done by all of them after the same step.

    Args:
        folder: Where the checkpoints go.
        stop: Knows of signals.
        best: The best weights so far.
        history: Rows of the epochs so far; those that come are added by others.
    """

    def __init__(
        self, folder: CheckpointFolder, stop: StopRequest, best: BestWeights, history: list[Row]
    ) -> None:
        self._folder, self._stop, self._best, self._history = folder, stop, best, history

    def resume(self, trainer: TensorTrainer) -> None:
        """Bring trainer, best weights and history to the last checkpoint, if there is one.

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
        """Save if it is time.

        Raises:
            Interrupted: after saving, if the program has been asked to end.
        """
        wanted = trainer.largest_of_processes(self._wanted(trainer))
        if not wanted:
            return
        state = trainer.state()
        if trainer.fabric.is_global_zero:
            self._folder.save(self._content(state, self._history), keep=_KEPT)
        if wanted == _SAVE_AND_STOP:
            trainer.fabric.barrier()  # until the first process has saved
            place = trainer.epoch, trainer.within_epoch.batches
            logger.info("saved after epoch %d, batch %d; the same call goes on", *place)
            raise Interrupted(self._stop.number or signal.SIGTERM)  # another process got it

    def _wanted(self, trainer: TensorTrainer) -> int:
        if self._stop.number is not None:
            return _SAVE_AND_STOP
        after_epoch = not trainer.within_epoch.batches
        is_due = trainer.fabric.is_global_zero and self._folder.is_due(after_epoch)
        return _SAVE if is_due else 0

    def _content(self, state: dict[str, Any], history: Sequence[Row]) -> dict[str, Any]:
        return {"trainer": state, "best": self._best.state(), "history": list(history)}
