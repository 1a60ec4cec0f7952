"""Conditions of rollouts that differ between simulations: known parameters and boundary values.

Layout of native tensors: ``B`` simulations, ``T`` frames, ``C`` channels, ``A`` axes, ``X Y Z``
space.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from phi.torch.flow import Field, batch, math

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.data.field_conversion import BATCH
from hybrid_pde.domain.grid import Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.models.physical.coefficients import Natives

BOUNDARY = "boundary."


@dataclass(frozen=True)
class Conditions:
    """Values of each simulation; they take precedence over the shared parameters.

    Names are those of parameters, or ``boundary.<axis>.<lower|upper>`` for a fixed value.

    Attributes:
        constant: ``[B, …]`` by name, … as in a parameter: nothing, one number for each axis, or a
            field.
        series: ``[B, steps + 1, …]`` by name: the values at the start and at every frame, linear in
            between.
    """

    constant: Natives = field(default_factory=dict)
    series: Natives = field(default_factory=dict)

    def during(self, frame: int, dt: float) -> tuple[Natives, Natives]:
        """Values at the beginning of a frame (counted from 0), and slopes of those that change."""
        values = {**self.constant, **{name: s[:, frame] for name, s in self.series.items()}}
        slopes = {name: (s[:, frame + 1] - s[:, frame]) / dt for name, s in self.series.items()}
        return values, slopes


def split_known(
    spec: EquationSpec, initial_fields: Mapping[str, Any]
) -> tuple[dict[str, Field], dict[str, Any]]:
    """The fields, and the known parameters and boundary values among them."""
    known = {name: value for name, value in initial_fields.items() if _is_known(spec, name)}
    fields = {name: value for name, value in initial_fields.items() if name not in known}
    return fields, known


def conditions_of(known: Mapping[str, Any], grid: Grid, like: torch.Tensor) -> Conditions:
    """Known values as native tensors of every simulation.

    Args:
        known: A PhiML tensor, number or field by name, or a list of them for every frame.
        grid: Grid of the fields.
        like: State of a field ``[(B,) C, *space]``, for the number of simulations.
    """
    size = like.shape[0] if like.ndim == len(grid.axes) + 2 else 1
    constant, series = {}, {}
    for name, value in known.items():
        if isinstance(value, Sequence):
            series[name] = torch.stack([native_value(v, grid, size) for v in value], dim=1)
        else:
            constant[name] = native_value(value, grid, size)
    return Conditions(constant, series)


def recorded_conditions(
    kinds: Iterable[KnownParameter], values: Mapping[str, torch.Tensor]
) -> Conditions:
    """Conditions of rollouts that start at the first frame of recorded simulations.

    Args:
        kinds: The known parameters.
        values: Their values by name, as in a cached simulation, with a leading axis ``B``:
            ``[B, (T,) (A)]``, of fields ``[B, (T,) C, *space]``.
    """
    constant: Natives = {}
    series: Natives = {}
    for kind in kinds:
        native = values[kind.name].to(torch.float64)
        if kind.is_field and not kind.components:
            native = native.squeeze(1 if kind.static else 2)  # a scalar field has no channel
        (constant if kind.static else series)[kind.name] = native
    return Conditions(constant, series)


def native_value(value: Any, grid: Grid, size: int) -> torch.Tensor:
    """A value as ``[B, …]``: a number, a number for each axis, or a field ``[B, (A,) *space]``."""
    tensor = value.values if isinstance(value, Field) else math.wrap(value)
    dims = [name for name in ("vector", *grid.axes) if name in tensor.shape]
    expanded = math.expand(tensor, batch(**{BATCH: size})) if BATCH not in tensor.shape else tensor
    return torch.as_tensor(expanded.native([BATCH, *dims])).to(torch.float64)


def _is_known(spec: EquationSpec, name: str) -> bool:
    return name in spec.parameters or name.startswith(BOUNDARY)
