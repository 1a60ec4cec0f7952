"""Quantities of the predicted state that the residuals of a calibration are compared with.

Each stands for a term that the equation may lack, or for a place where it may be wrong.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid


@dataclass(frozen=True)
class Component:
    """One channel of the state.

    Attributes:
        label: ``c``, or ``velocity[x]``.
        field: Name of its field.
        axis: Axis of a vector's component; ``None`` for a scalar.
    """

    label: str
    field: str
    axis: str | None = None


@dataclass(frozen=True)
class Quantity:
    """A quantity at every cell and frame.

    Attributes:
        label: Its formula.
        values: ``[T, *space]``.
        meaning: What is missing or wrong where the residual follows it.
        of_size: Whether the size of the residual is compared with it, and not the residual.
    """

    label: str
    values: np.ndarray
    meaning: str
    of_size: bool = False


def components_of(fields: Sequence[str], layouts: Mapping[str, FieldLayout]) -> list[Component]:
    """The channels of a state in their order."""
    found = []
    for name in fields:
        axes = layouts[name].components
        found += [Component(f"{name}[{axis}]", name, axis) for axis in axes]
        if not axes:
            found.append(Component(name, name))
    return found


def quantities(
    states: np.ndarray, channel: int, components: Sequence[Component], grid: Grid
) -> Iterator[Quantity]:
    """All quantities for the residual of one channel.

    Args:
        states: Predicted states ``[T, C, *space]``.
        channel: Number of the channel.
        components: Description of all channels.
        grid: The grid.
    """
    own, label = states[:, channel], components[channel].label
    slopes = [_slope(own, axis, grid) for axis in range(len(grid.axes))]
    yield Quantity("1", np.ones_like(own), "a source or a sink")
    yield Quantity(label, own, f"a term in proportion to {label} (drag, decay, growth)")
    yield Quantity(f"{label}²", own**2, "a nonlinear reaction or source")
    yield Quantity(f"{label}³", own**3, "a nonlinear reaction or source")
    for other, component in enumerate(components):
        if other != channel:
            coupling = f"a coupling to {component.label}"
            yield Quantity(component.label, states[:, other], coupling)
    for axis, slope in zip(grid.axes, slopes, strict=True):
        yield Quantity(f"∂{label}/∂{axis}", slope, f"advection along {axis}")
    velocity = _velocity(components, channel, grid)
    if velocity is not None:
        carried = sum(states[:, c] * slope for c, slope in zip(velocity, slopes, strict=True))
        name = components[velocity[0]].field
        meaning = f"advection by {name}, or its factor,"
        yield Quantity(f"({name}·∇){label}", np.asarray(carried), meaning)
    bend = sum(_curvature(own, axis, grid) for axis in range(len(grid.axes)))
    yield Quantity(f"∇²{label}", np.asarray(bend), "diffusion, or the scheme's own diffusion,")
    steep = np.sqrt(sum(slope**2 for slope in slopes))
    meaning = "a term that depends on gradients (advection, diffusion)"
    yield Quantity(f"|∇{label}|", steep, meaning, of_size=True)
    yield Quantity(f"|{label}|", np.abs(own), f"a term that depends on the size of {label}", True)


def _velocity(components: Sequence[Component], channel: int, grid: Grid) -> list[int] | None:
    """Channels of a vector with a component along every axis, or of the only axis."""
    for name in dict.fromkeys(component.field for component in components):
        found = {c.axis: n for n, c in enumerate(components) if c.field == name and c.axis}
        if set(found) == set(grid.axes):
            return [found[axis] for axis in grid.axes]
    return [channel] if len(grid.axes) == 1 else None


def _slope(values: np.ndarray, axis: int, grid: Grid) -> np.ndarray:
    """Central differences along an axis of space, one-sided at walls."""
    if grid.boundary[axis] == (PERIODIC, PERIODIC):
        ahead, behind = (np.roll(values, shift, axis + 1) for shift in (-1, 1))
        return np.asarray((ahead - behind) / (2 * grid.spacing[axis]))
    return np.asarray(np.gradient(values, grid.spacing[axis], axis=axis + 1))


def _curvature(values: np.ndarray, axis: int, grid: Grid) -> np.ndarray:
    """Second differences along an axis of space; a wall repeats those beside it."""
    ahead, behind = (np.roll(values, shift, axis + 1) for shift in (-1, 1))
    found = (ahead - 2 * values + behind) / grid.spacing[axis] ** 2
    if grid.boundary[axis] != (PERIODIC, PERIODIC):
        lines = np.moveaxis(found, axis + 1, 0)
        lines[0], lines[-1] = lines[1], lines[-2]
    return np.asarray(found)
