"""Fourier neural operator of the package neuraloperator, in one, two or three dimensions.

Source: Li et al. (2021), ICLR; https://github.com/neuraloperator/neuraloperator.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

import importlib
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hybrid_pde.domain.grid import PERIODIC
from hybrid_pde.models.synthetic.architectures.fno.options import FNOArchitecture
from hybrid_pde.models.synthetic.architectures.fno.spectral_convolution import SpectralConvolution
from hybrid_pde.models.synthetic.convolutional_model import PaddedModel
from hybrid_pde.models.synthetic.layers import ACTIVATIONS
from hybrid_pde.models.synthetic.padding import Boundary


class FNO(PaddedModel[FNOArchitecture]):
    """Surrogate whose step is a Fourier neural operator; options of :class:`FNOArchitecture`.

    Its layers multiply the long Fourier modes of the whole box, so that a step sees everything. It
    is periodic by nature: an axis with walls is extended beforehand by a share of its length, as
    the boundary says, and the output there is cut off. On a periodic grid it commutes with every
    shift; it has no positions unless ``model.synthetic.coordinates`` says so.

    Raises:
        ConfigError: for an option that is unknown or wrong, or if the package is missing.
    """

    options_class = FNOArchitecture
    exports_to_onnx = False  # it multiplies complex numbers

    def make_network(self) -> nn.Module:
        """The operator between a lifting and a projecting perceptron."""
        return FourierNetwork(
            self.network_in_channels, self.network_out_channels, self.options, self.boundary
        )

    def last_layer(self, network: nn.Module) -> nn.Module:
        """The last layer of the projecting perceptron."""
        return network.get_submodule("operator.projection.fcs.1")

    def padding_widths(self, space: Sequence[int]) -> Sequence[int]:
        """A share of each axis with walls at either end."""
        return [
            0 if PERIODIC in sides else round(self.options.padding * points)
            for points, sides in zip(space, self.boundary, strict=True)
        ]

    def network_output(self, state: torch.Tensor) -> torch.Tensor:
        """Output of the network without the padding."""
        output = super().network_output(state)
        space = state.shape[2:]
        for axis, (points, width) in enumerate(zip(space, self.padding_widths(space), strict=True)):
            output = output.narrow(axis + 2, width, points)
        return output


class FourierNetwork(nn.Module):
    """The operator of the package with our spectral convolution, without positions and padding.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        options: Modes, layers and the rest.
        boundary: The grid's.
    """

    def __init__(
        self, in_channels: int, out_channels: int, options: FNOArchitecture, boundary: Boundary
    ) -> None:
        super().__init__()
        with warnings.catch_warnings():  # importing the package changes the process's filters
            package = importlib.import_module("neuralop.models")
        self.operator = package.FNO(
            n_modes=(options.modes,) * len(boundary),
            in_channels=in_channels,
            out_channels=out_channels,
            hidden_channels=options.hidden_channels,
            n_layers=options.layers,
            positional_embedding=None,
            non_linearity=ACTIVATIONS[options.activation],
            conv_module=SpectralConvolution,
        )
        self.register_state_dict_post_hook(_without_metadata)
        self.has_walls = [PERIODIC not in sides for sides in boundary]

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Padded input ``[B, C_in, *space]`` to ``[B, C_out, *space]``, as large."""
        space = values.shape[2:]
        # trained weights belong to this padding: an even number of points along every axis between
        # walls but the last; the point that is added is cut off with the others
        more = [size % 2 * walls for size, walls in zip(space, self.has_walls, strict=True)]
        more[-1] = 0
        if any(more):
            after = [width for number in reversed(more) for width in (0, number)]
            values = functional.pad(values, after, mode="replicate")
        output = self.operator(values)
        return output[(..., *(slice(size) for size in space))]


def _without_metadata(module: nn.Module, state: dict[str, Any], prefix: str, local: Any) -> None:
    """Drop the package's note of its arguments, which is no weight, from a state's weights."""
    state.pop("_metadata", None)
