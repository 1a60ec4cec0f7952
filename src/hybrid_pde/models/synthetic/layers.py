"""Layers of the convolutional networks.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space; a tensor is ``[B, C, *space]``.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from hybrid_pde.models.synthetic.architecture_options import ConvolutionArchitecture
from hybrid_pde.models.synthetic.padding import Boundary, pad

CONVOLUTIONS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}
_MAX_GROUPS = 8


class PreActivated(nn.Module):
    """conv(act(norm(x))), which keeps the size of the grid.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        options: Kernel size and activation.
        norm: Normalisation before the activation, e.g. :func:`norm_of`.
        boundary: Boundary conditions for padding the activated channels.
        dilation: Distance of the points that the convolution sees.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        options: ConvolutionArchitecture,
        norm: nn.Module,
        boundary: Boundary,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.boundary = boundary
        self.width = dilation * (options.kernel_size // 2)
        self.activation = ACTIVATIONS[options.activation]
        self.norm = norm
        self.convolution = CONVOLUTIONS[len(boundary) - 1](
            in_channels, out_channels, options.kernel_size, dilation=dilation
        )

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """``[B, in_channels, *space]`` to ``[B, out_channels, *space]``."""
        activated = self.activation(self.norm(hidden))
        return self.convolution(pad(activated, self.width, self.boundary))


class Residual(nn.Module):
    """x + layers(x), with a 1-point convolution of x where the numbers of channels differ.

    Source: He et al. (2016), ECCV, for the activation before each convolution.

    Args:
        layers: Layers in sequence.
        shortcut: Layer that x passes.
    """

    def __init__(self, layers: Sequence[nn.Module], shortcut: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.shortcut = shortcut

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """``[B, in_channels, *space]`` to ``[B, out_channels, *space]``."""
        return self.shortcut(hidden) + self.layers(hidden)


def residual_block(
    in_channels: int,
    out_channels: int,
    options: ConvolutionArchitecture,
    norm: str,
    boundary: Boundary,
    dilations: Sequence[int] = (1, 1),
) -> Residual:
    """The input plus a sequence of convolutions of it, one for each dilation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        options: Kernel size and activation.
        norm: ``group`` or ``none``, before each convolution.
        boundary: Boundary conditions for padding hidden channels.
        dilations: Distance of the points that each convolution sees.
    """
    widths = [in_channels] + [out_channels] * (len(dilations) - 1)
    layers = [
        PreActivated(width, out_channels, options, norm_of(norm, width), boundary, dilation)
        for width, dilation in zip(widths, dilations, strict=True)
    ]
    if in_channels == out_channels:
        return Residual(layers, nn.Identity())
    return Residual(layers, CONVOLUTIONS[len(boundary) - 1](in_channels, out_channels, 1))


class Stack(nn.Module):
    """Layers at full resolution between a first convolution and a 1-point projection.

    Args:
        in_channels: Channels of the input, which comes padded by half a kernel.
        out_channels: Channels of the output.
        options: Number of hidden channels, kernel size and activation.
        layers: Layers in between; each keeps the number of channels and the size.
        spatial_dims: Number of spatial axes.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        options: ConvolutionArchitecture,
        layers: Sequence[nn.Module],
        spatial_dims: int,
    ) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[spatial_dims - 1]
        self.lift = convolution(in_channels, options.hidden_channels, options.kernel_size)
        self.layers = nn.Sequential(*layers)
        self.activation = ACTIVATIONS[options.activation]
        self.project = convolution(options.hidden_channels, out_channels, 1)

    def forward(self, padded: torch.Tensor) -> torch.Tensor:
        """Padded input ``[B, C_in, *space + 2w]`` to output ``[B, C_out, *space]``."""
        return self.project(self.activation(self.layers(self.lift(padded))))


def norm_of(kind: str, channels: int) -> nn.Module:
    """``group``: normalisation of each sample in the largest number of equal groups up to 8."""
    if kind == "none":
        return nn.Identity()
    groups = next(n for n in range(min(_MAX_GROUPS, channels), 0, -1) if channels % n == 0)
    return nn.GroupNorm(groups, channels)
