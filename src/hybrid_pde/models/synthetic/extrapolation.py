"""Warnings where a surrogate is used beyond the values that it was trained on."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from hybrid_pde.result_warnings import warn_of_result

SLACK = 0.25  # of the width of the training's range, which is no extrapolation yet
FAR = 1.0  # of that width, which a forecast leaves only where it diverges
_ROUNDING = 1e-6  # relative

Range = Sequence[Sequence[float]]  # smallest and largest value of each channel


def checked_ranges(ranges: Mapping[str, Range], specs: Mapping[str, int]) -> dict[str, Range]:
    """The ranges of a file.

    Raises:
        ValueError: if they are not those of the inputs, with one value a channel at either end.
    """
    for name, ends in ranges.items():
        if [len(end) for end in ends] != 2 * [specs.get(name)]:
            raise ValueError(f"training_range: {name}: not one value a channel of each end")
    if ranges and set(ranges) != set(specs):
        raise ValueError(f"training_range: of {', '.join(ranges)}, not of all inputs")
    return dict(ranges)


def warn_of_unlike_start(
    source: str, given: Mapping[str, torch.Tensor], ranges: Mapping[str, Range]
) -> None:
    """Warn of an initial state or parameter outside the training's range.

    Args:
        source: Name of the file, for the message.
        given: Values ``[1, C, *space]`` or ``[1, C]`` of each input.
        ranges: Smallest and largest value of each channel in the training.
    """
    for name, values in given.items():
        if name in ranges:
            found = values.reshape(len(ranges[name][0]), -1).double().numpy()
            ends = np.stack([found.min(1), found.max(1)])
            if _outside(ends, ranges[name], SLACK).any():
                warn_of_result(
                    f"{source}: {name} lies {_words(ends)}, in the training "
                    f"{_words(np.array(ranges[name]))}: the forecast extrapolates and may be "
                    "wrong. Train the surrogate on simulations that include such values"
                )


def warn_of_leaving(
    source: str, frames: Mapping[str, np.ndarray], ranges: Mapping[str, Range]
) -> None:
    """Warn of a forecast that moves far outside the training's range.

    Args:
        source: Name of the file, for the message.
        frames: Values ``[T, C, *space]`` of each predicted field.
        ranges: Smallest and largest value of each channel in the training.
    """
    for name, values in frames.items():
        if name in ranges and np.isfinite(values).all():  # else it is refused
            flat = values.reshape(*values.shape[:2], -1)
            left = _outside(
                np.stack([flat.min(2).T, flat.max(2).T]), np.array(ranges[name])[..., None], FAR
            )
            steps = left.any(axis=0)
            if steps.any():
                warn_of_result(
                    f"{source}: the forecast of {name} lies far outside the training's range "
                    f"({_words(np.array(ranges[name]))}) from step {steps.argmax() + 1} on: it "
                    "probably diverges. Use fewer steps, or train on longer rollouts "
                    "(trainer_params.synthetic.num_predict_steps)"
                )


def _outside(ends: np.ndarray, wanted: Range | np.ndarray, slack: float) -> np.ndarray:
    """True where ends ``[2, C, …]`` exceed a range ``[2, C, …]`` by a share of its width."""
    low, high = np.asarray(wanted)
    margin = slack * (high - low) + _ROUNDING * np.maximum(np.abs(low), np.abs(high))
    return (ends[0] < low - margin) | (ends[1] > high + margin)


def _words(ends: np.ndarray) -> str:
    low, high = ends[0].min(), ends[1].max()
    return f"at {low:.4g}" if low == high else f"between {low:.4g} and {high:.4g}"
