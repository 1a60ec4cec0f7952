"""Effect of noise in first frames that a calibration takes as exact.

Noise like that of the residuals is added to the first frames of a few windows, and one Gauss-Newton
step from the estimate shows how far it moves the parameters. Noise of both signs separates the part
that averages out from the bias, which does not.

Source: Cook and Stefanski (1994), J. Am. Stat. Assoc. 89, 1314-1328 (simulation of measurement
errors in regressors).

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space; ``S`` samples, ``p`` parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch

from hybrid_pde.training.physical.data_precision import Rounding
from hybrid_pde.training.physical.frame_arrays import Sensitivities
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations

# Samples that estimate a scatter well enough (25 %), and the fewest.
_SAMPLES, _FEWEST_SAMPLES = 8, 2
_MOST_WINDOWS = 8
# Largest number of values of all perturbed rollouts, and fewest frames of a window cut to it.
_MAX_VALUES, _FEWEST_FRAMES = 2**20, 3
# Seed of the noise: an interrupted calibration gets the same.
_SEED = 0
# Share of the mean square of the noise from which it is that of independent rounding errors.
_MOSTLY = 0.5
# Eigenvalues of JᵀJ with a unit diagonal that count.
_SINGULAR = 1e-12

States = dict[str, torch.Tensor]


@dataclass(frozen=True)
class FirstFrameEffect:
    """Effect of noise in the first frames on z.

    Attributes:
        noise: Standard deviation of each parameter from noise of the size that the residuals allow,
            with its bias, ``[p]``.
        rounding: That from the rounding errors of the data, ``[p]``.
    """

    noise: np.ndarray
    rounding: np.ndarray


def first_frame_effect(
    objective: Objective,
    unknowns: np.ndarray,
    windows: Sequence[Sensitivities],
    rounding: dict[str, Rounding],
) -> FirstFrameEffect:
    """Standard deviation of the estimate due to noise of the first frames.

    The noise is as large as the smallest residual at any lead time allows, less what the first
    frame itself contributes to it: a wrong scheme or equation leaves small residuals at first.
    It is correlated in space as the residuals are.

    Args:
        objective: The objective, with known initial states.
        unknowns: The estimate z.
        windows: Residuals at the estimate.
        rounding: Rounding of each field.

    Raises:
        DivergenceError: if a perturbed rollout diverges.
    """
    whole = objective.observations
    count = min(len(whole.windows), _MOST_WINDOWS)
    pairs = max(_FEWEST_SAMPLES if count < _SAMPLES else 1, _SAMPLES // count)
    copies = 1 + 2 * pairs
    frames = whole.windows[0].num_frames
    affordable = _MAX_VALUES // (whole.state_size * count * copies)
    part = whole.subset(count, min(frames, max(_FEWEST_FRAMES, affordable)))
    count = len(part.windows)
    many = part.repeated(range(count), copies)
    noise = _Noise(part, windows, rounding)
    random = np.random.default_rng(_SEED)
    states = {name: value.clone() for name, value in many.initial(range(count * copies)).items()}
    for pair in range(pairs):
        for window in range(count):
            for name, drawn in noise.draw(random, window).items():
                states[name][(1 + pair) * count + window] += drawn
                states[name][(1 + pairs + pair) * count + window] -= drawn
    trial = Objective(
        objective.model, many.starting_from(states), objective.vector, objective.dt,
        log=objective.log,
    )  # fmt: skip
    size = len(objective.vector)
    grams = trial.linearize(unknowns[:size]).grams
    assert grams is not None, "more parameters than inner products are kept for"
    # Repeated frames share their weight among the copies.
    grams = copies * grams.reshape(copies, count, size + 1, size + 1)
    linear, bias = _steps(grams, pairs)
    scatter = np.sqrt((linear**2).sum(axis=1).mean(axis=0) * count / len(whole.windows))
    base = grams[0, :, -1, -1].sum()
    added = grams[1:, :, -1, -1].sum() / (2 * pairs) - base
    # Residuals have the noise of the target and what the rollout makes of that of the first frame.
    gain = max(added, 0.0) / (part.num_values * noise.mean_square)
    share = 1 / (1 + gain)
    # Rounding errors are part of the noise; they count once.
    beyond = max(share - noise.rounding_share**2, 0.0)
    return FirstFrameEffect(
        np.hypot(sqrt(beyond) * scatter, beyond * np.abs(bias.mean(axis=0))),
        scatter * noise.rounding_share,
    )


def _steps(grams: np.ndarray, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Change of z by the noise of one window, ``[S, B, p]``, and the bias ``[S, p]``."""
    size = grams.shape[-1] - 1
    hessian = grams[0, :, :size, :size].sum(axis=0)
    scale = np.sqrt(np.diag(hessian))
    scale = np.where(scale > 0, scale, 1.0)
    inverse = np.linalg.pinv(hessian / np.outer(scale, scale), _SINGULAR, hermitian=True)
    inverse = inverse / np.outer(scale, scale)
    scores = grams[:, :, :size, -1]
    plus, minus = scores[1 : 1 + pairs], scores[1 + pairs :]
    linear = -(plus - minus) / 2 @ inverse
    bias = -((plus + minus) / 2 - scores[0]).sum(axis=1) @ inverse
    return linear, bias


