"""Parameters of the equation as input channels that are constant in space and time.

Layout: ``C`` components, ``X Y Z`` space.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from hybrid_pde.data.cache.cache_header import CacheHeader
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError

Values = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class ParameterChannels:
    """The parameters among the inputs of a data set of windows.

    Attributes:
        layouts: Each parameter as a static field.
        values: For each simulation the numbers ``[C]`` of each parameter, in single precision.
        defaults: The numbers that simulations take which bring none along.
    """

    layouts: tuple[FieldLayout, ...]
    values: tuple[Mapping[str, torch.Tensor], ...]
    defaults: Mapping[str, tuple[float, ...]]


def parameter_channels(
    headers: Sequence[CacheHeader], names: Sequence[str], defaults: Values
) -> ParameterChannels:
    """What each simulation has in the input channels that are parameters.

    A simulation's own value, which it was made with, goes before the default.

    Args:
        headers: The simulations.
        names: The inputs; those that are fields of the simulations are passed over.
        defaults: Numbers of parameters for simulations that bring none along.

    Raises:
        ConfigError: if a parameter is not a constant number or numbers in every simulation, or a
            simulation has no value for it.
    """
    fields = {layout.name for layout in headers[0].layouts}
    brought = {name for header in headers for name in header.known_by_name}
    wanted = [name for name in names if name not in fields and name in brought | {*defaults}]
    own = {name: tuple(map(float, defaults[name])) for name in wanted if name in defaults}
    values = [
        {name: _numbers(name, header, own.get(name)) for name in wanted} for header in headers
    ]
    layouts = []
    for name in wanted:
        given = [each[name] for each in values] + ([own[name]] if name in own else [])
        counts = {len(numbers) for numbers in given}
        if len(counts) > 1:
            raise ConfigError(
                f"parameter {name!r}: {sorted(counts)} numbers: one simulation has more than "
                "another, or than the value for those that bring none along"
            )
        layouts.append(FieldLayout(name, _components(counts.pop(), headers[0].grid.axes), True))
    return ParameterChannels(
        tuple(layouts),
        tuple({name: torch.tensor(numbers) for name, numbers in each.items()} for each in values),
        own,
    )


def as_channels(numbers: torch.Tensor, space: Sequence[int]) -> torch.Tensor:
    """Numbers ``[..., C]`` as channels ``[..., C, *space]``: a view, nothing is copied."""
    return numbers.reshape(*numbers.shape, *(1 for _ in space)).expand(*numbers.shape, *space)


def _numbers(
    name: str, header: CacheHeader, default: tuple[float, ...] | None
) -> tuple[float, ...]:
    parameter = header.known_by_name.get(name)
    if parameter is None:
        if default is None:
            raise ConfigError(
                f"parameter {name!r}: {header.source.get('file', 'a simulation')} does not bring "
                "its value along; give one for such simulations"
            )
        return default
    if parameter.is_field or not parameter.static:
        raise ConfigError(
            f"parameter {name!r}: {parameter.describe()} in the data; an input that is a parameter "
            "is a number, or a number an axis, that is constant in time"
        )
    given = parameter.values
    return tuple(given) if isinstance(given, tuple) else (given,)


def _components(count: int, axes: tuple[str, ...]) -> tuple[str, ...]:
    """Names of a parameter's numbers: those of the axes where there are as many."""
    if count == 1:
        return ()
    return axes if count == len(axes) else tuple(map(str, range(count)))
