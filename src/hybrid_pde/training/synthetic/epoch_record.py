"""Callback after every epoch: validation, best weights, history and early stopping."""

import logging
import time
from collections.abc import Callable, Sequence

from hybrid_pde.evaluation.history import Row
from hybrid_pde.training.synthetic.best_weights import BestWeights
from hybrid_pde.training.synthetic.synthetic_trainer import SyntheticTrainer
from hybrid_pde.training.synthetic.tensor_trainer import TensorTrainer
from hybrid_pde.training.synthetic.tensorboard import Scalars

WORSE = 2.0  # validation error relative to the best one's after which a training goes back

logger = logging.getLogger(__name__)


class EpochRecord:
    """The ``on_epoch_end`` callback of a surrogate training; see :meth:`TensorTrainer.train`.

    It validates, keeps the best weights, adds to the history, and stops early. Rollouts of weights
    with a small loss may still grow without bounds, which the loss of a few steps hardly shows; so
    where the best error was good and that of an epoch is twice as large, the training goes on from
    the best weights, with the smaller learning rate of the next epoch.

    Args:
        trainer: The trainer.
        validate: Computes the validation error of the current model; ``None`` without validation.
        keeps_start: Whether the initial weights may be the result.
        best: The best weights so far.
        history: Rows of the epochs so far; new rows are appended.
        scalars: TensorBoard writer.
        good_error: Validation error that the best weights need for that; 0 if it is not wanted.
    """

    def __init__(
        self,
        trainer: SyntheticTrainer,
        validate: Callable[[], float | None],
        keeps_start: bool,
        best: BestWeights,
        history: list[Row],
        scalars: Scalars | None,
        good_error: float = 0.0,
    ) -> None:
        self._trainer, self._validate, self._keeps_start = trainer, validate, keeps_start
        self._best, self._history, self._scalars = best, history, scalars
        self._training, self._good_error = trainer.training, good_error
        self._last_epoch = trainer.first_epoch + self._training.epochs
        self._since = time.monotonic()

    def start(self) -> None:
        """Validate the initial weights, if they may be the result."""
        if self._keeps_start:
            error = self._validate()
            self._best.update(self._trainer.epoch, error, self._trainer.model)
            self._add(self._trainer.epoch, None, error)

    def __call__(self, epoch: int, loss: float, trainer: TensorTrainer) -> bool:
        """Record an epoch; returns whether to stop the training."""
        is_last, done = epoch == self._last_epoch, epoch - trainer.first_epoch
        error = None
        if is_last or done % self._training.validate_every == 0:
            error = self._validate()
        self._add(epoch, loss, error)
        stops = is_stale(self._history, self._training.patience)
        if self._training.keep == "best" or (self._keeps_start and (is_last or stops)):
            self._best.update(epoch, error, trainer.model)
        validation = "" if error is None else f", validation VRMSE {error:.3g}"
        logger.info("epoch %d of %d: loss %.3g%s", epoch, self._last_epoch, loss, validation)
        if not (stops or is_last) and self._is_worse(error):
            logger.info("going back to the weights of epoch %d", self._best.epoch)
            self._best.restore(trainer.model)
        if stops and not is_last:
            logger.info(
                "early stopping: no smaller error in %d validations", self._training.patience
            )
        return stops

    def _is_worse(self, error: float | None) -> bool:
        """True if rollouts have become so much worse that the best weights are a better start."""
        if error is None or self._training.keep != "best" or self._trainer.fabric.world_size > 1:
            return False
        return self._best.error < self._good_error and not error < WORSE * self._best.error

    def _add(self, epoch: int, loss: float | None, error: float | None) -> None:
        """Add a row to the history; the row of the initial weights has no loss."""
        now = time.monotonic()
        row: Row = {
            "epoch": epoch,
            "train_loss": loss,
            "val_vrmse": error,
            "learning_rate": None if loss is None else self._trainer.learning_rate(epoch - 1),
            "steps": None if loss is None else self._trainer.steps,
            "seconds": round(now - self._since, 3),
        }
        self._since = now
        self._history.append(row)
        if self._scalars is not None:
            self._scalars.write(row)


def is_stale(history: Sequence[Row], patience: int | None) -> bool:
    """True if none of the last ``patience`` validations reduced the smallest error."""
    errors = [row["val_vrmse"] for row in history if row["val_vrmse"] is not None]
    if patience is None or not errors:
        return False
    return len(errors) - 1 - errors.index(min(errors)) >= patience
