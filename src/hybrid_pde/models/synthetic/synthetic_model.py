"""Base class of neural surrogates: channels, normalisation, steps, rollouts.

Layout: ``B`` windows, ``K`` states of a pass, ``C`` channels, ``X Y Z`` space; a state is
``[B, C, *space]`` with the channels of ``input_specs`` (``C_in``) or of ``output_specs``
(``C_out``), in their order.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, ClassVar, cast, overload

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.errors import ConfigError, OwnModelError
from hybrid_pde.models.synthetic.channels import channels_of, check_parameters, check_specs
from hybrid_pde.models.synthetic.normalization import Normalization, normalization_of
from hybrid_pde.models.synthetic.padding import Boundary
from hybrid_pde.models.synthetic.position_channels import coordinates, num_coordinates
from hybrid_pde.models.synthetic.potential_channels import PotentialGradients

if TYPE_CHECKING:
    import xarray as xr

_FORECASTER = "hybrid_pde.models.synthetic.surrogate_forecaster"
MAX_STEPS_KEPT = 8  # 16 windows of 64² points, 8 steps: 0.5 GB for a U-Net of 16 channels


class SyntheticModel(nn.Module, ABC):
    """A surrogate of the time step, u(t + k dt) = u(t) + σ_Δk · N_k((x(t) − μ) / σ), k = 1 … K.

    x are the input channels: the fields that are predicted (u), static ones that a rollout carries
    along, and parameters of the equation, as channels that are constant in space. μ and σ are the
    mean and standard deviation of each input channel, σ_Δk is the root mean square of the
    increments over k steps; all of them come from the training data and are buffers of the model. N
    is the network that a subclass makes in :meth:`build_network`.

    K is ``model.synthetic.bundle``, the number of states that a pass of the network predicts. With
    ``residual: false`` the network gives the state itself, u(t + k dt) = μ + σ N_k. With
    ``coordinates`` the network sees harmonics of the position behind the input channels, with
    ``potentials`` the gradients of the potentials of the predicted fields behind these.

    Sources: Brandstetter, Worrall, Welling (2022), ICLR, for bundles.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.
        spatial_dims: Number of spatial axes, 1 to 3.
        boundary: For each axis the condition on its (lower, upper) side.
        static_fields: Inputs that are constant in time; by default all that are no outputs.

    Attributes:
        architecture: Options of the network.
        harmonics: Number of harmonics of the position that the network sees.
        potentials: Whether it sees gradients of potentials.
        spacing: Distance of points along each axis, in any unit; of the grid of the data.
        parameter_defaults: Values of inputs that are parameters of the equation, for simulations
            without values of their own; saved with the model.
        data: The data that a loaded model was trained on.
        exports_to_onnx: Whether all operations of the network exist in ONNX.

    Raises:
        ConfigError: if inputs and outputs do not fit each other.
    """

    exports_to_onnx: ClassVar[bool] = True

    state_channels: torch.Tensor
    input_mean: torch.Tensor
    input_std: torch.Tensor
    input_range: torch.Tensor
    increment_std: torch.Tensor
    increment_growth: torch.Tensor

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
        check_specs(self.input_specs, self.output_specs, static_fields)
        self.residual, self.bundle = section.residual, section.bundle
        self.harmonics = section.coordinates or 0
        self.potentials = bool(section.potentials)
        self.spacing: Sequence[float] = (1.0,) * spatial_dims
        self.data: DataDescription | None = None
        self._positions: dict[Any, torch.Tensor] = {}
        self._gradients: dict[Any, PotentialGradients] = {}
        self._parameter_defaults: dict[str, tuple[float, ...]] = {}
        places = channels_of(self.input_specs)
        state = [place for name in self.output_specs for place in places[name]]
        self.predicted_places = state  # of the outputs among the inputs
        self._predicts_all = state == list(range(self.in_channels))
        self.register_buffer("state_channels", torch.tensor(state), persistent=False)
        self.register_buffer("input_mean", torch.zeros(self.in_channels))
        self.register_buffer("input_std", torch.ones(self.in_channels))
        # kept in the file beside the weights, since files of earlier versions lack it
        self.register_buffer(
            "input_range", torch.full((2, self.in_channels), torch.nan).double(), False
        )
        self.register_buffer("increment_std", torch.ones(self.out_channels))
        if self.bundle > 1:
            ones = torch.ones(self.bundle, self.out_channels)
            self.register_buffer("increment_growth", ones)
        self.architecture = dict(section.architecture)
        self.network = self._initial_network()

    @classmethod
    def check_architecture(cls, architecture: Mapping[str, Any]) -> None:
        """Reject an ``architecture`` that the model cannot have; by default none.

        Raises:
            ConfigError: naming the key, its value, and what is allowed.
        """

    @abstractmethod
    def build_network(self, architecture: dict[str, Any]) -> nn.Module:
        """A module that maps ``[B, network_in_channels, *space]`` to that many output channels.

        These are ``in_channels`` and ``out_channels`` without ``coordinates``, ``potentials`` and
        ``bundle``.
        It is called once, with the random generator seeded from ``run_params.seed``.

        Args:
            architecture: ``model.synthetic.architecture`` as the experiment has it.
        """

    @property
    def in_channels(self) -> int:
        """Number of input channels, including static fields."""
        return sum(self.input_specs.values())

    @property
    def out_channels(self) -> int:
        """Number of predicted channels."""
        return sum(self.output_specs.values())

    @property
    def network_in_channels(self) -> int:
        """Number of channels that the network sees: inputs, harmonics, gradients."""
        gradients = self.out_channels * self.spatial_dims if self.potentials else 0
        return self.in_channels + num_coordinates(self.boundary, self.harmonics) + gradients

    @property
    def network_out_channels(self) -> int:
        """Number of channels that the network gives: the outputs of each state of a bundle."""
        return self.bundle * self.out_channels

    @property
    def network_settings(self) -> dict[str, Any]:
        """Settings of the network, as in ``model.synthetic``."""
        return {
            "architecture": dict(self.architecture),
            "coordinates": self.harmonics,
            "potentials": self.potentials,
        }

    def renew_network(
        self, architecture: Mapping[str, Any], coordinates: int, potentials: bool
    ) -> None:
        """Replace the network by one with initial weights; see :attr:`network_settings`."""
        self.architecture, self.harmonics = dict(architecture), coordinates
        self.potentials = potentials
        self._positions.clear()
        self.network = self._initial_network().to(self.input_mean.device)

    @property
    def parameter_defaults(self) -> dict[str, tuple[float, ...]]:
        """Values of inputs that are parameters, for simulations without values of their own."""
        return dict(self._parameter_defaults)

    @parameter_defaults.setter
    def parameter_defaults(self, values: Mapping[str, Sequence[float]]) -> None:
        check_parameters(values, self.input_specs, self.output_specs)
        self._parameter_defaults = {
            name: tuple(float(number) for number in numbers) for name, numbers in values.items()
        }

    @property
    def training_range(self) -> dict[str, tuple[list[float], list[float]]]:
        """Smallest and largest value of each channel of each input in the training, if known."""
        if self.input_range.isnan().any():
            return {}
        lowest, highest = self.input_range.tolist()
        places = channels_of(self.input_specs)
        return {
            name: ([lowest[place] for place in own], [highest[place] for place in own])
            for name, own in places.items()
        }

    @training_range.setter
    def training_range(self, ranges: Mapping[str, Sequence[Sequence[float]]]) -> None:
        if ranges:
            ends = [[x for name in self.input_specs for x in ranges[name][side]] for side in (0, 1)]
            self.input_range.copy_(torch.tensor(ends, dtype=torch.float64))

    def set_normalization(self, normalization: Normalization) -> None:
        """Set the statistics of the training data; the weights stay.

        Raises:
            ConfigError: if they are of other channels, or another number of steps.
        """
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

        Raises:
            ConfigError: if the windows have fewer targets than the bundle has states.
        """
        channels = self.state_channels.tolist()
        self.set_normalization(normalization_of(dataset, channels, self.bundle))

    def normalize_input(self, state: torch.Tensor) -> torch.Tensor:
        """Input channels in units of their standard deviation, ``[B, C_in, *space]``.

        A state in double precision has variations that single would lose, so it is rounded only
        now.
        """
        shape = (-1, *(1,) * self.spatial_dims)
        seen = (state - self.input_mean.view(shape)) / self.input_std.view(shape)
        return seen.to(self.input_mean.dtype) if state.dtype == torch.float64 else seen

    def output_std(self) -> torch.Tensor:
        """Standard deviation of each output channel in the training data, ``[C_out]``."""
        return self.input_std[self.state_channels]

    def prepare_input(self, state: torch.Tensor) -> torch.Tensor:
        """Input of the network for a state ``[B, C_in, *space]``; by default normalised."""
        return self.normalize_input(state)

    def network_output(self, state: torch.Tensor) -> torch.Tensor:
        """Output of the network for a state, ``[B, network_out_channels, *space]``."""
        seen = self.prepare_input(state)
        space = tuple(state.shape[2:])
        added = []
        if self.harmonics:
            position = self._position(space, seen)
            added.append(position.expand(seen.shape[0], *position.shape))
        if self.potentials:
            fields = self.predicted_part(self.normalize_input(state))
            added.append(self._potential_gradients(space, seen)(fields))
        return self.network(torch.cat([seen, *added], dim=1) if added else seen)

    def predict(self, state: torch.Tensor) -> torch.Tensor:
        """One pass of the network: input ``[B, C_in, *space]`` to ``[B, K, C_out, *space]``."""
        self._check_input(state)
        output = self.network_output(state)
        if output.shape[1] != self.network_out_channels:
            raise OwnModelError(
                f"model.synthetic.bundle: {self.bundle}: the network gives {output.shape[1]} "
                f"channels, {self.network_out_channels} are needed: network_out_channels of the "
                "model, not out_channels"
            )
        ones = (1,) * self.spatial_dims
        output = output.unflatten(1, (self.bundle, self.out_channels))
        if not self.residual:
            mean = self.input_mean[self.state_channels]
            if state.dtype == torch.float64:
                mean = mean.double()
            return mean.view(-1, *ones) + self.output_std().view(-1, *ones) * output
        increment = self.increment_std.view(-1, *ones) * output
        if self.bundle > 1:
            increment = increment * self.increment_growth.view(self.bundle, -1, *ones)
        return self.predicted_part(state).unsqueeze(1) + increment

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """One step: input ``[B, C_in, *space]`` to output ``[B, C_out, *space]``."""
        return self.predict(state)[:, 0]

    @overload
    def rollout(self, state: torch.Tensor, steps: int) -> torch.Tensor: ...

    @overload
    def rollout(self, state: "xr.Dataset", steps: int, **options: Any) -> "xr.Dataset": ...

    def rollout(self, state: Any, steps: int, **options: Any) -> Any:
        """Predict ``steps`` steps from an input, in ⌈steps / K⌉ passes.

        Args:
            state: Input ``[B, C_in, *space]``; or, of a loaded model, a state as a dataset.
            steps: Number of steps, at least 1.
            **options: For a dataset, see :func:`hybrid_pde.models.forecast.forecast_dataset`.

        Returns:
            Outputs ``[B, steps, C_out, *space]``, without the given state; or a dataset.
        """
        if not isinstance(state, torch.Tensor):  # a training must not depend on code for files
            forecaster = importlib.import_module(_FORECASTER)
            return forecaster.rollout_dataset(self, state, steps, **options)
        return torch.stack(list(self.steps(state, steps)), dim=1)

    def steps(self, state: torch.Tensor, steps: int) -> Iterator[torch.Tensor]:
        """The outputs of a rollout one by one, ``[B, C_out, *space]`` each.

        The derivative of a rollout of more than :data:`MAX_STEPS_KEPT` passes computes the inside
        of each pass once more, so that memory grows with the states alone.
        """
        advance = self if self.bundle == 1 else self.predict
        passes = -(-steps // self.bundle)
        saves_memory = passes > MAX_STEPS_KEPT and torch.is_grad_enabled()
        for number in range(passes):
            made = (
                checkpoint(advance, state, use_reentrant=False) if saves_memory else advance(state)
            )
            outputs = [made] if self.bundle == 1 else list(made.unbind(1))
            yield from outputs[: steps - number * self.bundle]
            state = self.next_input(state, outputs[-1])

    def predicted_part(self, state: torch.Tensor) -> torch.Tensor:
        """The predicted channels of an input, in the order of the outputs."""
        return state if self._predicts_all else state[:, self.state_channels]

    def next_input(self, state: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """The input with its predicted channels replaced; static channels stay."""
        if self._predicts_all:
            return output
        return state.index_copy(1, self.state_channels, output)

    def _initial_network(self) -> nn.Module:
        """A network with weights that depend on the seed alone."""
        with torch.random.fork_rng(devices=[]):  # drawing weights must not move the caller's
            torch.manual_seed(self.experiment.run_params.seed)
            return self.build_network(dict(self.architecture))

    def _check_input(self, state: torch.Tensor) -> None:
        if state.ndim != self.spatial_dims + 2 or state.shape[1] != self.in_channels:
            raise ValueError(
                f"input of shape {list(state.shape)}; expected [B, {self.in_channels}, *space] "
                f"with {self.spatial_dims} spatial axes for the inputs {self.input_specs}"
            )

    def _position(self, space: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
        """Harmonics of the position on a grid of so many points, as far as ``like`` reaches."""
        key = (space, tuple(like.shape[2:]), like.device, like.dtype)
        if key not in self._positions:
            with torch.inference_mode(False):  # it may be used in a training later on
                made = coordinates(space, like.shape[2:], self.boundary, self.harmonics)
                self._positions[key] = made.to(like.device, like.dtype)
        return self._positions[key]

    def _potential_gradients(
        self, space: tuple[int, ...], like: torch.Tensor
    ) -> PotentialGradients:
        """Gradients of potentials on a grid of so many points, as far as ``like`` reaches."""
        key = (space, tuple(like.shape[2:]), tuple(self.spacing), like.device, like.dtype)
        if key not in self._gradients:
            with torch.inference_mode(False):  # it may be used in a training later on
                made = PotentialGradients(space, like.shape[2:], self.boundary, self.spacing)
                self._gradients[key] = made.to(like)
        return self._gradients[key]
