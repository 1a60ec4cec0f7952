"""U-Net in one, two or three dimensions, padded by the boundary conditions of the grid.

Source: Ronneberger, Fischer, Brox (2015), MICCAI, with the pre-activated residual blocks of He et
al. (2016), ECCV. Resolutions are halved by averaging and doubled by repetition, which keep a
periodic grid free of seams whatever its size.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from hybrid_pde.models.synthetic.architectures.unet.options import UNetArchitecture
from hybrid_pde.models.synthetic.convolutional_model import ConvolutionalModel
from hybrid_pde.models.synthetic.layers import ACTIVATIONS, CONVOLUTIONS, residual_block
from hybrid_pde.models.synthetic.padding import Boundary

_POOLS: tuple[Callable[..., torch.Tensor], ...] = (
    functional.avg_pool1d,
    functional.avg_pool2d,
    functional.avg_pool3d,
)
_ADAPTIVE_POOLS: tuple[Callable[..., torch.Tensor], ...] = (
    functional.adaptive_avg_pool1d,
    functional.adaptive_avg_pool2d,
    functional.adaptive_avg_pool3d,
)


class UNet(ConvolutionalModel[UNetArchitecture]):
    """Surrogate whose step is a residual U-Net; options of :class:`UNetArchitecture`.

    On a periodic grid whose sizes are multiples of 2^depth it commutes with shifts by 2^depth
    points.

    Raises:
        ConfigError: for an option that is unknown or wrong.
    """

    options_class = UNetArchitecture

    def make_network(self) -> nn.Module:
        """Encoder levels, coarsest level, decoder levels."""
        return UNetwork(
            self.network_in_channels, self.network_out_channels, self.options, self.hidden_boundary
        )


class UNetwork(nn.Module):
    """The layers: encoder levels, coarsest level, decoder levels with skip connections.

    Args:
        in_channels: Channels of the input, which comes padded by half a kernel.
        out_channels: Channels of the output.
        options: Width, depth and the rest.
        boundary: Boundary conditions for padding hidden channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, options: UNetArchitecture, boundary: Boundary
    ) -> None:
        super().__init__()
        widths = [options.hidden_channels * 2**level for level in range(options.depth + 1)]

        def level(channels: int, width: int) -> nn.Sequential:
            starts = [channels] + [width] * (options.blocks - 1)
            return nn.Sequential(
                *(residual_block(start, width, options, options.norm, boundary) for start in starts)
            )

        convolution = CONVOLUTIONS[len(boundary) - 1]
        self.lift = convolution(in_channels, widths[0], options.kernel_size)
        self.down = nn.ModuleList(
            level(widths[max(0, place - 1)], width) for place, width in enumerate(widths)
        )
        self.up = nn.ModuleList(
            level(coarse + fine, fine)
            for fine, coarse in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.activation = ACTIVATIONS[options.activation]
        self.project = convolution(widths[0], out_channels, 1)

    def forward(self, padded: torch.Tensor) -> torch.Tensor:
        """Padded input ``[B, C_in, *space + 2w]`` to output ``[B, C_out, *space]``."""
        hidden = self.lift(padded)
        skips: list[torch.Tensor] = []
        for level in self.down:
            hidden = level(halve(hidden) if skips else hidden)
            skips.append(hidden)
        skips.pop()
        for level in self.up:
            skip = skips.pop()
            hidden = level(torch.cat([enlarge(hidden, skip.shape[2:]), skip], dim=1))
        return self.project(self.activation(hidden))


def halve(values: torch.Tensor) -> torch.Tensor:
    """Averages of two neighbours along each axis; ⌈n/2⌉ overlapping averages of an odd n."""
    axes = values.ndim - 2
    if all(size % 2 == 0 for size in values.shape[2:]):
        return _POOLS[axes - 1](values, 2)
    return _ADAPTIVE_POOLS[axes - 1](values, [-(-size // 2) for size in values.shape[2:]])


def enlarge(values: torch.Tensor, sizes: torch.Size) -> torch.Tensor:
    """The value of the coarse point that each fine point lies in."""
    return functional.interpolate(values, size=tuple(sizes), mode="nearest")
