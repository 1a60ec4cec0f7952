"""Parameters of an equation during a frame: shared values, values of each simulation, slopes.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``A`` axes, ``X Y Z`` space.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from phi.torch.flow import channel, math, spatial

from hybrid_pde.domain.grid import Grid
from hybrid_pde.models.physical.equation import COMPONENT, Values

Natives = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Directions:
    """Directions of forward-mode derivatives: copies of a batch, equal but for their tangents.

    The copies follow one another in the state and in the values of each simulation.

    Attributes:
        count: Number of copies, ``G``.
        shared: Tangents ``[G, …]`` of shared parameters.
    """

    count: int = 1
    shared: Natives = field(default_factory=dict)


@dataclass(frozen=True)
class Coefficients:
    """The parameters during one frame.

    Attributes:
        shared: Values of all simulations: a number, ``[A]`` numbers, one for each axis, or a field
            ``[(A,) *space]``.
        individual: Values of each simulation, with a leading ``B``.
        slopes: Rate of change [1/time] of the individual values that change in time.
        directions: Directions of forward-mode derivatives, if there are several.
    """

    shared: Natives
    individual: Natives = field(default_factory=dict)
    slopes: Natives = field(default_factory=dict)
    directions: Directions = field(default_factory=Directions, kw_only=True)

    def after(self, time: float) -> "Coefficients":
        """The values after a time."""
        later = {name: self.individual[name] + time * slope for name, slope in self.slopes.items()}
        individual = {**self.individual, **later}
        return Coefficients(self.shared, individual, directions=self.directions)


def wrap_parameter(
    value: torch.Tensor,
    components: Sequence[str],
    grid: Grid,
    leading: Sequence[Any] = (),
) -> math.Tensor:
    """A parameter as a PhiML tensor, the form in which a right-hand side takes it.

    Args:
        value: A number, numbers ``[A]``, one for each axis, named numbers, or a field
            ``[(A,) *space]``.
        components: Names of named numbers.
        grid: Grid of fields.
        leading: Dimensions of simulations, which precede those of the value.
    """
    own, space = value.shape[len(leading) :], [spatial(axis) for axis in grid.axes]
    is_field = own[-len(space) :] == grid.shape
    dims = space if is_field else []
    if len(own) > len(dims):
        names = {COMPONENT: components} if components and not is_field else {"vector": grid.axes}
        dims = [channel(**{name: ",".join(items) for name, items in names.items()}), *dims]
    dims = [*leading, *dims]
    return math.reshaped_tensor(value, dims) if dims else math.wrap(value)


def parameters_at(parameters: Values, slopes: Values, time: math.Tensor) -> Values:
    """The parameters a time after the beginning of the frame."""
    return {
        name: value + slopes[name] * time if name in slopes else value
        for name, value in parameters.items()
    }


def is_differentiated(state: Natives, parameters: Coefficients) -> bool:
    """True if reverse-mode derivatives with respect to them are recorded."""
    groups = (state, parameters.shared, parameters.individual, parameters.slopes)
    return torch.is_grad_enabled() and any(
        value.requires_grad for group in groups for value in group.values()
    )


def has_tangents(state: Natives, parameters: Coefficients) -> bool:
    """True if any of them carries a forward-mode derivative."""
    groups = (state, parameters.shared, parameters.individual, parameters.slopes)
    return bool(parameters.directions.shared) or any(
        forward_ad.unpack_dual(value).tangent is not None
        for group in groups
        for value in group.values()
    )


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """The value alone, without forward or reverse derivatives."""
    return forward_ad.unpack_dual(tensor).primal.detach()