class _Noise:
    """Noise of first frames, drawn from the residuals; independent where most of it is rounding.

    Attributes:
        mean_square: Mean square in units of the variance of the data.
        rounding_share: Root mean square of the rounding errors relative to the noise.
    """

    def __init__(
        self,
        observations: Observations,
        windows: Sequence[Sensitivities],
        rounding: dict[str, Rounding],
    ) -> None:
        self._observations = observations
        self._fields = [each.residuals.values for each in windows]
        is_whole = all(each.residuals.observed is None for each in windows)
        self._whole = bool(windows) and is_whole
        # Mean square of each channel at its best lead time.
        by_lead = [(values**2).mean(axis=tuple(range(2, values.ndim))) for values in self._fields]
        frames = min(len(each) for each in by_lead)
        mean = np.mean([each[:frames] for each in by_lead], axis=0)
        shares = [
            1.0 if each.residuals.observed is None else each.residuals.observed.mean()
            for each in windows
        ]
        self._sizes = np.sqrt(mean.min(axis=0) / max(float(np.mean(shares)), 1e-12))
        self._rounding = self._in_channels(rounding)
        axes = (0, *range(2, self._rounding.ndim))
        floor = np.sqrt((self._rounding**2).mean(axis=axes))
        self._sizes = np.maximum(self._sizes, floor)
        self.mean_square = float(np.mean(self._sizes**2))
        squares = float(np.mean(floor**2))
        self.rounding_share = float(np.sqrt(squares / self.mean_square)) if squares else 0.0

    def draw(self, random: np.random.Generator, window: int) -> States:
        """Noise ``[C, *space]`` of each field: a residual at a random time, place and sign."""
        shape = (len(self._sizes), *self._observations.grid.shape)
        drawn = random.standard_normal(shape)
        if self.rounding_share**2 > _MOSTLY:
            drawn *= self._rounding[window]
        elif self._whole:
            values = self._fields[random.integers(len(self._fields))]
            frame = values[random.integers(len(values))] * random.choice([-1.0, 1.0])
            shifts = [int(random.integers(length)) for length in shape[1:]]
            drawn = np.roll(frame, shifts, axis=tuple(range(1, len(shape))))
        axes = tuple(range(1, len(shape)))
        rms = np.sqrt((drawn**2).mean(axis=axes, keepdims=True))
        drawn = drawn / np.where(rms > 0, rms, 1.0) * self._sizes.reshape(-1, *(1,) * len(axes))
        found, first = {}, 0
        for name in self._observations.fields:
            channels = self._observations.initial([0])[name].shape[1]
            part = drawn[first : first + channels] * self._observations.scale[name]
            found[name] = torch.from_numpy(np.ascontiguousarray(part))
            first += channels
        return found

    def _in_channels(self, rounding: dict[str, Rounding]) -> np.ndarray:
        """Rounding errors of the first frames of all windows, ``[B, C, *space]``.

        In units of the standard deviation of their field.
        """
        observations = self._observations
        first = observations.initial(range(len(observations.windows)))
        return np.concatenate(
            [
                rounding[name].errors(state.numpy()) / observations.scale[name]
                for name, state in first.items()
            ],
            axis=1,
        )
