"""Base classes of the built-in surrogates: options, padding, initial weights of persistence.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space; a state is ``[B, C, *space]``.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn

from hybrid_pde.errors import ConfigError
from hybrid_pde.models.synthetic.architecture_options import (
    KEY,
    Architecture,
    ConvolutionArchitecture,
)
from hybrid_pde.models.synthetic.padding import pad, with_fixed
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel

Options = TypeVar("Options", bound=Architecture)
Convolutions = TypeVar("Convolutions", bound=ConvolutionArchitecture)


class PaddedModel(SyntheticModel, Generic[Options]):
    """Surrogate with an input that is padded by the boundary conditions.

    Fields are padded once, before they are normalised: predicted fields with the fixed value of a
    side, static inputs, to which that value does not apply, with their last point. Hidden layers
    are padded with zero beyond a fixed value (:attr:`hidden_boundary`).

    Raises:
        ConfigError: for an option that is unknown or wrong.
    """

    options_class: ClassVar[type[Architecture]]
    options: Options

    @classmethod
    def check_architecture(cls, architecture: Mapping[str, Any]) -> None:
        """Reject options that are unknown or wrong, and a missing package."""
        cls.options_class.parse(architecture)

    def build_network(self, architecture: dict[str, Any]) -> nn.Module:
        """The network, with a last layer of zeros, so that training starts from persistence."""
        options: Any = self.options_class.parse(architecture)
        if options.spatial_dims not in (None, self.spatial_dims):
            raise ConfigError(
                f"{KEY}.spatial_dims: {options.spatial_dims}: the data have {self.spatial_dims} "
                "spatial axes; leave the key out"
            )
        self.options = options
        self.hidden_boundary = with_fixed(self.boundary, 0.0)
        self.static_boundary = with_fixed(self.boundary, "zero-gradient")
        predicted = set(self.predicted_places)
        self.static_channels = [c for c in range(self.in_channels) if c not in predicted]
        network = self.make_network()
        for parameter in self.last_layer(network).parameters():
            nn.init.zeros_(parameter)
        return network

    @abstractmethod
    def make_network(self) -> nn.Module:
        """A module that maps the padded input to the output.

        It has ``network_in_channels`` and ``network_out_channels``, and takes
        :attr:`hidden_boundary` for its hidden layers.
        """

    @abstractmethod
    def last_layer(self, network: nn.Module) -> nn.Module:
        """The network's last linear layer."""

    @abstractmethod
    def padding_widths(self, space: Sequence[int]) -> Sequence[int]:
        """Points of padding at either end of each axis.

        Args:
            space: Number of points along each axis.
        """

    def prepare_input(self, state: torch.Tensor) -> torch.Tensor:
        """The padded and normalised input, ``[B, C_in, *space + 2w]``."""
        space = state.shape[2:]
        self.options.check_grid(space, self.boundary)
        widths = self.padding_widths(space)
        padded = pad(state, widths, self.boundary)
        if self.static_channels and self.static_boundary != self.boundary:
            static = pad(state[:, self.static_channels], widths, self.static_boundary)
            index = torch.tensor(self.static_channels, device=state.device)
            padded = padded.index_copy(1, index, static)
        return self.normalize_input(padded)


class ConvolutionalModel(PaddedModel[Convolutions]):
    """Surrogate with a network from a first convolution to the last layer, ``project``."""

    def build_network(self, architecture: dict[str, Any]) -> nn.Module:
        """The network, in the memory format that is fastest for its number of axes."""
        network = super().build_network(architecture)
        if self.spatial_dims == 2:  # a training step on the CPU then takes a quarter less time
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def last_layer(self, network: nn.Module) -> nn.Module:
        """The network's 1-point convolution at its end."""
        return network.get_submodule("project")

    def padding_widths(self, space: Sequence[int]) -> Sequence[int]:
        """Half a kernel at either end of each axis."""
        return (self.options.kernel_size // 2,) * len(space)
