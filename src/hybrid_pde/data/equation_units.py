"""Units that raw files state, against those that an equation requires."""

from collections.abc import Iterator, Sequence

from hybrid_pde.config.checks.equation import fields_by_role
from hybrid_pde.config.derived import equation_of
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.raw_files.unit_conversion import dimensions
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits

VELOCITY = "velocity"  # name of the role
# Powers of length and time of parameters. Diffusivities and higher derivatives belong to linear
# terms: their unit does not depend on that of the field.
_LINEAR = {"length²/time": (2, -1), "length³/time": (3, -1), "length⁴/time": (4, -1)}
_OTHERS = {"length/time": (1, -1), "1/time": (0, -1)}


def equation_unit_errors(
    experiment: Experiment,
    layouts: Sequence[FieldLayout],
    known: Sequence[KnownParameter],
    units: StatedUnits,
) -> Iterator[str]:
    """Errors for units of velocities and known parameters that the equation cannot have.

    Args:
        experiment: The typed experiment.
        layouts: Fields of the data.
        known: Known parameters of the data.
        units: Units of the data.
    """
    spec = equation_of(experiment)
    if spec is None:
        return
    fields = [each.name for each in layouts if not each.static]
    for role, name in fields_by_role(spec, fields).items():
        is_scaled = "advection" in _given(experiment)  # takes the velocity's unit
        if role == VELOCITY and name is not None and not is_scaled:
            yield from _errors(f"data.fields.{name}", units.of(name), "length/time", spec)
    of_fields = {units.of(name) for name in fields}
    for each in known:
        parameter = spec.parameters.get(each.name)
        if parameter is None:
            continue
        if parameter.unit in _LINEAR or (parameter.unit in _OTHERS and of_fields <= {""}):
            key = f"data.known_parameters.{each.name}"
            yield from _errors(key, units.of(each.name), parameter.unit, spec)


def _errors(key: str, unit: str, required: str, spec: EquationSpec) -> Iterator[str]:
    found = dimensions(unit)
    if found == ():
        return
    wanted = (_LINEAR | _OTHERS)[required]
    powers = dict(found or ())
    if found is None:
        problem = "which is no known unit"
    elif not set(powers) <= {"length", "time"} and required != "length/time":
        return  # per unit of a field
    elif (powers.pop("length", 0), powers.pop("time", 0)) == wanted and not powers:
        return
    else:
        problem = "which is another kind of quantity"
    yield (
        f"{key}: the raw files state the unit {unit!r}, {problem}; {spec.name} takes {required}. "
        "Mend the variable's attribute units (notation of the CF conventions, e.g. 'm s-1'), or "
        "remove it if the numbers are in the units of the axes and the times"
    )


def _given(experiment: Experiment) -> set[str]:
    """Parameters that the experiment sets, learns or reads."""
    physical = experiment.model.physical
    learned = experiment.trainer_params.physical.learnable_parameters
    return {
        *({} if physical is None else physical.pde_params),
        *(each.name for each in learned),
        *experiment.data.known_parameters,
    }
