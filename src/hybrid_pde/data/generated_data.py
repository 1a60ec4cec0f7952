"""Grid, fields and times of simulations that an experiment generates itself."""

from hybrid_pde.config.derived import equation_of, generated_fields
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.schema import Experiment, SelectParams
from hybrid_pde.domain.boundary import BoundaryError, parse_boundary
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.errors import ConfigError


def generated_grid(experiment: Experiment) -> Grid:
    """Grid of the simulations of ``generation_params``.

    Raises:
        ConfigError: if ``data.boundary`` is none of its axes.
    """
    generation = experiment.generation_params
    assert generation is not None
    axes = tuple(sorted(generation.resolution))
    domain = [generation.domain.get(axis, (0.0, 1.0)) for axis in axes]
    stated = experiment.data.boundary
    try:
        boundary = parse_boundary(PERIODIC if stated is None else stated, axes)
    except BoundaryError as error:
        raise ConfigError(f"data.boundary: {error}") from None
    return Grid(
        axes=axes,
        shape=tuple(generation.resolution[axis] for axis in axes),
        lower=tuple(lower for lower, _ in domain),
        upper=tuple(upper for _, upper in domain),
        boundary=boundary,
        nodes_on_boundary=(False,) * len(axes),
    )


def generated_layouts(experiment: Experiment) -> tuple[FieldLayout, ...] | None:
    """The fields of the generated simulations that the experiment reads.

    Returns:
        ``None`` if they are unknown before anything is simulated: those of a user-defined equation,
        or of files of which the experiment selects a part.
    """
    generation = experiment.generation_params
    assert generation is not None
    name = generation.equation
    spec = built_in_equations().get(name) if name else equation_of(experiment)
    if spec is None or experiment.data.select != SelectParams():
        return None
    axes = tuple(sorted(generation.resolution))
    roles = [role for role in spec.fields if not role.is_optional]
    optional = [r for r in spec.fields if r.is_optional and r.name in experiment.data.fields]
    components = {
        field: axes if role.is_vector else ()
        for field, role in zip(generated_fields(experiment), [*roles, *optional], strict=False)
    }
    return tuple(FieldLayout(each, components.get(each, ())) for each in experiment.data.fields)
