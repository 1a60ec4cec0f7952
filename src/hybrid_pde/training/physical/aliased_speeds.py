"""Warnings of speeds that frames far apart do not tell from others.

In a periodic box of length L, a signal that moves a whole number of times around it between two
frames, dt apart, looks as if it had not moved: speeds that differ by L / dt give the same data.
"""

from collections.abc import Iterator

import numpy as np

from hybrid_pde.config.equations import ParameterSpec
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.errors import DivergenceError
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.parameter_vector import Entry, ParameterVector

UNIT = "length/time"
# An alias that is so many times larger is nobody's expectation, and costs as many time steps.
MAX_RATIO = 3.0
# Loss of an alias, relative to that of the estimate, or to the variance of the data: a scheme has
# errors of its own at each of the two speeds.
_ALIKE, _NEARLY = 4.0, 0.01
_MESSAGE = (
    "{}: {:.5g} explains the data as well as {:.5g}: frames {:.5g} apart do not tell how many "
    "times a signal has moved around the periodic box between them. If it is what you expect, "
    "start there (trainer_params.learnable_parameters: initial_guess); if not, exclude it by "
    "bounds. Data with more frames would tell"
)


def warn_of_aliased_speeds(objective: Objective, unknowns: np.ndarray, loss: float) -> None:
    """Warn of each learned speed with an alias that explains the data as well.

    Args:
        objective: The misfit.
        unknowns: All its unknowns at the estimate.
        loss: The loss there.
    """
    vector = objective.vector
    for position, entry in enumerate(vector.entries):
        spec = objective.model.spec.parameters[entry.parameter]
        if spec.unit != UNIT or vector.is_field(entry.parameter):
            continue
        value = float(vector.values(unknowns[: len(vector)])[position])
        for alias in _aliases(value, entry, spec, objective):
            other = _loss_at(objective, unknowns, position, alias)
            if other <= max(_ALIKE * loss, _NEARLY):
                warn_of_result(_MESSAGE.format(entry.label, alias, value, objective.dt))
                break


def _aliases(
    value: float, entry: Entry, spec: ParameterSpec, objective: Objective
) -> Iterator[float]:
    """Speeds within the bounds that could be mistaken for the estimate, the smallest first."""
    grid = objective.observations.grid
    periods = {
        (upper - lower) / objective.dt
        for axis, (lower, upper) in enumerate(zip(grid.lower, grid.upper, strict=True))
        if _moves_along(axis, entry, objective.vector, grid)
    }
    found = {value + sign * period for period in periods for sign in (-1, 1)}
    if spec.positive:
        found = {abs(each) for each in found}
    for alias in sorted(found, key=abs):
        if entry.lower <= alias <= entry.upper and 0 < abs(alias) <= MAX_RATIO * abs(value):
            yield alias


def _moves_along(axis: int, entry: Entry, vector: ParameterVector, grid: Grid) -> bool:
    """True if the speed is one along a periodic axis; one for all axes only in one dimension."""
    components = [label for label in vector.labels if label.startswith(f"{entry.parameter}[")]
    own = components.index(entry.label) if entry.label in components else 0
    has_direction = bool(components) or len(grid.axes) == 1
    return has_direction and axis == own and PERIODIC in grid.boundary[axis]


def _loss_at(objective: Objective, unknowns: np.ndarray, position: int, value: float) -> float:
    """Loss with another value of one number; infinite after a divergence."""
    vector = objective.vector
    values = vector.values(unknowns[: len(vector)])
    values[position] = value
    try:
        return objective.loss(np.concatenate([vector.encode(values), unknowns[len(vector) :]]))
    except DivergenceError:
        return float("inf")
