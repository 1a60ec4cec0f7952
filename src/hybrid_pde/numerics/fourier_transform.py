"""Fourier transforms of real fields on a periodic box, and symbols of derivatives.

Modes are PhiML tensors with the spatial dimensions of the field. The last axis in ascending order
has n // 2 + 1 modes; negative wavenumbers along it follow by symmetry. A box of length L with n
points has the wavenumbers 2πm/L, m = -n/2 … n/2.

Source: Trefethen (2000), Spectral Methods in MATLAB, chapter 3.
"""

from collections.abc import Mapping
from math import pi

import numpy as np
import torch
from phi.torch.flow import channel, math, spatial

from hybrid_pde.domain.grid import Grid

# Share of the wavenumbers of each axis that are kept in dealiased products.
KEPT_SHARE = 2 / 3


def to_modes(u: math.Tensor) -> math.Tensor:
    """Fourier modes of a real field along all spatial axes.

    PhiML's own transform is complex and works axis by axis, which is twice as expensive.
    """
    axes = sorted(u.shape.spatial.names)
    others = u.shape.non_spatial
    native = u.native([*others.names, *axes])
    if not isinstance(native, torch.Tensor):
        # Converted only if necessary: a traced conversion prevents the reuse of equal transforms.
        native = torch.as_tensor(native)
    modes = torch.fft.rfftn(native, dim=list(range(-len(axes), 0)))
    sizes = modes.shape[len(others) :]
    dims = [spatial(**{axis: size}) for axis, size in zip(axes, sizes, strict=True)]
    return math.reshaped_tensor(modes, [*others, *dims])


def to_values(modes: math.Tensor, sizes: Mapping[str, int]) -> math.Tensor:
    """The real field with the given modes; the inverse of :func:`to_modes`.

    Args:
        modes: Fourier modes.
        sizes: Number of points of the field along each axis.
    """
    axes = sorted(sizes)
    others = modes.shape.non_spatial
    values = torch.fft.irfftn(
        modes.native([*others.names, *axes]),
        s=[sizes[axis] for axis in axes],
        dim=list(range(-len(axes), 0)),
    )
    return math.reshaped_tensor(values, [*others, *(spatial(**{a: sizes[a]}) for a in axes)])


def symbols(grid: Grid) -> dict[str, math.Tensor]:
    """Fourier symbols of derivatives, and the dealiasing mask.

    Returns:
        ``first`` and ``second``: symbols ik of ∂ and −k² of ∂² along each axis, with the dimension
        ``vector``; ``kept``: 1 for modes below two thirds of the largest wavenumber of each axis,
        otherwise 0 (2/3 rule).
    """
    first, second, kept = [], [], []
    for number, (n, dx) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        m = np.fft.fftfreq(n, 1 / n)
        if number == len(grid.axes) - 1:
            m = np.abs(m[: n // 2 + 1])
        k = 2 * pi * m / (n * dx)
        second.append(-(k**2))
        # The Nyquist mode cos(πi) has no partner sin(πi) on the grid; its odd derivatives are 0.
        first.append(1j * np.where(2 * np.abs(m) == n, 0.0, k))
        kept.append((np.abs(m) < KEPT_SHARE * n / 2).astype(float))
    sizes = [len(line) for line in kept]
    dims = [spatial(**{axis: size}) for axis, size in zip(grid.axes, sizes, strict=True)]
    vector = channel(vector=",".join(grid.axes))
    mask = np.prod(np.stack(np.meshgrid(*kept, indexing="ij")), axis=0)
    return {
        "first": math.reshaped_tensor(_stack(first), [vector, *dims]),
        "second": math.reshaped_tensor(_stack(second), [vector, *dims]),
        "kept": math.reshaped_tensor(torch.from_numpy(mask), dims),
    }


def _stack(lines: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(np.meshgrid(*lines, indexing="ij")))
