"""Spectral convolution of a Fourier neural operator: a product for each long Fourier mode.

It replaces ``SpectralConv`` of the package neuraloperator, whose weights it takes and whose numbers
it gives to rounding; unlike that one, ``torch.export`` can leave its number of windows open, and it
takes odd numbers of points along every axis.

Layout: ``B`` windows, ``I`` and ``O`` channels, ``X Y Z`` space, ``K`` modes along an axis.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class SpectralConvolution(nn.Module):
    """v_O(k) = Σ_I W_IO(k) u_I(k) + bias for the wavenumbers −K/2 ≤ k < K/2, 0 for the others.

    Along the last axis the wavenumbers are 0 … K/2, because the Fourier transform of real values
    repeats there. A grid with fewer points has fewer modes. Weights are stored with ascending
    wavenumbers.

    Source: Li et al. (2021), ICLR, section 4; the conventions are those of neuraloperator 2.0.

    Args:
        in_channels: Channels of the input, I.
        out_channels: Channels of the output, O.
        n_modes: Number of modes along each axis, K, an even number.
        **options: Further arguments of neuraloperator's class, which have their default values.
    """

    def __init__(
        self, in_channels: int, out_channels: int, n_modes: Sequence[int], **options: Any
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.n_modes = (*n_modes[:-1], n_modes[-1] // 2 + 1)
        spread = (2 / (in_channels + out_channels)) ** 0.5
        self.weight = _Weight((in_channels, out_channels, *self.n_modes), spread)
        ones = (1,) * len(n_modes)
        self.bias = nn.Parameter(spread * torch.randn(out_channels, *ones))

    def forward(self, values: torch.Tensor, output_shape: None = None) -> torch.Tensor:
        """``[B, I, *space]`` to ``[B, O, *space]``."""
        space = values.shape[2:]
        axes = [axis - len(space) for axis in range(len(space))]
        kept = [min(n, k) for n, k in zip(space[:-1], self.n_modes[:-1], strict=True)]
        kept.append(min(space[-1] // 2 + 1, self.n_modes[-1]))
        modes = torch.fft.rfftn(values, dim=axes, norm="forward")
        weight: torch.Tensor = self.weight.tensor
        for axis, (length, most) in enumerate(zip(kept, self.n_modes, strict=True), start=2):
            if axis == values.ndim - 1:
                modes, start = modes.narrow(axis, 0, length), 0
            else:  # a shorter axis has the modes in the middle of the stored ones
                modes, start = _inner(modes, axis, length), (most - length) // 2
            weight = weight.narrow(axis, start, length)
        product = torch.einsum("bi...,io...->bo...", modes, weight)
        for axis, length in enumerate(kept[:-1], start=2):
            product = _spread(product, axis, length, values.shape[axis])
        result = torch.fft.irfftn(product, s=list(space), dim=axes, norm="forward")
        return result + self.bias

    def transform(self, values: torch.Tensor, output_shape: None = None) -> torch.Tensor:
        """The values on the grid of the output, which is that of the input."""
        return values


class _Weight(nn.Module):
    """Weights ``[I, O, K, …]`` under the name that they have in neuraloperator."""

    def __init__(self, shape: Sequence[int], spread: float) -> None:
        super().__init__()
        values = torch.empty(*shape, dtype=torch.cfloat)
        self.tensor = nn.Parameter(values.normal_(0, spread))


def _inner(modes: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    """The modes −K/2 ≤ k < K/2 in ascending order, from the order of a Fourier transform."""
    negative, positive = length // 2, length - length // 2
    last = modes.narrow(axis, modes.shape[axis] - negative, negative)
    return torch.cat([last, modes.narrow(axis, 0, positive)], dim=axis)


def _spread(modes: torch.Tensor, axis: int, length: int, points: int) -> torch.Tensor:
    """The inverse of :func:`_inner`, with zeros for the other modes of an axis of ``points``."""
    negative, positive = length // 2, length - length // 2
    parts = [modes.narrow(axis, negative, positive), modes.narrow(axis, 0, negative)]
    if points > length:
        shape = list(modes.shape)
        shape[axis] = points - length
        parts.insert(1, modes.new_zeros(shape))
    return torch.cat(parts, dim=axis)
