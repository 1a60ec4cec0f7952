"""Checks of an experiment with an equation against the units and directions of its data."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hybrid_pde.config.derived import equation_of
from hybrid_pde.config.schema import Experiment

if TYPE_CHECKING:
    from hybrid_pde.domain.grid import FieldLayout, Grid
    from hybrid_pde.domain.known_values import KnownParameter
    from hybrid_pde.domain.stated_units import StatedUnits


def unit_errors(
    experiment: Experiment,
    layouts: Sequence["FieldLayout"],
    grid: "Grid",
    known: Sequence["KnownParameter"],
    units: "StatedUnits | None",
) -> Iterator[str]:
    """Errors for data whose units or directions an equation cannot use.

    Args:
        experiment: The typed experiment.
        layouts: Fields of the data.
        grid: Grid of the data.
        known: Known parameters of the data.
        units: Units and directions of the data.
    """
    if units is None:
        return
    for reason in units.unusable:
        yield f"model.physical: {reason}"
    if not units.vertical:
        return
    spec = equation_of(experiment)
    vectors = {role.name for role in spec.fields if role.is_vector} if spec else set()
    per_axis = {n for n, p in spec.parameters.items() if p.per_axis} if spec else set()
    along = {each.name: "data.fields" for each in layouts if units.vertical in each.components}
    along |= {each.name: "data.fields" for each in layouts if each.name in vectors}
    along |= {
        each.name: "data.known_parameters"
        for each in known
        if each.components or each.name in per_axis
    }
    for name, key in along.items():
        if name not in units.directed:
            yield (
                f"{key}.{name}: the axis {units.vertical} counts downwards, and the file does not "
                f"say whether the {units.vertical} component of {name} is positive upwards or "
                f"downwards; set data.directions: {{{name}: up}} (or down), or the variable's "
                "attribute positive"
            )
