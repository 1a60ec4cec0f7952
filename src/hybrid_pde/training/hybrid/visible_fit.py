"""Fit of two calibrations to the measured data, without a surrogate's predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from hybrid_pde.errors import DivergenceError
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.paired_comparison import PairedDifference, compare
from hybrid_pde.training.physical.physical_trainer import PhysicalTrainer
from hybrid_pde.training.physical.residual_arrays import residual_arrays
from hybrid_pde.training.physical.residuals import Residuals

# Growth of the mean square that is no chance, however few and correlated the residuals are.
_RATIO = 2.0
# Mean square of rounding errors of data in single precision.
_ROUNDING = 1e-13
# Gauss-Newton steps of the initial states; they enter almost linearly.
_STATE_STEPS = 3


@dataclass(frozen=True)
class VisibleFit:
    """Mean square residuals of the measured values, in units of the data's variance.

    Attributes:
        new: Of the new parameters.
        previous: Of the parameters of the cycle before.
        difference: Their comparison, value by value; ``None`` where a rollout diverges.
    """

    new: float
    previous: float
    difference: PairedDifference | None

    @property
    def is_worse(self) -> bool:
        """True if the new parameters fit worse than chance explains."""
        if self.new <= max(self.previous, _ROUNDING):
            return False
        is_decisive = self.difference is not None and self.difference.favours_b
        return is_decisive or self.new > _RATIO * self.previous


def visible_fit(trainer: PhysicalTrainer, previous: Mapping[str, Any]) -> VisibleFit:
    """Compare the estimate of a trainer with the previous one on the measured data.

    Estimated initial states are those that fit the measured data best with each of them.

    Args:
        trainer: After its training, which also left its model at the new estimate.
        previous: The result of the cycle before.
    """
    assert trainer.calibration is not None
    vector, objective = trainer.vector, trainer.calibration.objective
    measured = (
        objective.without_predictions() if objective.observations.has_predictions else (objective)
    )
    unknowns = trainer.calibration.unknowns()[: len(measured.start)]
    vector.set_result(previous["parameters"])
    z = vector.read()
    vector.write(unknowns[: len(vector)])
    precision, trainer.model.precision = trainer.model.precision, "double"
    try:
        new = _residuals(measured, unknowns)
        before = _residuals(measured, np.concatenate([z, unknowns[len(vector) :]]))
    finally:
        trainer.model.precision = precision
    if new is None or before is None:
        return VisibleFit(_mean_square(new), _mean_square(before), None)
    return VisibleFit(_mean_square(new), _mean_square(before), compare(new, before))


def _residuals(measured: Objective, unknowns: np.ndarray) -> list[Residuals] | None:
    """Residuals at parameters with the best initial states; ``None`` if the rollout diverges."""
    size = len(measured.vector)
    try:
        if size < len(unknowns) and measured.can_linearize:
            for _ in range(_STATE_STEPS):
                at = measured.linearize(unknowns)
                unknowns = unknowns + at.steps(size, np.zeros(size))
        return residual_arrays(measured, unknowns)
    except DivergenceError:
        return None


def _mean_square(residuals: list[Residuals] | None) -> float:
    if residuals is None:
        return inf
    count = sum(each.num_values for each in residuals)
    return sum(float((each.values**2).sum()) for each in residuals) / max(count, 1)
