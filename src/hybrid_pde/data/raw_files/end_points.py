"""Position of an axis's outer points, as the values at both ends show it.

By their coordinates, points that include both ends of the domain look like cell centres. Their
values differ: at a wall of a fixed value the outer point has that value in every frame, and on a
periodic axis the last point repeats the first.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import fdtri

from hybrid_pde.data.raw_files.blocks import BlockReader
from hybrid_pde.data.raw_files.dimension_roles import FieldSource
from hybrid_pde.data.raw_files.guards import LIBRARY_ERRORS
from hybrid_pde.data.raw_files.space_axes import Axis
from hybrid_pde.domain.grid import PERIODIC, Side
from hybrid_pde.errors import RawDataError

NODES, REPEATED = "nodes", "repeated"
NUM_FRAMES, MORE_FRAMES = 6, 24  # read at most, evenly spaced over the simulation
POINTS = 4  # read at each end
# Largest difference that counts as equal, relative to the difference of the next point. Of cell
# centres, the outer one differs by a third of that in a linear profile and by 1e-3 in x^6.
EQUAL = 1e-4
FLAT = 1e-6  # share of the field's range below which the values at the ends show nothing
# Roundings that neighbours must differ by, where values are multiples of a number; what counts as a
# multiple, and the fewest differences that show it.
_ROUNDINGS, _MULTIPLE, _FEWEST_GAPS = 8, 0.05, 3
# Of an even profile: second difference over first difference, 2 for a repeated point, 1 for cells.
REPEATS = 1.4
# Weights that predict the outer value from the wall's value or slope and the next points, if it is
# half a cell from the wall (cells), and if it is on it (nodes). At a fixed value: of the wall and
# two points, by a polynomial of degree 2; at zero gradient: of three points, by an even one of
# degree 4.
_CELLS_AT_VALUE = (8 / 15, 2 / 3, -1 / 5)
_CELLS_AT_SLOPE, _NODES_AT_SLOPE = (1.8, -1.0, 0.2), (1.5, -0.6, 0.1)
# Squared error of nodes over that of cells below which the points are probably nodes; that of white
# noise alone, and the probability that noise gives a smaller one by chance.
_LIKELY, _OF_NOISE, _CHANCE = 0.25, 0.65, 1e-4


class EndPoints:
    """Examines the ends of axes, reading few values of the first simulation.

    Args:
        reader: Reads blocks of the file.
        sources: The fields that change in time.
    """

    def __init__(self, reader: BlockReader, sources: Sequence[FieldSource]) -> None:
        self._reader, self._sources = reader, sources
        count = len(reader.frames.times)
        # The first frame, an initial state, may contradict the boundary.
        self._frames, more = (
            np.unique(np.linspace(1, count - 1, number).astype(int)).tolist()
            for number in (NUM_FRAMES, MORE_FRAMES)
        )
        # where a frame has one value at a wall
        self._more = more if len(reader.axes) == 1 else self._frames

    def kind(self, axis: Axis, sides: tuple[Side, Side]) -> str:
        """``nodes``, ``repeated``, or empty if the values do not show it.

        Args:
            axis: A whole axis.
            sides: Condition on its lower and upper side.
        """
        if axis.size < 2 * POINTS or axis.is_cropped or axis.coarsen > 1:
            return ""
        try:
            if sides == (PERIODIC, PERIODIC):
                return REPEATED if self._all(self._repeats, axis, sides) else ""
            return NODES if self._all(self._on_walls, axis, sides) else ""
        except (RawDataError, *LIBRARY_ERRORS):  # reported if the simulation is used
            return ""

    def are_likely_nodes(self, axis: Axis, sides: tuple[Side, Side]) -> bool:
        """True if noisy values, or slopes, at the ends fit points on the walls far better.

        Not sure enough to take them for that. Arguments as of :meth:`kind`.
        """
        if axis.size < 2 * POINTS or axis.is_cropped or axis.coarsen > 1 or PERIODIC in sides:
            return False
        try:
            errors = [
                each
                for source in self._sources
                for end, side in enumerate(sides)
                if (each := self._errors(source, axis, end, side)) is not None
            ]
        except (RawDataError, *LIBRARY_ERRORS):  # reported if the simulation is used
            return False
        if not errors or any(nodes >= cells for _, nodes, cells in errors):
            return False
        count, nodes, cells = (sum(each) for each in zip(*errors, strict=True))
        return nodes < min(_LIKELY, _OF_NOISE * fdtri(count, count, _CHANCE)) * cells

    def _errors(
        self, source: FieldSource, axis: Axis, end: int, side: Side
    ) -> tuple[float, float, float] | None:
        """Number of values at a wall, and the squared errors of both predictions, nodes first.

        In units of the field's range; ``None`` if the values are too flat.
        """
        points = np.stack([self._end(source, axis, each, end) for each in self._more], axis=1)
        points = points.reshape(POINTS, -1)
        points = points[:, np.isfinite(points).all(axis=0)]
        if isinstance(side, str):
            of_cells, of_nodes = (
                points[0] - np.tensordot(weights, points[1:4], 1)
                for weights in (_CELLS_AT_SLOPE, _NODES_AT_SLOPE)
            )
        else:
            of_nodes = points[0] - side
            of_cells = of_nodes - np.tensordot(_CELLS_AT_VALUE[1:], points[1:3] - side, 1)
        count, resolved = points.shape[1], self._resolved(source)
        cells, nodes = (float(np.sum(each**2)) for each in (of_cells, of_nodes))
        if not resolved or cells <= count * resolved**2:
            return None
        size = (resolved / FLAT) ** 2
        return count, nodes / size, cells / size

    def _all(self, shows, axis: Axis, sides: tuple[Side, Side]) -> bool:  # type: ignore[no-untyped-def]
        verdicts = [shows(source, axis, sides) for source in self._sources]
        return None not in verdicts and any(verdicts)

    def _on_walls(self, source: FieldSource, axis: Axis, sides: tuple[Side, Side]) -> bool | None:
        """True if an outer point has the wall's value; ``None`` if one contradicts it."""
        walls = [(end, float(side)) for end, side in enumerate(sides) if not isinstance(side, str)]
        largest = {end: np.zeros(2) for end, _ in walls}
        for frame in self._frames if walls else []:
            for end, value in walls:
                outer, inner = np.abs(self._end(source, axis, frame, end)[:2] - value)
                rounding = 4 * np.finfo(np.float32).eps * abs(value)
                found = [max(0.0, outer.max() - rounding), inner.max()]
                largest[end] = np.maximum(largest[end], found)
                if largest[end][0] > EQUAL * largest[end][1]:
                    return None
        least = self._resolved(source) if walls else 0.0
        return any(inner > least for _, inner in largest.values())

    def _repeats(self, source: FieldSource, axis: Axis, sides: tuple[Side, Side]) -> bool | None:
        """True if the last point repeats the first; ``None`` if it does not."""
        slope = mirrored = curved = squared = 0.0
        for frame in self._frames:
            lower, upper = (self._end(source, axis, frame, end) for end in (0, 1))
            first = lower[1] - lower[0]
            steps = np.abs([first, upper[1] - upper[0]])
            slope = max(slope, float(steps.max()))
            if np.abs(lower[0] - upper[0]).max() > EQUAL * slope:
                return None
            mirrored = max(mirrored, float(np.abs(lower[1] - upper[1]).max()))
            curved += float(np.sum((lower[2] - 2 * lower[1] + lower[0]) * first))
            squared += float(np.sum(first**2))
        if slope <= self._resolved(source):
            return False
        # values symmetric about the ends are equal there for cell centres, too
        is_symmetric = mirrored <= 10 * EQUAL * slope
        return not is_symmetric or curved > REPEATS * squared or None

    def _end(self, source: FieldSource, axis: Axis, frame: int, end: int) -> np.ndarray:
        """Values of the outer points ``[POINTS, …]``, the outermost first."""
        start = axis.size - POINTS if end else 0
        part = replace(axis, start=start, stop=start + POINTS)
        axes = [part if each.name == axis.name else each for each in self._reader.axes]
        reader = replace(self._reader, axes=axes, masked=frozenset())
        block = reader.read(source, 0, frame, frame + 1)
        place = 2 + [each.name for each in axes].index(axis.name)
        values = np.moveaxis(block.astype(np.float64), place, 0)
        return values[::-1] if end else values

    def _resolved(self, source: FieldSource) -> float:
        """Difference of values up to which they may be equal by chance."""
        frame = self._frames[0]  # fields that decay have the most distinct values there
        values = self._reader.read(source, 0, frame, frame + 1).astype(np.float64)
        distinct = np.unique(values[np.isfinite(values)])
        if len(distinct) < 2:
            return 0.0
        return max(FLAT * float(distinct[-1] - distinct[0]), _ROUNDINGS * _quantum(distinct))


def _quantum(distinct: np.ndarray) -> float:
    """The number that all differences of ascending values are multiples of; 0 if there is none.

    Packed values and small variations of single precision have one.
    """
    gaps = np.diff(distinct)
    smallest = float(gaps.min())
    multiples = gaps / smallest
    is_grid = np.abs(multiples - np.round(multiples)).max() <= _MULTIPLE
    return smallest if is_grid and len(gaps) >= _FEWEST_GAPS else 0.0
