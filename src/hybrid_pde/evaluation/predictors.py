"""Predictors with a common signature: the two models, and persistence.

A predictor maps an initial state ``{field: [B, C, *space]}`` and a number of steps to the following
states ``{field: [B, steps, C, *space]}``, NaN after a divergence. The initial state includes static
fields, and known parameters as ``known:<parameter>``, ``[B, …]`` with the shape in the cache.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch

from hybrid_pde.data.windows.parameter_channels import as_channels
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import TENSOR_PREFIX, KnownParameter
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.models.physical.field_roles import match_roles

State = Mapping[str, torch.Tensor]
Predictor = Callable[[State, int], State]
logger = logging.getLogger(__name__)


def persistence(initial: State, steps: int) -> dict[str, torch.Tensor]:
    """The initial state, repeated: the baseline of every model."""
    return {
        name: values.unsqueeze(1).expand(-1, steps, *values.shape[1:])
        for name, values in initial.items()
        if not name.startswith(TENSOR_PREFIX)
    }


class _RollingModel(Protocol):
    """Interface of a synthetic model: channels of its fields, and a rollout."""

    @property
    def input_specs(self) -> Mapping[str, int]:
        """Channels of each input field."""

    @property
    def output_specs(self) -> Mapping[str, int]:
        """Channels of each predicted field."""

    def rollout(self, state: torch.Tensor, steps: int, /) -> torch.Tensor:
        """``[B, C_in, *space]`` to ``[B, steps, C_out, *space]``."""


class SyntheticPredictor:
    """Rollout of a surrogate on named fields; sets the model to evaluation mode.

    An input that is not a field of the initial state is a parameter of the equation. Its value is
    that of the simulation (``known:<parameter>``), else the model's ``parameter_defaults``.

    Raises:
        ConfigError: if an input has no value.
    """

    def __init__(self, model: _RollingModel) -> None:
        self.model = model.eval() if isinstance(model, torch.nn.Module) else model

    def __call__(self, initial: State, steps: int) -> dict[str, torch.Tensor]:
        """Predict the states after ``initial``; channels follow the order of the model's specs."""
        names = list(self.model.input_specs)
        given = {name: initial[name].float() for name in names if name in initial}
        like = next(iter(given.values()))  # a predicted field is among the inputs
        inputs = [
            given[name] if name in given else self._constant(name, initial, like) for name in names
        ]
        stacked = torch.cat(inputs, dim=1)
        with torch.no_grad():
            rollout = self.model.rollout(stacked.to(_device(self.model)), steps).cpu()
        specs = self.model.output_specs
        parts = rollout.split(list(specs.values()), dim=2)
        return dict(zip(specs, parts, strict=True))

    def _constant(self, name: str, initial: State, like: torch.Tensor) -> torch.Tensor:
        """Channels ``[B, C, *space]`` of a parameter."""
        known = initial.get(TENSOR_PREFIX + name)
        if known is None:
            defaults = getattr(self.model, "parameter_defaults", {})
            if name not in defaults:
                raise ConfigError(
                    f"model.synthetic.input_specs.{name}: neither a field nor a known "
                    "parameter of the simulation, and the model has no default value; add it to "
                    "data.known_parameters"
                )
            known = torch.tensor(defaults[name]).expand(len(like), -1)
        channels = self.model.input_specs[name]
        if known.numel() != len(like) * channels:
            raise ConfigError(
                f"model.synthetic.input_specs.{name}: {channels}: the simulation has values of "
                f"the shape {list(known.shape[1:])}; an input must be a constant parameter"
            )
        return as_channels(known.reshape(len(like), channels).float(), like.shape[2:])


class PhysicalPredictor:
    """Rollout of the calibrated physical model on native tensors.

    Args:
        model: Object with ``spec`` and ``rollout(state, grid, steps, dt, conditions=…)``.
        grid: Grid of the data.
        layouts: Fields of the data.
        dt: Time between frames [time].
        known: Known parameters of the data.
    """

    def __init__(
        self,
        model: Any,
        grid: Grid,
        layouts: Sequence[FieldLayout],
        dt: float,
        known: Sequence[KnownParameter] = (),
    ) -> None:
        self.model = model
        self.grid = grid
        self.dt = dt
        self.known = tuple(known)
        dynamic = [layout.name for layout in layouts if not layout.static]
        self.fields = tuple(match_roles(model.spec, dynamic).values())

    def __call__(self, initial: State, steps: int) -> dict[str, torch.Tensor]:
        """Predict the states after ``initial``, using the known parameters among its entries."""
        # imports PhiFlow, which surrogates do not need
        from hybrid_pde.models.physical.recorded_conditions import recorded_conditions

        values = {each.name: initial[TENSOR_PREFIX + each.name] for each in self.known}
        conditions = recorded_conditions(self.known, values)
        state = {name: initial[name] for name in self.fields}
        frames: list[Mapping[str, torch.Tensor]] = []
        with torch.no_grad():
            rollout = self.model.rollout(state, self.grid, steps, self.dt, conditions=conditions)
            try:
                for frame in rollout:
                    frames.append(frame)
            except DivergenceError as error:
                logger.warning("%s", error)
        like = frames[0] if frames else state
        lost = {name: torch.full_like(values, torch.nan) for name, values in like.items()}
        frames += [lost] * (steps - len(frames))
        return {name: torch.stack([frame[name] for frame in frames], dim=1) for name in self.fields}


def _device(model: Any) -> torch.device:
    """Device of the model's weights."""
    if isinstance(model, torch.nn.Module):
        for parameter in model.parameters():
            return parameter.device
    return torch.device("cpu")
