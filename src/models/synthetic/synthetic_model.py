"""What every neural surrogate shares: channels, normalisation, residual steps, rollouts.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space; a state is ``[B, C, *space]`` with the
channels of ``input_specs`` (``C_in``) or of ``output_specs`` (``C_out``), in their order.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sized
from typing import Any, cast

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from src.config import Experiment, parse_experiment
from src.errors import ConfigError
from src.models.synthetic.normalization import Normalization, normalization_of
from src.models.synthetic.padding import Boundary

MAX_STEPS_KEPT = 8  # 16 windows of 64² points, 8 steps: 0.5 GB for a U-Net of 16 channels


class SyntheticModel(nn.Module, ABC):
    """A surrogate of one time step, u(t + dt) = u(t) + σ_Δ · N((x(t) − μ) / σ).

    x are the input channels: the fields that are predicted (u), and static ones that a rollout
    carries along. μ and σ are the mean and standard deviation of each input channel, σ_Δ is the
    root mean square of the increments over a step; all three come from the training data and are
    buffers of the model. N is the network that a subclass makes in :meth:`build_network`.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        spatial_dims: Number of spatial axes, 1 to 3.
        boundary: For each axis the condition on its (lower, upper) side.
        static_fields: Inputs that are constant in time; by default all that are no outputs.

    Raises:
        ConfigError: if inputs and outputs do not fit each other.
    """

    state_channels: torch.Tensor
    input_mean: torch.Tensor
    input_std: torch.Tensor
    increment_std: torch.Tensor

    def __init__(
        self,
        config: Mapping[str, Any] | Experiment,
        *,
        spatial_dims: int,
        boundary: Boundary,
        static_fields: Collection[str] | None = None,
    ) -> None:
        super().__init__()
        self.experiment = parse_experiment(config)
        section = self.experiment.model.synthetic
        if section is None:
            raise ConfigError("model.synthetic: missing; it names the surrogate's architecture")
        if len(boundary) != spatial_dims:
            raise ConfigError(f"boundary: {boundary}: the grid has {spatial_dims} axes")
        self.spatial_dims = spatial_dims
        self.boundary = boundary
        self.input_specs = dict(section.input_specs)
        self.output_specs = dict(section.output_specs)
        _check_specs(self.input_specs, self.output_specs, static_fields)
        places = _channels_of(self.input_specs)
        state = [place for name in self.output_specs for place in places[name]]
        self._predicts_all = state == list(range(self.in_channels))
        self.register_buffer("state_channels", torch.tensor(state), persistent=False)
        self.register_buffer("input_mean", torch.zeros(self.in_channels))
        self.register_buffer("input_std", torch.ones(self.in_channels))
        self.register_buffer("increment_std", torch.ones(self.out_channels))
        with torch.random.fork_rng(devices=[]):  # drawing weights must not move the caller's
            torch.manual_seed(self.experiment.run_params.seed)
            self.network = self.build_network(dict(section.architecture))

    @abstractmethod
    def build_network(self, architecture: dict[str, Any]) -> nn.Module:
        """A module that maps ``[B, in_channels, *space]`` to ``[B, out_channels, *space]``.

        It is called once, with the random generator seeded from ``run_params.seed``.

        Args:
            architecture: ``model.synthetic.architecture`` as the experiment has it.
        """

    @property
    def in_channels(self) -> int:
        """Number of input channels, those of static fields included."""
        return sum(self.input_specs.values())

    @property
    def out_channels(self) -> int:
        """Number of predicted channels."""
        return sum(self.output_specs.values())

    def set_normalization(self, normalization: Normalization) -> None:
        """Take over the statistics of the training data; the weights stay."""
        for name, value in normalization.items():
            buffer: torch.Tensor = getattr(self, name)
            given = cast(torch.Tensor, value)
            if given.shape != buffer.shape:
                raise ConfigError(
                    f"{name}: {list(given.shape)} values for {list(buffer.shape)} channels"
                )
            buffer.copy_(given)

    def fit_normalization(self, dataset: Sized) -> None:
        """Compute the statistics from a data set of ``(input, targets)`` windows.

        Args:
            dataset: Items ``input [C_in, *space]`` and ``targets [T, C_out, *space]`` by index.
        """
        self.set_normalization(normalization_of(dataset, self.state_channels.tolist()))

    def normalize_input(self, state: torch.Tensor) -> torch.Tensor:
        """Input channels in units of their standard deviation, ``[B, C_in, *space]``."""
        shape = (-1, *(1,) * self.spatial_dims)
        return (state - self.input_mean.view(shape)) / self.input_std.view(shape)

    def output_std(self) -> torch.Tensor:
        """Standard deviation of each output channel in the training data, ``[C_out]``."""
        return self.input_std[self.state_channels]

    def prepare_input(self, state: torch.Tensor) -> torch.Tensor:
        """What the network sees of an input ``[B, C_in, *space]``; normalised by default."""
        return self.normalize_input(state)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """One step: input ``[B, C_in, *space]`` to output ``[B, C_out, *space]``."""
        self._check_input(state)
        scale = self.increment_std.view(-1, *(1,) * self.spatial_dims)
        increment = scale * self.network(self.prepare_input(state))
        return self.predicted_part(state) + increment

    def rollout(self, state: torch.Tensor, steps: int) -> torch.Tensor:
        """Predict ``steps`` steps from an input.

        Args:
            state: Input ``[B, C_in, *space]``.
            steps: Number of steps, at least 1.

        Returns:
            Outputs ``[B, steps, C_out, *space]``, without the given state.
        """
        return torch.stack(list(self.steps(state, steps)), dim=1)

    def steps(self, state: torch.Tensor, steps: int) -> Iterator[torch.Tensor]:
        """The outputs of a rollout one by one, ``[B, C_out, *space]`` each.

        The derivative of a rollout longer than :data:`MAX_STEPS_KEPT` computes the inside of each
        step once more, so that memory grows with the states alone.
        """
        saves_memory = steps > MAX_STEPS_KEPT and torch.is_grad_enabled()
        for _ in range(steps):
            output = checkpoint(self, state, use_reentrant=False) if saves_memory else self(state)
            yield output
            state = self.next_input(state, output)

    def predicted_part(self, state: torch.Tensor) -> torch.Tensor:
        """The predicted channels of an input, in the order of the outputs."""
        return state if self._predicts_all else state[:, self.state_channels]

    def next_input(self, state: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """The input with its predicted channels replaced; static channels stay."""
        if self._predicts_all:
            return output
        return state.index_copy(1, self.state_channels, output)

    def _check_input(self, state: torch.Tensor) -> None:
        if state.ndim != self.spatial_dims + 2 or state.shape[1] != self.in_channels:
            raise ValueError(
                f"input of shape {list(state.shape)}; expected [B, {self.in_channels}, *space] "
                f"with {self.spatial_dims} spatial axes for the inputs {self.input_specs}"
            )


def _channels_of(specs: Mapping[str, int]) -> dict[str, range]:
    """Where each field's channels lie."""
    places, start = {}, 0
    for name, channels in specs.items():
        places[name] = range(start, start + channels)
        start += channels
    return places


def _check_specs(
    inputs: Mapping[str, int], outputs: Mapping[str, int], static_fields: Collection[str] | None
) -> None:
    if not outputs:
        raise ConfigError("model.synthetic.output_specs: empty; it names the predicted fields")
    for name, channels in outputs.items():
        if inputs.get(name) != channels:
            raise ConfigError(
                f"model.synthetic.output_specs.{name}: {channels}: model.synthetic.input_specs "
                f"says {inputs.get(name, 'nothing')}; a predicted field is an input with as many "
                "channels"
            )
    for name in inputs:
        if name not in outputs and static_fields is not None and name not in static_fields:
            raise ConfigError(
                f"model.synthetic.input_specs.{name}: changes in time, so a rollout needs it among "
                "model.synthetic.output_specs too"
            )
        if name in outputs and static_fields is not None and name in static_fields:
            raise ConfigError(
                f"model.synthetic.output_specs.{name}: constant in time, so an input only"
            )
