"""U-Net in one, two or three dimensions, padded by the boundary conditions of the grid.

Source: Ronneberger, Fischer, Brox (2015), MICCAI, with the pre-activated residual blocks of He et
al. (2016), ECCV. Resolutions are halved by averaging and doubled by repetition, which keep a
periodic grid free of seams whatever its size.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from src.errors import ConfigError
from src.models.registry import ModelRegistry
from src.models.synthetic.padding import Boundary, pad, with_fixed
from src.models.synthetic.synthetic_model import SyntheticModel
from src.models.synthetic.unet_architecture import KEY, UNetArchitecture

_CONVOLUTIONS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}
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
_MAX_GROUPS = 8


@ModelRegistry.register_synthetic("UNet")
class UNet(SyntheticModel):
    """Surrogate whose step is a residual U-Net; the options are :class:`UNetArchitecture`'s.

    On a periodic grid whose sizes are multiples of 2^depth it commutes with shifts by 2^depth
    points. A fixed value stands beyond its side of the predicted fields; beyond the sides of
    static fields, which it does not concern, their last point is repeated.

    Raises:
        ConfigError: for an option that is unknown or wrong.
    """

    def build_network(self, architecture: dict[str, Any]) -> nn.Module:
        """The U-Net, its last layer at zero so that training starts from persistence."""
        options = UNetArchitecture.parse(architecture)
        if options.spatial_dims not in (None, self.spatial_dims):
            raise ConfigError(
                f"{KEY}.spatial_dims: {options.spatial_dims}: the data have {self.spatial_dims} "
                "spatial axes; leave the key out"
            )
        self.options = options
        self.static_boundary = with_fixed(self.boundary, "zero-gradient")
        static = sorted(set(range(self.in_channels)) - set(self.state_channels.tolist()))
        self.static_channels = static
        network = UNetwork(self.in_channels, self.out_channels, options, self.boundary)
        if self.spatial_dims == 2:  # a training step on the CPU then takes a quarter less time
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def prepare_input(self, state: torch.Tensor) -> torch.Tensor:
        """The input with the values beyond its sides, normalised: ``[B, C_in, *space + 2w]``."""
        self._check_size(state)
        width = self.options.kernel_size // 2
        padded = pad(state, width, self.boundary)
        if self.static_channels and self.static_boundary != self.boundary:
            static = pad(state[:, self.static_channels], width, self.static_boundary)
            index = torch.tensor(self.static_channels, device=state.device)
            padded = padded.index_copy(1, index, static)
        return self.normalize_input(padded)

    def _check_size(self, state: torch.Tensor) -> None:
        smallest = max(1, self.options.kernel_size // 2)
        for size in state.shape[2:]:
            if -(-size // 2**self.options.depth) < smallest:
                raise ConfigError(
                    f"{KEY}.depth: {self.options.depth}: the grid of {list(state.shape[2:])} "
                    f"points has fewer than {smallest} on its coarsest level; choose a smaller "
                    "depth or kernel_size"
                )


class UNetwork(nn.Module):
    """The layers: encoder levels, coarsest level, decoder levels with skip connections.

    Args:
        in_channels: Channels of the input, which comes padded by half a kernel.
        out_channels: Channels of the output.
        options: Width, depth and the rest.
        boundary: The grid's; what lies beyond a fixed value is zero for hidden channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, options: UNetArchitecture, boundary: Boundary
    ) -> None:
        super().__init__()
        hidden_boundary = with_fixed(boundary, 0.0)
        widths = [options.hidden_channels * 2**level for level in range(options.depth + 1)]

        def level(channels: int, width: int) -> nn.Sequential:
            starts = [channels] + [width] * (options.blocks - 1)
            return nn.Sequential(
                *(ResidualBlock(start, width, options, hidden_boundary) for start in starts)
            )

        convolution = _CONVOLUTIONS[len(boundary) - 1]
        self.lift = convolution(in_channels, widths[0], options.kernel_size)
        self.down = nn.ModuleList(
            level(widths[max(0, place - 1)], width) for place, width in enumerate(widths)
        )
        self.up = nn.ModuleList(
            level(coarse + fine, fine)
            for fine, coarse in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.activation = _ACTIVATIONS[options.activation]
        self.project = convolution(widths[0], out_channels, 1)
        for parameter in self.project.parameters():
            nn.init.zeros_(parameter)

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


class ResidualBlock(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), with a 1-point convolution where widths differ."""

    def __init__(
        self, in_channels: int, out_channels: int, options: UNetArchitecture, boundary: Boundary
    ) -> None:
        super().__init__()
        convolution = _CONVOLUTIONS[len(boundary) - 1]
        self.boundary = boundary
        self.width = options.kernel_size // 2
        self.activation = _ACTIVATIONS[options.activation]
        self.norms = nn.ModuleList(
            _norm(options.norm, channels) for channels in (in_channels, out_channels)
        )
        self.first = convolution(in_channels, out_channels, options.kernel_size)
        self.second = convolution(out_channels, out_channels, options.kernel_size)
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else convolution(in_channels, out_channels, 1)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """``[B, in_channels, *space]`` to ``[B, out_channels, *space]``."""
        result = self.first(self._padded(self.norms[0](hidden)))
        result = self.second(self._padded(self.norms[1](result)))
        return self.shortcut(hidden) + result

    def _padded(self, values: torch.Tensor) -> torch.Tensor:
        return pad(self.activation(values), self.width, self.boundary)


def halve(values: torch.Tensor) -> torch.Tensor:
    """Averages of two neighbours along each axis; ⌈n/2⌉ overlapping averages of an odd n."""
    axes = values.ndim - 2
    if all(size % 2 == 0 for size in values.shape[2:]):
        return _POOLS[axes - 1](values, 2)
    return _ADAPTIVE_POOLS[axes - 1](values, [-(-size // 2) for size in values.shape[2:]])


def enlarge(values: torch.Tensor, sizes: torch.Size) -> torch.Tensor:
    """The value of the coarse point that each fine point lies in."""
    return functional.interpolate(values, size=tuple(sizes), mode="nearest")


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    groups = next(n for n in range(min(_MAX_GROUPS, channels), 0, -1) if channels % n == 0)
    return nn.GroupNorm(groups, channels)
