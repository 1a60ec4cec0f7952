"""What is compared with the truth: the two models behind one signature, and persistence.

A predictor maps the initial state ``{field: [B, C, *space]}`` (static fields included) and a
number of steps to the states after it, ``{field: [B, steps, C, *space]}``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch

from src.data.grid import FieldLayout, Grid
from src.models.physical.roles import match_roles

State = Mapping[str, torch.Tensor]
Predictor = Callable[[State, int], State]


def persistence(initial: State, steps: int) -> dict[str, torch.Tensor]:
    """The initial state for ever: what any model has to beat."""
    return {
        name: values.unsqueeze(1).expand(-1, steps, *values.shape[1:])
        for name, values in initial.items()
    }


class _RollingModel(Protocol):
    """What a synthetic model offers: channel counts of its fields, and a rollout."""

    @property
    def input_specs(self) -> Mapping[str, int]:
        """Channels of each input field."""

    @property
    def output_specs(self) -> Mapping[str, int]:
        """Channels of each predicted field."""

    def rollout(self, state: torch.Tensor, steps: int, /) -> torch.Tensor:
        """``[B, C_in, *space]`` to ``[B, steps, C_out, *space]``."""


class SyntheticPredictor:
    """Rollout of a surrogate, from and to named fields; the model is put into evaluation mode."""

    def __init__(self, model: _RollingModel) -> None:
        self.model = model.eval() if isinstance(model, torch.nn.Module) else model

    def __call__(self, initial: State, steps: int) -> dict[str, torch.Tensor]:
        """The states after ``initial``; channels are stacked in the order of the model's specs."""
        names = list(self.model.input_specs)
        stacked = torch.cat([initial[name].float() for name in names], dim=1)
        with torch.no_grad():
            rollout = self.model.rollout(stacked.to(_device(self.model)), steps).cpu()
        specs = self.model.output_specs
        parts = rollout.split(list(specs.values()), dim=2)
        return dict(zip(specs, parts, strict=True))


class PhysicalPredictor:
    """Solution of the calibrated equation, from and to native tensors.

    Args:
        model: Has ``spec`` and ``predict_trajectory(initial_fields, steps, dt)``.
        grid: The grid of the data.
        layouts: The fields of the data.
        dt: Time between frames [time].
        fields: Names of the fields to hand over; by default those that have a role in the equation.
    """

    def __init__(
        self,
        model: Any,
        grid: Grid,
        layouts: Sequence[FieldLayout],
        dt: float,
        fields: Sequence[str] | None = None,
    ) -> None:
        self.model = model
        self.grid = grid
        self.layouts = {layout.name: layout for layout in layouts}
        self.dt = dt
        if fields is None:
            dynamic = [layout.name for layout in layouts if not layout.static]
            fields = list(match_roles(model.spec, dynamic).values())
        self.fields = tuple(fields)

    def __call__(self, initial: State, steps: int) -> dict[str, torch.Tensor]:
        """The states after ``initial``.

        Raises:
            DivergenceError: from the model, where the solution leaves the finite numbers.
        """
        from src.data.fields import from_field, to_field  # PhiFlow, which a surrogate needs not

        with torch.no_grad():
            trajectory = self.model.predict_trajectory(
                {
                    name: to_field(initial[name], self.grid, self.layouts[name])
                    for name in self.fields
                },
                steps,
                self.dt,
            )
            return {
                name: torch.stack(
                    [from_field(state, self.grid, self.layouts[name]) for state in states], dim=1
                )
                for name, states in trajectory.items()
            }


def _device(model: Any) -> torch.device:
    """Where the model's weights lie."""
    if isinstance(model, torch.nn.Module):
        for parameter in model.parameters():
            return parameter.device
    return torch.device("cpu")
