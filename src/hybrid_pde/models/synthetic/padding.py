"""Padding by the boundary conditions of the grid.

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space; a tensor is ``[B, C, *space]``.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from hybrid_pde.domain.grid import PERIODIC, Side

Boundary = tuple[tuple[Side, Side], ...]  # (lower, upper) of each axis


def pad(values: torch.Tensor, width: int | Sequence[int], boundary: Boundary) -> torch.Tensor:
    """Extend a tensor by ``width`` points on every side, by its boundary conditions.

    Args:
        values: Tensor ``[B, C, *space]``.
        width: Number of points, of all axes or of each; at most the size of a periodic axis.
        boundary: For each axis the condition on its (lower, upper) side: a periodic side
            continues with the opposite one, a zero-gradient one repeats its last point, and a
            number fills the points beyond its side.

    Returns:
        Tensor ``[B, C, *space]`` with ``2 * width`` points more on each axis.
    """
    widths = [width] * len(boundary) if isinstance(width, int) else list(width)
    wrapped = [w if PERIODIC in sides else 0 for w, sides in zip(widths, boundary, strict=True)]
    if any(wrapped):
        values = _Wrap.apply(values, tuple(wrapped))
    for axis, (added, (lower, upper)) in enumerate(zip(widths, boundary, strict=True)):
        if added == 0 or wrapped[axis]:
            continue
        if lower == upper:
            values = _pad_axis(values, axis, (added, added), lower)
        else:
            values = _pad_axis(values, axis, (added, 0), lower)
            values = _pad_axis(values, axis, (0, added), upper)
    return values


def with_fixed(boundary: Boundary, replacement: Side) -> Boundary:
    """The boundary with every fixed value replaced, for tensors that the value does not concern."""
    return tuple(
        (_replaced(lower, replacement), _replaced(upper, replacement)) for lower, upper in boundary
    )


def _replaced(side: Side, replacement: Side) -> Side:
    return side if isinstance(side, str) else replacement


def _pad_axis(values: torch.Tensor, axis: int, widths: tuple[int, int], side: Side) -> torch.Tensor:
    after = values.ndim - 3 - axis  # axes behind this one, which come first in PyTorch's order
    before = axis
    widths_of_all = (0, 0) * after + widths + (0, 0) * before
    if isinstance(side, str):
        return functional.pad(values, widths_of_all, mode="replicate")
    return functional.pad(values, widths_of_all, mode="constant", value=side)


class _Wrap(torch.autograd.Function):
    """Periodic extension of the axes with a width above 0, all at once.

    ``functional.pad(mode="circular")`` does the same, but its derivative copies the whole tensor
    once for each slice: a third of the time of a training step of the U-Net.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, widths: tuple[int, ...]) -> torch.Tensor:
        ctx.widths = widths
        if torch.compiler.is_compiling():  # in place, it would be more operations there
            return _wrapped_by_parts(values, widths)
        sizes = [n + 2 * w for n, w in zip(values.shape[2:], widths, strict=True)]
        shape, kind = [*values.shape[:2], *sizes], {"dtype": values.dtype, "device": values.device}
        result = torch.empty(shape, memory_format=_format(values), **kind)
        parts = [result]  # without the extension of the first axes, of none to all of them
        for axis, width in enumerate(widths, 2):
            parts.append(parts[-1].narrow(axis, width, values.shape[axis]))
        parts.pop().copy_(values)
        for axis, width in reversed([*enumerate(widths, 2)]):
            part, size = parts.pop(), values.shape[axis]
            part.narrow(axis, 0, width).copy_(part.narrow(axis, size, width))
            part.narrow(axis, width + size, width).copy_(part.narrow(axis, width, width))
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _folded(gradient, ctx.widths), None


def _wrapped_by_parts(values: torch.Tensor, widths: tuple[int, ...]) -> torch.Tensor:
    """The extension, axis by axis."""
    for axis, width in enumerate(widths, 2):
        size = values.shape[axis]
        lower, upper = values.narrow(axis, size - width, width), values.narrow(axis, 0, width)
        values = torch.cat([lower, values, upper], dim=axis) if width else values
    return values


def _folded(gradient: torch.Tensor, widths: tuple[int, ...]) -> torch.Tensor:
    """The sum over all points that are copies of one, for the last axes of these widths."""
    if not widths:
        return gradient.clone()
    axis, width, further = gradient.ndim - len(widths), widths[0], widths[1:]
    size = gradient.shape[axis] - 2 * width
    result = _folded(gradient.narrow(axis, width, size), further)
    if width:
        lower = _folded(gradient.narrow(axis, 0, width), further)
        upper = _folded(gradient.narrow(axis, width + size, width), further)
        result.narrow(axis, size - width, width).add_(lower)
        result.narrow(axis, 0, width).add_(upper)
    return result


def _format(values: torch.Tensor) -> torch.memory_format:
    """Order of the values in memory."""
    is_last = values.ndim == 4 and values.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_last else torch.contiguous_format
