"""Which of the symmetries asked for hold for an equation on the grid of the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from hybrid_pde.config.checks.equation import fields_by_role
from hybrid_pde.config.checks.symmetry_obstacles import PERIODIC, UNNAMED, Axis, Box, Obstacles
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import Experiment

if TYPE_CHECKING:
    from hybrid_pde.domain.grid import FieldLayout, Grid
    from hybrid_pde.domain.known_values import KnownParameter

KEY = "augmentation.symmetries"


@dataclass(frozen=True)
class Held:
    """The symmetries asked for that hold, by the positions of the axes.

    Attributes:
        translations: Axes to move along.
        reflections: Axes to reverse.
        rotations: Planes to turn in.
        boosts: Axes along which a constant velocity is added.
        boosted: The field that it is added to.
        carried_by: Speed of everything else for a velocity of 1.
        vectors: Fields whose components turn.
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
    """The box of a data set.

    Args:
        grid: Its grid.
        layouts: Its fields.
        known: Kinds of the known parameters.
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
    """The box of the data that the experiment simulates itself.

    Args:
        experiment: The typed experiment, with ``generation_params``.
        spec: The equation that is simulated.
    """
    generation = experiment.generation_params
    assert generation is not None
    axes = []
    for name, points in sorted(generation.resolution.items()):
        lower, upper = generation.domain.get(name, (0.0, 1.0))
        sides = _sides(experiment.data.boundary, name)
        axes.append(Axis(name, points, (upper - lower) / points, sides))
    vectors = {role.name for role in spec.fields if role.is_vector}
    played = fields_by_role(spec, experiment.data.fields)
    return Box(tuple(axes), frozenset(n for role, n in played.items() if n and role in vectors))


def find_symmetries(
    experiment: Experiment, spec: EquationSpec | None, box: Box
) -> tuple[Held, list[str]]:
    """What holds of ``augmentation.symmetries``, and a line for each that does not on any axis.

    Args:
        experiment: The typed experiment.
        spec: The equation, if there is one.
        box: The data.
    """
    rules = Obstacles(experiment, spec or UNNAMED, box)
    wanted = experiment.augmentation.symmetries
    lines = [*unclaimed(experiment, spec)]
    refused = {line.split(": ")[1] for line in lines}
    found: dict[str, tuple[int, ...]] = {}
    planes: tuple[tuple[int, int], ...] = ()
    for name in dict.fromkeys(wanted):
        if name in refused:
            continue
        choices = [*combinations(range(len(box.axes)), 2 if name == "rotation" else 1)]
        obstacles = {axes: rules.obstacle(name, axes) for axes in choices}
        kept = [axes for axes, obstacle in obstacles.items() if obstacle is None]
        if not kept:
            whys = dict.fromkeys(each for each in obstacles.values() if each is not None)
            lines.append(f"{KEY}: {name}: {'; '.join(whys) or 'it needs two axes'}; leave it out")
        elif name == "rotation":
            planes = tuple((axes[0], axes[1]) for axes in kept)
        else:
            found[name] = tuple(axes[0] for axes in kept)
    held = Held(
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


def unclaimed(experiment: Experiment, spec: EquationSpec | None) -> Iterator[str]:
    """A line for every symmetry asked for that the equation does not have on any box.

    Args:
        experiment: The typed experiment.
        spec: The equation, if there is one.
    """
    has = (spec or UNNAMED).symmetries.names
    for name in dict.fromkeys(experiment.augmentation.symmetries):
        if name not in has and spec is None:
            yield (
                f"{KEY}: {name}: no equation is named that says which field it changes, and how; "
                "name it in model.physical, or leave the symmetry out"
            )
        elif name not in has:
            known = ", ".join(sorted(has)) or "none"
            yield f"{KEY}: {name}: {(spec or UNNAMED).name} does not have it; it has {known}"


def _sides(boundary: Any, axis: str) -> tuple[str | float, str | float]:
    """What ``data.boundary`` says of the two ends of an axis."""
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
