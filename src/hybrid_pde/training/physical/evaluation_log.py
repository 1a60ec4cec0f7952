"""Evaluation log for resuming interrupted calibrations.

The state of SciPy's optimizers cannot be saved, but they are deterministic. A resumed calibration
starts again from the beginning and replays logged evaluations until it reaches a new one.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from hybrid_pde.errors import DivergenceError
from hybrid_pde.progress import count_step
from hybrid_pde.training.checkpoint_folder import CheckpointFolder

Values = dict[str, Any]  # tensors and numbers
logger = logging.getLogger(__name__)


class EvaluationLog:
    """Stores evaluations in a folder, and replays those of an earlier process.

    Args:
        folder: Folder of the log; without one nothing is stored.
    """

    def __init__(self, folder: CheckpointFolder | None = None) -> None:
        self._folder = folder
        files = [] if folder is None else folder.all()
        if folder is not None:
            folder.truncate(len(files))
        self._known = deque(each for file in files for each in file["evaluations"])
        self._new: list[Mapping[str, Any]] = []
        if self._known:
            logger.info("resuming after %d evaluations", len(self._known))

    def evaluate(self, kind: str, z: np.ndarray, evaluate: Callable[[], Values]) -> Values:
        """The result of an evaluation, from the log or computed.

        Args:
            kind: Name of the evaluated function.
            z: Point of the evaluation.
            evaluate: Computes the result.

        Raises:
            DivergenceError: if the evaluation raised it, also in the log.
        """
        found = self._next(kind, z)
        if found is None:
            if self._folder is None:
                values = evaluate()
                _count(values)
                return values
            found = {"kind": kind, "z": torch.from_numpy(np.array(z)), **_outcome(evaluate)}
            self._new.append(found)
            if self._folder.is_due(at_good_place=True):
                self.flush()
        if found["error"] is not None:
            raise DivergenceError(found["error"])
        _count(found["values"])
        return found["values"]

    def flush(self) -> None:
        """Write pending evaluations."""
        if self._folder is not None and self._new:
            self._folder.save({"evaluations": self._new})
            self._new = []

    def _next(self, kind: str, z: np.ndarray) -> Mapping[str, Any] | None:
        if not self._known:
            return None
        found = self._known.popleft()
        if found["kind"] == kind and np.array_equal(found["z"].numpy(), z):
            return found
        logger.warning("the calibration does not repeat itself on this machine; it restarts")
        assert self._folder is not None
        self._folder.truncate(0)
        self._known.clear()
        self._folder = None  # later evaluations would be out of order
        return None


def _outcome(evaluate: Callable[[], Values]) -> dict[str, Any]:
    try:
        return {"values": evaluate(), "error": None}
    except DivergenceError as error:
        return {"values": None, "error": str(error)}


def _count(values: Values) -> None:
    """Show an evaluation with derivatives as a step of the calibration."""
    if {"jacobian", "gradient"} & set(values):
        count_step(loss=float(values["loss"]))
