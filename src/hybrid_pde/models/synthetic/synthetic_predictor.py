"""Rollouts of the synthetic model from and to named fields.

Layout: ``B`` simulations, ``C`` channels, then space.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from hybrid_pde.data.windows.parameter_channels import as_channels
from hybrid_pde.domain.known_values import TENSOR_PREFIX
from hybrid_pde.errors import ConfigError

State = Mapping[str, torch.Tensor]


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
        given = {name: initial[name] for name in names if name in initial}
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


def _device(model: Any) -> torch.device:
    """Where the model's weights lie."""
    if isinstance(model, torch.nn.Module):
        for parameter in model.parameters():
            return parameter.device
    return torch.device("cpu")
