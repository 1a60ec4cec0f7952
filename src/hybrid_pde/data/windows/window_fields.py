"""Windows of a cached simulation as PhiFlow fields, with its known parameters.

Layout of native tensors: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

from collections.abc import Sequence
from typing import Any

import torch
from phi.torch.flow import Field, channel, math

from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.data.windows.field_selection import FieldSelection
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter


def window_fields(
    simulation: CachedSimulation, selection: FieldSelection, start: int, steps: int
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The state at a frame and the states that follow it.

    Args:
        simulation: The simulation.
        selection: Inputs and targets.
        start: The window's first frame.
        steps: Number of frames that follow.

    Returns:
        Fields by name, and lists of ``steps`` fields by name. Known parameters are among them by
        name: all in the first, those that change in time also in the second. A number is a PhiML
        tensor, with the channel dimension ``vector`` if there is one for each axis.
    """
    grid, following = simulation.grid, range(start + 1, start + 1 + steps)
    initial: dict[str, Any] = {
        layout.name: to_field(_frame(simulation.fields[layout.name], start, grid), grid, layout)
        for layout in selection.inputs
    }
    targets = {
        layout.name: _fields(simulation.fields[layout.name], following, grid, layout)
        for layout in selection.outputs
    }
    for parameter in simulation.header.known:
        values = simulation.known[parameter.name]
        initial[parameter.name] = known_value(parameter, values, start, grid)
        if not parameter.static:
            targets[parameter.name] = [
                known_value(parameter, values, frame, grid) for frame in following
            ]
    return initial, targets


def known_value(
    parameter: KnownParameter, values: torch.Tensor, frame: int, grid: Grid
) -> Field | math.Tensor:
    """The value of a known parameter at a frame.

    Args:
        parameter: Kind of the parameter.
        values: Values over the whole simulation, as in :class:`CachedSimulation`.
        frame: The frame; ignored for constants.
        grid: Grid of the simulation.
    """
    value = values if parameter.static else values[frame]
    if parameter.is_field:
        return to_field(value, grid, parameter.layout)
    dims = [channel(vector=",".join(parameter.components))] if parameter.components else []
    return math.reshaped_tensor(value, dims)


def _frame(tensor: torch.Tensor, frame: int, grid: Grid) -> torch.Tensor:
    """One frame ``[C, *space]`` of a field, which may have no time axis."""
    return tensor[frame] if tensor.ndim == len(grid.axes) + 2 else tensor


def _fields(
    tensor: torch.Tensor, frames: Sequence[int], grid: Grid, layout: FieldLayout
) -> list[Field]:
    return [to_field(tensor[frame], grid, layout) for frame in frames]
