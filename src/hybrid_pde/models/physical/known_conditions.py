"""What each simulation brings along: values of parameters and of fixed boundaries.

Layout of native tensors: ``B`` simulations, ``T`` frames, ``A`` axes, ``X Y Z`` space.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from phi.torch.flow import Field, batch, math

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.data.field_conversion import BATCH
from hybrid_pde.domain.grid import Grid
from hybrid_pde.models.physical.solver import Conditions

BOUNDARY = "boundary."


def is_known(spec: EquationSpec, name: str) -> bool:
    """Whether an entry among a simulation's fields is a parameter or a boundary value of it."""
    return name in spec.parameters or name.startswith(BOUNDARY)


def split_known(
    spec: EquationSpec, initial_fields: Mapping[str, Any]
) -> tuple[dict[str, Field], dict[str, Any]]:
    """The fields, and the known parameters that ride along."""
    fields = {name: f for name, f in initial_fields.items() if not is_known(spec, name)}
    known = {name: v for name, v in initial_fields.items() if is_known(spec, name)}
    return fields, known


def conditions_of(known: Mapping[str, Any], grid: Grid, like: torch.Tensor) -> Conditions:
    """Known values as native tensors of every simulation.

    Args:
        known: A PhiML tensor, number or field by name, or a list of them for every frame.
        grid: Grid of the fields.
        like: A field's state ``[(B,) C, *space]``, for the number of simulations.
    """
    size = like.shape[0] if like.ndim == len(grid.axes) + 2 else 1
    constant, series = {}, {}
    for name, value in known.items():
        if isinstance(value, Sequence):
            series[name] = torch.stack([native_value(v, grid, size) for v in value], dim=1)
        else:
            constant[name] = native_value(value, grid, size)
    return Conditions(constant, series)


def native_value(value: Any, grid: Grid, size: int) -> torch.Tensor:
    """One value as ``[B, …]``: a number, numbers an axis, or a field ``[B, (A,) *space]``."""
    tensor = value.values if isinstance(value, Field) else math.wrap(value)
    dims = [name for name in ("vector", *grid.axes) if name in tensor.shape]
    expanded = math.expand(tensor, batch(**{BATCH: size})) if BATCH not in tensor.shape else tensor
    return torch.as_tensor(expanded.native([BATCH, *dims])).to(torch.float64)
