"""An equation as a stepper sees it: its functions, and its parameters during a frame.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``A`` axes, ``X Y Z`` space.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from phi.torch.flow import channel, math, spatial

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.domain.grid import Grid
from hybrid_pde.numerics.operators import Operators

Natives = dict[str, torch.Tensor]
Values = dict[str, math.Tensor]
Rate = Callable[[Values, Values, Operators], Values]
LinearTerms = Mapping[str, Mapping[int, math.Tensor]]
COMPONENT = "component"


@dataclass(frozen=True)
class Equation:
    """What a stepper needs of a model.

    Attributes:
        spec: Its fields and parameters.
        rate: Its right-hand side.
        velocity: Velocity of advection, of a state and parameters.
        constrain: What transport has to leave as it was, see :class:`PhysicalModel`.
        linear_terms: Coefficients of constant-coefficient derivatives by role and order.
    """

    spec: EquationSpec
    rate: Rate
    velocity: Callable[[Values, Values], math.Tensor]
    constrain: Callable[[Values, Values, Operators], Values]
    linear_terms: Callable[[Values], LinearTerms]


@dataclass(frozen=True)
class Coefficients:
    """The parameters during one frame.

    Attributes:
        shared: Values of all simulations: a number, ``[A]`` an axis, or a field ``[(A,) *space]``.
        individual: Values of each simulation, the same with a leading ``B``.
        slopes: Rate of change of individual values [1/time], for those that change in time.
    """

    shared: Natives
    individual: Natives = field(default_factory=dict)
    slopes: Natives = field(default_factory=dict)

    def after(self, time: float) -> "Coefficients":
        """The values some time later."""
        moved = {name: self.individual[name] + time * slope for name, slope in self.slopes.items()}
        return Coefficients(self.shared, {**self.individual, **moved})


def wrap_parameter(
    value: torch.Tensor,
    components: Sequence[str],
    grid: Grid,
    leading: Sequence[Any] = (),
) -> math.Tensor:
    """A parameter with its dimensions named, as a right-hand side takes it.

    Args:
        value: A number, numbers ``[A]`` an axis, named numbers, or a field ``[(A,) *space]``.
        components: What named numbers are called.
        grid: Grid of fields.
        leading: Dimensions of simulations before those of the value.
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
    """Whether reverse-mode derivatives are recorded of them."""
    groups = (state, parameters.shared, parameters.individual, parameters.slopes)
    return torch.is_grad_enabled() and any(
        value.requires_grad for group in groups for value in group.values()
    )


def has_tangents(state: Natives, parameters: Coefficients) -> bool:
    """Whether one of them carries a forward-mode derivative."""
    groups = (state, parameters.shared, parameters.individual, parameters.slopes)
    return any(
        forward_ad.unpack_dual(value).tangent is not None
        for group in groups
        for value in group.values()
    )


def with_tangents(value: Any) -> Any:
    """Tensors, those without a tangent with one of zeros.

    PyTorch takes ten times as long over a number with a tangent and one without as over two with.
    """
    if isinstance(value, dict):
        return {name: with_tangents(each) for name, each in value.items()}
    native = value.native(value.shape)
    if forward_ad.unpack_dual(native).tangent is not None:
        return value
    dual = forward_ad.make_dual(native.contiguous(), torch.zeros(native.shape, dtype=native.dtype))
    return math.reshaped_tensor(dual, [*value.shape]) if value.shape else math.wrap(dual)
