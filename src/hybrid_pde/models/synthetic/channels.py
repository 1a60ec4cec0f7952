"""Channels of the inputs and outputs of a surrogate, and their consistency."""

from collections.abc import Collection, Mapping, Sequence

from hybrid_pde.errors import ConfigError


def channels_of(specs: Mapping[str, int]) -> dict[str, range]:
    """Channel indices of each field."""
    places, start = {}, 0
    for name, channels in specs.items():
        places[name] = range(start, start + channels)
        start += channels
    return places


def check_specs(
    inputs: Mapping[str, int], outputs: Mapping[str, int], static_fields: Collection[str] | None
) -> None:
    """Reject outputs that are no inputs, and inputs that change in time without being outputs.

    Args:
        inputs: Channels of each input.
        outputs: Channels of each predicted field.
        static_fields: Inputs that are constant in time; ``None`` if unknown.

    Raises:
        ConfigError: naming the field.
    """
    if not outputs:
        raise ConfigError("model.synthetic.output_specs: empty; it names the predicted fields")
    for name, channels in outputs.items():
        if inputs.get(name) != channels:
            raise ConfigError(
                f"model.synthetic.output_specs.{name}: {channels}: model.synthetic.input_specs "
                f"says {inputs.get(name, 'nothing')}; a predicted field is an input with as many "
                "channels"
            )
    for name in inputs:
        if name not in outputs and static_fields is not None and name not in static_fields:
            raise ConfigError(
                f"model.synthetic.input_specs.{name}: changes in time, so a rollout needs it among "
                "model.synthetic.output_specs too"
            )
        if name in outputs and static_fields is not None and name in static_fields:
            raise ConfigError(
                f"model.synthetic.output_specs.{name}: constant in time, so an input only"
            )


def check_parameters(
    values: Mapping[str, Sequence[float]], inputs: Mapping[str, int], outputs: Mapping[str, int]
) -> None:
    """Reject values of a parameter that is no input or has another number of channels.

    Args:
        values: Numbers of each parameter.
        inputs: Channels of each input.
        outputs: Channels of each predicted field.

    Raises:
        ConfigError: naming the parameter.
    """
    for name, numbers in values.items():
        wanted = None if name in outputs else inputs.get(name)
        if wanted is None:
            raise ConfigError(
                f"parameter {name!r}: no static input; model.synthetic.input_specs has "
                f"{', '.join(each for each in inputs if each not in outputs) or 'none'}"
            )
        if len(numbers) != wanted:
            raise ConfigError(
                f"parameter {name!r}: {list(numbers)}: model.synthetic.input_specs.{name} says "
                f"{wanted} number(s)"
            )
