"""Parameters of an equation by linear regression of time differences on its terms.

The rate of change at a frame, (u(t + dt) − u(t − dt)) / 2 dt, is a sum of the equation's terms,
each a parameter times something known. Frames that are far apart bias the result: it is a guess to
start from, and shows which equation can explain the data at all.
"""

import math as numbers
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from phiml import math
from phiml.math import batch, channel, spatial
from scipy.optimize import lsq_linear

from hybrid_pde.command_line.draft.fields_of_roles import Match
from hybrid_pde.config.discovery import equation_classes
from hybrid_pde.config.equations import ParameterSpec
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import UserError
from hybrid_pde.numerics.discretization import Discretization

MAX_VALUES = 1_000_000  # of one field
MAX_FRAMES = 8
MEANINGFUL = 0.5  # share that is left, up to which the parameters mean something
_EDGE = 3  # points at the ends of an axis, where the boundary may be another one
_QUADRATIC = 4.0  # rate of twice the parameter over that of the parameter
_FINITE_DIFFERENCES_ORDER = (4, 2)  # the second for grids with few points


@dataclass(frozen=True)
class Regression:
    """Parameters that explain the rates of change best.

    Attributes:
        values: Number, or numbers, of each parameter.
        unexplained: Share of the rates' mean square that is left.
    """

    values: dict[str, float | list[float]]
    unexplained: float


def learned_parameters(match: Match) -> dict[str, ParameterSpec]:
    """Parameters to estimate: those without a default, or all if each has one.

    Those that the files state as fields are known.
    """
    spec = {
        name: each for name, each in match.spec.parameters.items() if name not in match.currents
    }
    without = {name: each for name, each in spec.items() if each.default is None}
    return without or {name: each for name, each in spec.items() if not each.is_field}


def regression(
    match: Match, grid: Grid, frames: dict[str, np.ndarray], dt: float
) -> Regression | None:
    """The regression of an equation; ``None`` if its rate cannot be computed on the grid.

    Args:
        match: The equation and the files' fields for its roles.
        grid: The grid.
        frames: Triples of frames of each field, ``[N, 3, C, *space]``; of one that is constant in
            time, its values ``[C, *space]``.
        dt: Time between the frames of a triple [time].
    """
    triples = {
        role: np.concatenate([frames[name] for name in names], axis=2)
        for role, names in match.sources.items()
    }
    target = np.concatenate(
        [_inner((each[:, 2] - each[:, 0]) / (2 * dt)).ravel() for each in triples.values()]
    )
    unit_vectors, shapes = _unit_vectors(match, grid)
    try:
        currents = {
            name: np.concatenate([frames[each] for each in components])
            for name, components in match.currents.items()
        }
        rates = _Rates(match, grid, {role: each[:, 1] for role, each in triples.items()}, currents)
        zeros = {name: 0 * vector for name, vector in unit_vectors}
        base = rates.at(zeros)
        columns, quadratic = [], []
        for name, vector in unit_vectors:
            column = rates.at({**zeros, name: vector}) - base
            twice = rates.at({**zeros, name: 2 * vector}) - base
            columns.append(column)
            size = float(column @ column)
            quadratic.append(size > 0 and float(twice @ column) / size > _QUADRATIC * 0.9)
        matrix = np.stack(columns, axis=1)
        lower = [
            0.0 if learned_parameters(match)[name].positive else -np.inf for name, _ in unit_vectors
        ]
        scale = np.linalg.norm(matrix, axis=0)
        scale[scale == 0] = 1.0
        found = lsq_linear(matrix / scale, target - base, bounds=(lower, np.inf)).x / scale
    except (UserError, ValueError, NotImplementedError, AssertionError, np.linalg.LinAlgError):
        return None
    left = target - base - matrix @ found
    size = float(target @ target)
    if not size or not np.isfinite(left).all():
        return None
    found = np.where(quadratic, np.sqrt(np.abs(found)), found)
    return Regression(_by_name(unit_vectors, found, shapes), float(left @ left) / size)


