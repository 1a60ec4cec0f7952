"""Whether the surrogate's architecture, inputs and outputs are such as there can be."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from hybrid_pde.config.derived import equation_of
from hybrid_pde.config.discovery import architecture_options
from hybrid_pde.config.equations import EquationSpec, ParameterSpec
from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import Experiment
from hybrid_pde.errors import ConfigError

_INPUTS = "model.synthetic.input_specs"


class Options(Protocol):
    """What the options of an architecture say of a grid."""

    def check_grid(
        self, space: Sequence[int], boundary: Sequence[tuple[str | float, str | float]]
    ) -> None:
        """Refuse a grid that the network cannot work on."""


def options_of(name: str, architecture: Mapping[str, Any]) -> Options:
    """The options of a built-in architecture with their defaults.

    Raises:
        ConfigError: naming every key that is wrong, its value, and what is allowed.
    """
    options: Options = architecture_options()[name].parse(architecture)
    return options


def wrong_surrogate(experiment: Experiment) -> Iterator[str]:
    """A line for everything in ``model.synthetic`` that cannot be."""
    section = experiment.model.synthetic
    assert section is not None
    architectures = architecture_options()
    if not section.module and section.name not in architectures:
        yield f"model.synthetic.name: {suggest(section.name, architectures)}"
    elif not section.module:
        try:
            options_of(section.name, section.architecture)
        except ConfigError as error:
            yield from str(error).splitlines()
    steps = experiment.trainer_params.synthetic.num_predict_steps
    if section.bundle > steps:
        yield (
            f"model.synthetic.bundle: {section.bundle}: trainer_params.num_predict_steps is "
            f"{steps}, so the training would never see the frames after; it must be as large"
        )
    moves = {"translation", "galilean"} & set(experiment.augmentation.symmetries)
    if section.coordinates and moves:
        yield (
            f"model.synthetic.coordinates: {section.coordinates}: a surrogate that knows the place "
            f"learns what differs from place to place; augmentation.symmetries: {sorted(moves)} "
            "say that nothing does; leave one of them out"
        )
    for name in section.output_specs:
        if name not in experiment.data.fields:
            known = suggest(name, experiment.data.fields)
            yield f"model.synthetic.output_specs.{name}: not in data.fields: {known}"
    for name, channels in section.output_specs.items():
        if section.input_specs.get(name, channels) != channels:
            yield (
                f"model.synthetic.output_specs.{name}: {channels}: model.synthetic.input_specs "
                f"says {section.input_specs[name]}"
            )
    physical = experiment.model.physical
    if experiment.run_params.model_type == "hybrid" and physical is not None and physical.module:
        return  # its parameters are known when its file is loaded, see wrong_inputs
    hybrid = experiment.run_params.model_type == "hybrid"
    yield from wrong_inputs(experiment, equation_of(experiment) if hybrid else None)


def wrong_inputs(experiment: Experiment, spec: EquationSpec | None) -> Iterator[str]:
    """A line for every input that is neither a field nor a parameter with constant numbers.

    Args:
        experiment: The typed experiment.
        spec: The equation that is calibrated, whose parameters have values; ``None`` where none is.
    """
    section = experiment.model.synthetic
    assert section is not None
    fields, known = experiment.data.fields, experiment.data.known_parameters
    parameters: Mapping[str, ParameterSpec] = spec.parameters if spec else {}
    for name, channels in section.input_specs.items():
        if name in fields:
            continue
        if name not in known and name not in parameters:
            source = f"no parameter of {spec.name}" if spec else "not in data.known_parameters"
            allowed = suggest(name, [*fields, *{**known, **parameters}])
            yield f"{_INPUTS}.{name}: not in data.fields, and {source}: {allowed}"
        elif name in parameters:
            yield from _wrong_number(experiment, name, channels, parameters[name])


def _wrong_number(
    experiment: Experiment, name: str, channels: int, spec: ParameterSpec
) -> Iterator[str]:
    """Whether the parameter has that many numbers, and no value for each point."""
    learnable = experiment.trainer_params.physical.learnable_parameters
    if any(each.name == name and each.parametrization is not None for each in learnable):
        yield (
            f"{_INPUTS}.{name}: learned as a field, and a parameter that is an input is a number, "
            "or a number an axis; leave it out"
        )
    elif not spec.per_axis and channels != max(1, len(spec.components)):
        yield f"{_INPUTS}.{name}: {channels}: it has {max(1, len(spec.components))} number(s)"
