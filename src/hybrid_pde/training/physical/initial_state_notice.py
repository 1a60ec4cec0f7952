"""Notice of noise in first frames that a calibration takes as exact.

Noise of independent values shows in differences of high order between neighbours, which hardly see
a resolved solution. It is noise of the first frames, and neither structure of the solution nor an
error of the model, where the frame after it has as much of it, the two are unrelated, and the
residual between them is of that size and as rough. Medians keep jumps of the solution out.

Source: Donoho and Johnstone (1994), Biometrika 81, 425-455 (noise from the median of the finest
details).

Layout: ``B`` windows, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence

import numpy as np
import torch

from hybrid_pde.training.physical.data_precision import roundings
from hybrid_pde.training.physical.denoised_states import FEWEST_POINTS, MEDIAN, rough
from hybrid_pde.training.physical.error_budget import ErrorBudget
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_times import observation_times
from hybrid_pde.training.physical.tangent_rollout import TangentRollout

_MOST_WINDOWS = 8
# Ratio of the noise of two frames that are equally noisy.
_ALIKE = 0.6
# Largest correlation of the noise of two frames, which is 0 but for chance and the solution.
_UNRELATED = 0.5
# The residual has the noise of its frame and what the solution made of that of the first one.
_LOWEST, _HIGHEST = 0.8, 2.5
# Noise below this multiple of the rounding errors may be theirs.
_ROUNDING = 10.0
# Share of the part `noise` of the uncertainty from which the part `initial_state` is reported.
_RELEVANT = 0.5


def first_frame_notice(
    objective: Objective,
    unknowns: np.ndarray,
    budget: ErrorBudget,
    can_estimate_states: bool = True,
) -> str | None:
    """A message if noise of first frames matters to the parameters; ``None`` if it does not.

    Args:
        objective: The misfit, its model at the estimate.
        unknowns: The unknowns at the estimate.
        budget: Uncertainty of the parameters by source.
        can_estimate_states: Whether the experiment may set ``initial_state: estimate``; it may not
            with parameters of each simulation beside shared ones.
    """
    part, noise = budget.parts["initial_state"], budget.parts["noise"]
    if part is None or noise is None or not np.any(part > _RELEVANT * noise):
        return None
    found = first_frame_noise(objective, unknowns)
    if not found:
        return None
    sizes = ", ".join(f"{share:.1%} of the standard deviation of {n}" for n, share in found.items())
    advice = (
        "set trainer_params.physical.initial_state: estimate, with gauss-newton or L-BFGS-B"
        if can_estimate_states
        else "set per_simulation: true for every entry of trainer_params.learnable_parameters, or "
        "for none, and initial_state: estimate, which is not possible with both kinds"
    )
    worst = int(np.nanargmax(part / np.maximum(noise, np.finfo(float).tiny)))
    return (
        "trainer_params.physical.initial_state: known: the first frames of the windows have noise "
        f"of about {sizes}, and the calibration takes them as exact, which biases the parameters: "
        f"by about {part[worst]:.2g} in {objective.vector.labels[worst]}, where the noise of the "
        f"other frames leaves {noise[worst]:.2g} (uncertainty_parts: initial_state and noise). "
        f"With known, only the frames after the first may have noise; {advice}"
    )


@torch.no_grad()
def first_frame_noise(objective: Objective, unknowns: np.ndarray) -> dict[str, float]:
    """Noise of the first frames by field, relative to its standard deviation; clean ones left out.

    Args:
        objective: The misfit, its model at the estimate.
        unknowns: The unknowns at the estimate.

    Raises:
        DivergenceError: if the rollout diverges.
    """
    whole = objective.observations
    if objective.states is not None or whole.hides or min(whole.grid.shape) < FEWEST_POINTS:
        return {}
    part = whole.subset(min(_MOST_WINDOWS, len(whole.windows)), 1)
    tangents = TangentRollout(objective.model, part, objective.vector, None)
    z = torch.from_numpy(np.array(unknowns[: len(objective.vector)]))
    rounding = roundings(whole)
    triples: dict[str, list[Sequence[torch.Tensor]]] = {name: [] for name in whole.fields}
    for numbers in part.chunks():
        instants = observation_times(part, numbers, objective.dt)
        state = next(iter(tangents.run([z], numbers, instants)))
        first = part.initial(numbers)
        for name in whole.fields:
            target = part.target(numbers, 0, name)
            triples[name].append((first[name], target, state[name] - target))
    found = {}
    for name, parts in triples.items():
        frames = [torch.cat(each) for each in zip(*parts, strict=True)]
        size = max(_noise(*(u[:, c].numpy() for u in frames)) for c in range(frames[0].shape[1]))
        if size > _ROUNDING * rounding[name].size:
            found[name] = size / whole.scale[name]
    return found


def _noise(first: np.ndarray, after: np.ndarray, residual: np.ndarray) -> float:
    """Standard deviation of the noise of first frames; 0 if it may be something else.

    Args:
        first: First frames of one channel, ``[B, *space]``.
        after: The frames after them.
        residual: Predictions less these.
    """
    sizes = []
    for axis in range(1, first.ndim):
        before, later, left = (rough(u, axis) for u in (first, after, residual))
        one, other, rest = (float(np.median(np.abs(u))) / MEDIAN for u in (before, later, left))
        is_noise = (
            min(one, other) > _ALIKE * max(one, other)
            and _LOWEST * one < rest < _HIGHEST * one
            and abs(_sign_correlation(before, later)) < _UNRELATED
        )
        sizes.append(one if is_noise else 0.0)
    size = min(sizes)
    # An error of the model is smooth, or lies at a few places.
    return size if np.sqrt(np.mean(residual**2)) < _HIGHEST * size else 0.0


def _sign_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of the signs, which jumps do not dominate."""
    return float(np.mean(np.sign(one) * np.sign(other)))