class _Rates:
    """The equation's rate of change at some states, as one vector of inner points."""

    def __init__(
        self,
        match: Match,
        grid: Grid,
        states: dict[str, np.ndarray],
        currents: dict[str, np.ndarray],
    ) -> None:
        self._spec, self._grid = match.spec, grid
        self._equation = equation_classes()[match.spec.name]()
        self._operators = _operators(grid)
        self._roles = {role.name: role for role in match.spec.fields}
        space = spatial(",".join(grid.axes))
        self._dims = {
            role: batch("frame")
            & (channel(vector=",".join(grid.axes)) if self._roles[role].is_vector else channel("c"))
            & space
            for role in states
        }
        self._states = {role: self._tensor(values, role) for role, values in states.items()}
        dims = channel(vector=",".join(grid.axes)) & space
        self._currents = {name: math.wrap(values, dims) for name, values in currents.items()}

    def at(self, parameters: dict[str, np.ndarray]) -> np.ndarray:
        """The rates with the given parameters, the others being 0 or their defaults."""
        given = {name: self._parameter(name, parameters) for name in self._spec.parameters}
        rates = self._equation.rate(self._states, given, self._operators)
        return np.concatenate(
            [_inner(self._native(rates[role], role)).ravel() for role in self._states]
        )

    def _tensor(self, values: np.ndarray, role: str) -> math.Tensor:
        tensor = math.wrap(values.astype(np.float64), self._dims[role])
        return tensor if self._roles[role].is_vector else tensor.c[0]

    def _native(self, rate: math.Tensor, role: str) -> np.ndarray:
        order = ["frame", *(["vector"] if self._roles[role].is_vector else []), *self._grid.axes]
        rate = math.expand(rate, self._states[role].shape)
        values = np.asarray(rate.numpy(",".join(order)))
        return values if self._roles[role].is_vector else values[:, None]

    def _parameter(self, name: str, given: dict[str, np.ndarray]) -> math.Tensor:
        if name in self._currents:
            return self._currents[name]
        spec = self._spec.parameters[name]
        default = 0.0 if spec.default is None else spec.default
        value = given.get(name, np.asarray(default, np.float64))
        if spec.components:
            return math.wrap(np.array(value), channel(component=",".join(spec.components)))
        if spec.per_axis:
            value = np.broadcast_to(value, (len(self._grid.axes),))
            return math.wrap(np.array(value), channel(vector=",".join(self._grid.axes)))
        return math.wrap(float(value))


def _operators(grid: Grid):  # type: ignore[no-untyped-def]
    """Finite differences of the highest order that the grid has points for."""
    for order in _FINITE_DIFFERENCES_ORDER:
        discretization = Discretization.of("finite_difference", order)
        if discretization.incompatibility(grid) is None:
            return discretization.operators(grid)
    raise ValueError("the grid has too few points")


def _unit_vectors(match: Match, grid: Grid) -> tuple[list[tuple[str, np.ndarray]], dict[str, int]]:
    """A vector for each number to be found, and how many numbers each parameter has."""
    vectors, shapes = [], {}
    for name, spec in learned_parameters(match).items():
        count = len(spec.components) or (len(grid.axes) if spec.per_axis else 0)
        shapes[name] = count
        rows = np.eye(count) if count else np.ones(1)
        vectors += [(name, np.asarray(row)) for row in rows]
    return vectors, shapes


def _by_name(
    unit_vectors: Sequence[tuple[str, np.ndarray]], found: np.ndarray, shapes: dict[str, int]
) -> dict[str, float | list[float]]:
    values: dict[str, float | list[float]] = {}
    for name, count in shapes.items():
        own = [float(each) for (of, _), each in zip(unit_vectors, found, strict=True) if of == name]
        values[name] = own if count else own[0]
    return values


def _inner(values: np.ndarray) -> np.ndarray:
    """Values ``[N, C, *space]`` without the points next to the ends of the axes."""
    sizes = values.shape[2:]
    inner = (slice(_EDGE, n - _EDGE) if n > 4 * _EDGE else slice(None) for n in sizes)
    return values[(slice(None), slice(None), *inner)]


def chosen_frames(num_frames: int, values_per_frame: int) -> list[int]:
    """Middle frames of the triples, evenly spaced, as many as are cheap; none for two frames."""
    count = min(MAX_FRAMES, max(1, MAX_VALUES // values_per_frame), num_frames - 2)
    if count < 1:
        return []
    return sorted({round(each) for each in np.linspace(1, num_frames - 2, count)})


def rounded(value: float) -> float:
    """Two digits: more would look like an estimate."""
    if value == 0 or not numbers.isfinite(value):
        return 0.0
    return float(f"{value:.2g}")
