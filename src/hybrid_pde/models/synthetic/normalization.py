"""Statistics of the training data, a number for each channel.

Layout: ``T`` steps, ``C`` channels, ``X Y Z`` space; a window is an input ``[C_in, *space]`` with
targets ``[T, C_out, *space]``.
"""

from collections.abc import Sequence, Sized
from typing import Any, NotRequired, TypedDict, cast

import torch

from hybrid_pde.errors import ConfigError

# Variance relative to the mean square that is rounding, in the precision of the windows
ROUNDING, ROUNDING_OF_DOUBLE = 1e-12, 1e-26
MAX_WINDOWS = 512  # evenly spaced; the mean of a channel is then known to a few per cent of its std


class Normalization(TypedDict):
    """Statistics of each channel; a channel without variation has the scale 1.

    ``input_mean`` and ``input_std`` are ``[C_in]``, ``increment_std`` is ``[C_out]``: the root
    mean square of the change over one step. ``increment_growth`` is ``[K, C_out]``: that over
    1 … K steps as a multiple of it. ``input_range`` is ``[2, C_in]``: the smallest and the largest
    value of the states, the predicted ones included.
    """

    input_mean: torch.Tensor
    input_std: torch.Tensor
    input_range: torch.Tensor
    increment_std: torch.Tensor
    increment_growth: NotRequired[torch.Tensor]


def normalization_of(
    dataset: Sized, state_channels: Sequence[int], bundle: int = 1
) -> Normalization:
    """Statistics over at most :data:`MAX_WINDOWS` windows of a data set.

    Args:
        dataset: Windows ``(input, targets)`` by index.
        state_channels: Place among the input channels of each target channel.
        bundle: Number of steps that increments are measured over.

    Raises:
        ValueError: if the data set is empty.
        ConfigError: if the windows have fewer targets than ``bundle``.
    """
    length = len(dataset)
    if length == 0:
        raise ValueError("the data set for the normalisation is empty; it holds no window")
    chosen = range(0, length, -(-length // MAX_WINDOWS))
    means, squares, increments, ranges = [], [], [], []
    origin: torch.Tensor | None = None
    single = True
    for index in chosen:
        window = cast(Any, dataset)[index][:2]
        single &= window[0].dtype != torch.float64
        state, targets = (part.double() for part in window)
        if len(targets) < bundle:
            raise ConfigError(
                f"model.synthetic.bundle: {bundle}: the windows have {len(targets)} targets; "
                "trainer_params.num_predict_steps must be as large at least"
            )
        frames = torch.cat([state[list(state_channels)].unsqueeze(0), targets])
        space = tuple(range(1, state.ndim))
        ranges.append(_range(state, frames, state_channels))
        means.append(state.mean(dim=space))
        if origin is None:  # squares around it do not lose a small spread around a large mean
            origin = means[0].reshape(-1, *(1,) * len(space))
        squares.append((state - origin).square().mean(dim=space))
        increments.append(_mean_square_increments(frames, bundle))
    mean, square, increment = (
        torch.stack(parts).mean(dim=0) for parts in (means, squares, increments)
    )
    assert origin is not None
    variance = square - (mean - origin.flatten()) ** 2
    least = (ROUNDING if single else ROUNDING_OF_DOUBLE) * (variance + mean**2)
    scales = [_scale(each, least[list(state_channels)]) for each in increment]
    lowest, highest = torch.stack(ranges).unbind(1)
    statistics = Normalization(
        input_mean=mean.float(),
        input_std=_scale(variance, least),
        input_range=torch.stack([lowest.amin(0), highest.amax(0)]),
        increment_std=scales[0],
    )
    if bundle > 1:
        statistics["increment_growth"] = torch.stack(scales) / scales[0]
    return statistics


def _range(
    state: torch.Tensor, frames: torch.Tensor, state_channels: Sequence[int]
) -> torch.Tensor:
    """Extremes of each input channel ``[2, C_in]``, of predicted ones over all frames."""
    found = torch.stack([state.flatten(1).amin(1), state.flatten(1).amax(1)])
    whole = frames.transpose(0, 1).flatten(1)  # [C_out, T · space]
    found[:, list(state_channels)] = torch.stack([whole.amin(1), whole.amax(1)])
    return found


def _mean_square_increments(frames: torch.Tensor, bundle: int) -> torch.Tensor:
    """Of increments over 1 … ``bundle`` steps, ``[bundle, C]``; frames are ``[T, C, *space]``."""
    axes = (0, *range(2, frames.ndim))
    steps = range(1, bundle + 1)
    return torch.stack([(frames[k:] - frames[:-k]).square().mean(dim=axes) for k in steps])


def _scale(variance: torch.Tensor, least: torch.Tensor) -> torch.Tensor:
    """Standard deviation; 1 where the variance is no more than rounding."""
    varies = variance > least
    return torch.where(varies, variance, torch.ones_like(variance)).sqrt().float()
