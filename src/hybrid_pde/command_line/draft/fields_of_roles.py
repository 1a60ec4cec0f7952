"""Match of the fields found in raw files to the fields of an equation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hybrid_pde.config.equations import EquationSpec, FieldRole
from hybrid_pde.data.inspection.description import Inspection
from hybrid_pde.domain.grid import FieldLayout

# names of the components of a vector, where they are scalars of the file
_COMPONENTS = ("uvw", ("vx", "vy", "vz"), ("v_x", "v_y", "v_z"), ("ux", "uy", "uz"))


CARRIED = "AdvectionDiffusionPDE"  # a scalar is carried along by a velocity, which may be known


@dataclass(frozen=True)
class Match:
    """An equation whose fields are found in the files.

    Attributes:
        spec: The equation.
        sources: For each of its roles the fields of the files: one, or one for each component.
        currents: For each parameter that the files state as a field its components.
    """

    spec: EquationSpec
    sources: Mapping[str, tuple[str, ...]]
    currents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def num_named(self) -> int:
        """Number of roles with a field of the same name; single letters say too little."""
        return sum(sources == (role,) and len(role) > 1 for role, sources in self.sources.items())


def dynamic_fields(found: Inspection) -> list[FieldLayout]:
    """The fields that change in time."""
    return [layout for layout in found.info.layouts if not layout.static]


def constant_fields(found: Inspection) -> list[str]:
    """Fields that are constant in time, but not in space: what a surrogate sees of the medium."""
    described = found.fields
    return [
        layout.name
        for layout in found.info.layouts
        if layout.static
        and layout.name.isidentifier()
        and not described[layout.name]["missing"]
        and described[layout.name]["min"] != described[layout.name]["max"]
    ]


def currents(found: Inspection) -> tuple[str, ...]:
    """Fields that are constant in time and named like the components of a velocity, or none."""
    static = {each.name for each in found.info.layouts if each.static and not each.components}
    count = len(found.info.grid.axes)
    for names in _COMPONENTS:
        if count > 1 and {*names[:count]} <= static:
            return tuple(names[:count])
    return ()


def match_of(spec: EquationSpec, found: Inspection) -> Match | None:
    """The match of an equation to the files; ``None`` if fields or grid do not fit."""
    grid = found.info.grid
    if len(grid.axes) not in spec.dims or (spec.is_periodic and not grid.is_periodic):
        return None
    left = {layout.name: layout for layout in dynamic_fields(found)}
    sources: dict[str, tuple[str, ...]] = {}
    required = [role for role in spec.fields if not role.is_optional or role.name in left]
    for role in sorted(required, key=lambda each: each.name not in left):
        chosen = next(_candidates(role, left, len(grid.axes)), None)
        if chosen is None:
            return None
        sources[role.name] = chosen
        left = {name: layout for name, layout in left.items() if name not in chosen}
    carried_by = currents(found) if spec.name == CARRIED else ()
    return Match(
        spec,
        {role.name: sources[role.name] for role in required},
        {"velocity": carried_by} if carried_by else {},
    )


def _candidates(
    role: FieldRole, left: Mapping[str, FieldLayout], num_axes: int
) -> Iterator[tuple[str, ...]]:
    """Fields that can be a role, the likeliest first."""
    vectors = [name for name, layout in left.items() if len(layout.components) == num_axes]
    scalars = [name for name, layout in left.items() if not layout.components]
    fitting = vectors if role.is_vector else scalars
    if role.name in fitting:
        yield (role.name,)
    if role.is_vector and num_axes > 1:
        yield from ((name,) for name in vectors)
        yield from _component_scalars(scalars, num_axes)
    else:
        yield from ((name,) for name in [*fitting, *scalars])


def _component_scalars(scalars: Sequence[str], num_axes: int) -> Iterator[tuple[str, ...]]:
    """Scalars that are the components of a vector by their names."""
    by_name = {name.lower(): name for name in scalars}
    for names in _COMPONENTS:
        wanted = names[:num_axes]
        if all(name in by_name for name in wanted):
            yield tuple(by_name[name] for name in wanted)
