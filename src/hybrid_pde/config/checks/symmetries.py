"""Symmetries that hold for an equation on the grid of the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from hybrid_pde.config.checks.equation import fields_by_role
from hybrid_pde.config.checks.symmetry_obstacles import (
    PERIODIC,
    UNKNOWN_EQUATION,
    Axis,
    Box,
    Obstacles,
)
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import Experiment

if TYPE_CHECKING:
    from hybrid_pde.domain.grid import FieldLayout, Grid
    from hybrid_pde.domain.known_values import KnownParameter

KEY = "augmentation.symmetries"


@dataclass(frozen=True)
class ValidSymmetries:
    """The requested symmetries that hold, by axis index.

    Attributes:
        translations: Axes along which windows may be shifted.
        reflections: Axes that may be reversed.
        rotations: Planes in which windows may be rotated.
        boosts: Axes along which a constant velocity may be added.
        boosted: The field to which it is added.
        carried_by: Advection speed of all fields per unit of added velocity.
        vectors: Fields with components that transform as a vector.
        odd: Scalar fields that change sign under a reflection.
    """

    translations: tuple[int, ...] = ()
    reflections: tuple[int, ...] = ()
    rotations: tuple[tuple[int, int], ...] = ()
    boosts: tuple[int, ...] = ()
    boosted: str = ""
    carried_by: float = 1.0
    vectors: frozenset[str] = frozenset()
    odd: frozenset[str] = frozenset()


def box_of(
    grid: "Grid", layouts: Sequence["FieldLayout"], known: Sequence["KnownParameter"] = ()
) -> Box:
    """The properties of a data set that decide which symmetries hold.

    Args:
        grid: Grid of the data.
        layouts: Fields of the data.
        known: Known parameters of the data, without values.
    """
    columns = (grid.axes, grid.shape, grid.spacing, grid.boundary, grid.nodes_on_boundary)
    return Box(
        axes=tuple(Axis(*row) for row in zip(*columns, strict=True)),
        vectors=frozenset(each.name for each in layouts if each.components == grid.axes),
        partial=frozenset(
            each.name for each in layouts if each.components and each.components != grid.axes
        ),
        static=frozenset(each.name for each in layouts if each.static),
        known={each.name: each.is_field for each in known},
    )


def box_of_generation(experiment: Experiment, spec: EquationSpec) -> Box:
    """The properties of data that the experiment simulates itself.

    Args:
        experiment: The typed experiment, with ``generation_params``.
        spec: The simulated equation.
    """
    generation = experiment.generation_params
    assert generation is not None
    axes = []
    for name, points in sorted(generation.resolution.items()):
        lower, upper = generation.domain.get(name, (0.0, 1.0))
        sides = _sides(experiment.data.boundary, name)
        axes.append(Axis(name, points, (upper - lower) / points, sides))
    vectors = {role.name for role in spec.fields if role.is_vector}
    matched = fields_by_role(spec, experiment.data.fields)
    return Box(tuple(axes), frozenset(n for role, n in matched.items() if n and role in vectors))


def find_symmetries(
    experiment: Experiment, spec: EquationSpec | None, box: Box
) -> tuple[ValidSymmetries, list[str]]:
    """The requested symmetries that hold, and an error for each that holds on no axis.

    Args:
        experiment: The typed experiment.
        spec: The equation, or ``None`` without one.
        box: Properties of the data.
    """
    rules = Obstacles(experiment, spec or UNKNOWN_EQUATION, box)
    wanted = experiment.augmentation.symmetries
    lines = [*unsupported_symmetries(experiment, spec)]
    unsupported = {line.split(": ")[1] for line in lines}
    found: dict[str, tuple[int, ...]] = {}
    planes: tuple[tuple[int, int], ...] = ()
    for name in dict.fromkeys(wanted):
        if name in unsupported:
            continue
        choices = [*combinations(range(len(box.axes)), 2 if name == "rotation" else 1)]
        obstacles = {axes: rules.obstacle(name, axes) for axes in choices}
        kept = [axes for axes, obstacle in obstacles.items() if obstacle is None]
        if not kept:
            whys = dict.fromkeys(each for each in obstacles.values() if each is not None)
            lines.append(f"{KEY}: {name}: {'; '.join(whys) or 'needs two axes'}; leave it out")
        elif name == "rotation":
            planes = tuple((axes[0], axes[1]) for axes in kept)
        else:
            found[name] = tuple(axes[0] for axes in kept)
    held = ValidSymmetries(
        found.get("translation", ()),
        found.get("reflection", ()),
        planes,
        found.get("galilean", ()),
        rules.boosted or "",
        rules.carried_by(),
        rules.vectors,
        rules.odd,
    )
    return held, lines


def unsupported_symmetries(experiment: Experiment, spec: EquationSpec | None) -> Iterator[str]:
    """Errors for requested symmetries that the equation never has.

    Args:
        experiment: The typed experiment.
        spec: The equation, or ``None`` without one.
    """
    has = (spec or UNKNOWN_EQUATION).symmetries.names
    for name in dict.fromkeys(experiment.augmentation.symmetries):
        if name not in has and spec is None:
            yield (
                f"{KEY}: {name}: needs an equation that says how fields transform; "
                "name it in model.physical, or leave the symmetry out"
            )
        elif name not in has:
            known = ", ".join(sorted(has)) or "none"
            yield (
                f"{KEY}: {name}: {(spec or UNKNOWN_EQUATION).name} does not have this symmetry; "
                f"allowed: {known}"
            )


def _sides(boundary: Any, axis: str) -> tuple[str | float, str | float]:
    """Boundary conditions at the two ends of an axis, from ``data.boundary``."""
    if isinstance(boundary, Mapping) and axis in boundary:
        boundary = boundary[axis]
    if boundary is None:
        return PERIODIC, PERIODIC
    if isinstance(boundary, Mapping):
        return _side(boundary.get("lower")), _side(boundary.get("upper"))
    return _side(boundary), _side(boundary)


def _side(value: Any) -> str | float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
