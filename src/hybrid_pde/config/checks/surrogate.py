"""Checks of the surrogate's architecture, inputs and outputs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from hybrid_pde.config.derived import equation_of
from hybrid_pde.config.discovery import architecture_options
from hybrid_pde.config.equations import EquationSpec, ParameterSpec
from hybrid_pde.config.error_messages import suggest, suggest_model
from hybrid_pde.config.schema import Experiment
from hybrid_pde.errors import ConfigError

SHIFTS = ("translation", "galilean")  # symmetries that differences between places would break
_INPUTS = "model.synthetic.input_specs"


class Options(Protocol):
    """Options of an architecture, which can check a grid."""

    def check_grid(
        self, space: Sequence[int], boundary: Sequence[tuple[str | float, str | float]]
    ) -> None:
        """Raise :class:`ConfigError` for a grid that the network does not support."""


def options_of(name: str, architecture: Mapping[str, Any]) -> Options:
    """The options of a built-in architecture with defaults filled in.

    Raises:
        ConfigError: with key, value and what is allowed for each invalid option.
    """
    options: Options = architecture_options()[name].parse(architecture)
    return options


def surrogate_errors(experiment: Experiment) -> Iterator[str]:
    """Errors in ``model.synthetic``."""
    section = experiment.model.synthetic
    assert section is not None
    architectures = architecture_options()
    if not section.module and section.name not in architectures:
        known = suggest_model("model.synthetic", section.name, architectures)
        yield f"model.synthetic.name: {known}"
    elif not section.module:
        try:
            options_of(section.name, section.architecture)
        except ConfigError as error:
            yield from str(error).splitlines()
    steps = experiment.trainer_params.synthetic.num_predict_steps
    if steps is not None and section.bundle > steps:
        yield (
            f"model.synthetic.bundle: {section.bundle}: trainer_params.num_predict_steps is "
            f"{steps}, so later frames of a bundle would not be trained; raise num_predict_steps"
        )
    observed = experiment.data.observations
    is_alone = experiment.run_params.model_type == "synthetic"
    if observed is not None and observed.sensors is not None and is_alone:
        yield (
            f"data.observations.sensors: {observed.sensors!r}: a surrogate learns from frames, and "
            "none is observed; use run_params.model_type: hybrid, where the calibrated model "
            "fills them in, or leave the key out"
        )
    shifts = {*SHIFTS} & set(experiment.augmentation.symmetries)
    if section.coordinates and shifts:
        yield (
            f"model.synthetic.coordinates: {section.coordinates}: position inputs let the "
            "surrogate learn differences between places; augmentation.symmetries: "
            f"{sorted(shifts)} assume that there are none; remove one of them"
        )
    for name in section.output_specs:
        if name not in experiment.data.fields:
            known = suggest(name, experiment.data.fields)
            yield f"model.synthetic.output_specs.{name}: not in data.fields: {known}"
    for name, channels in section.output_specs.items():
        if section.input_specs.get(name, channels) != channels:
            yield (
                f"model.synthetic.output_specs.{name}: {channels}: model.synthetic.input_specs "
                f"has {section.input_specs[name]}; use the same number"
            )
    physical = experiment.model.physical
    if experiment.run_params.model_type == "hybrid" and physical is not None and physical.module:
        return  # checked by surrogate_input_errors when its file is loaded
    hybrid = experiment.run_params.model_type == "hybrid"
    yield from surrogate_input_errors(experiment, equation_of(experiment) if hybrid else None)


def surrogate_input_errors(experiment: Experiment, spec: EquationSpec | None) -> Iterator[str]:
    """Errors for inputs that are neither a field nor a constant parameter.

    Args:
        experiment: The typed experiment.
        spec: The calibrated equation, or ``None`` without calibration.
    """
    section = experiment.model.synthetic
    assert section is not None
    fields, known = experiment.data.fields, experiment.data.known_parameters
    parameters: Mapping[str, ParameterSpec] = spec.parameters if spec else {}
    for name, channels in section.input_specs.items():
        if name in fields:
            continue
        if name not in known and name not in parameters:
            source = f"not a parameter of {spec.name}" if spec else "not in data.known_parameters"
            allowed = suggest(name, [*fields, *{**known, **parameters}])
            yield f"{_INPUTS}.{name}: not in data.fields, and {source}: {allowed}"
        elif name in parameters:
            yield from _channel_errors(experiment, name, channels, parameters[name])


def _channel_errors(
    experiment: Experiment, name: str, channels: int, spec: ParameterSpec
) -> Iterator[str]:
    """Errors if a parameter is a field or has another number of components."""
    learnable = experiment.trainer_params.physical.learnable_parameters
    if any(each.name == name and each.parametrization is not None for each in learnable):
        yield (
            f"{_INPUTS}.{name}: learned as a field, but an input must be a number, or one "
            "number per axis; leave it out"
        )
    elif not spec.per_axis and channels != max(1, len(spec.components)):
        yield (
            f"{_INPUTS}.{name}: {channels}: must be {max(1, len(spec.components))}, its number of "
            "components"
        )
