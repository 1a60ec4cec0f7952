"""Long rollouts beyond the data: stability, growth, and spectral error.

Layout: ``B`` simulations, ``T`` lead times, ``C`` channels, then space.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hybrid_pde.domain.known_values import TENSOR_PREFIX, KnownParameter
from hybrid_pde.evaluation.measures.averages import counted_mean
from hybrid_pde.evaluation.measures.band_errors import energy_difference
from hybrid_pde.evaluation.measures.spectra import BANDS, Spectrum
from hybrid_pde.evaluation.predictors import Predictor, State
from hybrid_pde.evaluation.rollout_batches import HeldOut, roll_out, stack_states

MAX_BYTES = 2**27  # of the states in memory at a time


@dataclass(frozen=True)
class LongRollout:
    """Growth and last state of a long rollout.

    Attributes:
        growth: ``[B, T]``: largest magnitude at each step relative to the initial state's, maximum
            over the fields; infinite after a divergence.
        last: For each field the last state ``[B, C, *space]``, NaN after a divergence.
    """

    growth: NDArray[np.float64]
    last: dict[str, torch.Tensor]


def long_rollouts(
    starts: Sequence[HeldOut],
    predictors: Mapping[str, Sequence[Predictor]],
    factor: int,
    known: Sequence[KnownParameter] = (),
) -> dict[str, dict[str, Any]]:
    """Roll out the models ``factor`` times as long as the simulations.

    Known parameters that change in time are given only up to the end of the data. They limit the
    rollouts to that time, which ``limited`` reports.

    Args:
        starts: Simulations with states of equal shape.
        predictors: Replicates of ``synthetic`` and ``physical``, if they exist.
        factor: Length in multiples of the number of frames after the start.
        known: Known parameters of the simulations.

    Returns:
        For each predictor ``steps``, ``simulations`` (their indices), ``limited``, ``finite``
        (whether all rollouts stayed finite), ``lasted`` (finite steps of the shortest), ``growth``
        (largest |u| relative to the initial state's, ``None`` if not finite), the same
        ``by_lead_time``, and ``spectral_error``: |Ê − E| / E in each band at the end. Its
        ``reference`` is ``physical``, the physical model's solution at the same time, or without
        one ``truth``, the last frame of the data. The physical model itself has none.
    """
    initial = stack_states([each.start.initial for each in starts])
    wanted = factor * min(_data_steps(each) for each in starts)
    series = {TENSOR_PREFIX + each.name for each in known if not each.static}
    steps = min([wanted, *(initial[name].shape[1] - 1 for name in series)])
    found = {
        name: [roll_out_in_chunks(predictor, initial, steps, series) for predictor in replicates]
        for name, replicates in predictors.items()
    }
    label = "physical" if "physical" in found else "truth"
    reference = found["physical"][0].last if "physical" in found else _last_frames(starts)
    spectrum = Spectrum(starts[0].simulation.grid)
    return {
        name: {
            "steps": steps,
            "simulations": [each.index for each in starts],
            "limited": steps < wanted,
            **_stability(np.concatenate([rollout.growth for rollout in rollouts])),
            "spectral_error": None
            if name == label
            else _spectral_error([rollout.last for rollout in rollouts], reference, spectrum),
            "reference": label,
        }
        for name, rollouts in found.items()
    }


def roll_out_in_chunks(
    predictor: Predictor, initial: State, steps: int, series: Collection[str] = ()
) -> LongRollout:
    """Roll out in chunks, so that memory does not grow with the number of steps.

    Diverged simulations are dropped, so that no model continues from non-finite values.

    Args:
        predictor: The model.
        initial: ``[B, C, *space]`` for each field, and the known parameters.
        steps: Number of steps.
        series: Entries of ``initial`` with time as second axis; each chunk uses them from its own
            start.
    """
    count = len(next(iter(initial.values())))
    growth = np.full((count, steps), np.inf)
    alive, done, state = list(range(count)), 0, dict(initial)
    last: dict[str, torch.Tensor] = {}
    while done < steps and alive:
        chunk = min(steps - done, _chunk_length(state))
        found = roll_out(predictor, state, chunk)
        growth[alive, done : done + chunk] = _growth(found, initial, alive)
        ended = {name: values[:, -1] for name, values in found.items()}
        if not last:
            last = {name: torch.full((count, *v.shape[1:]), torch.nan, dtype=v.dtype)
                    for name, v in ended.items()}  # fmt: skip
        done += chunk
        kept = [at for at, index in enumerate(alive) if np.isfinite(growth[index, done - 1])]
        state = {name: values[kept] for name, values in {**state, **ended}.items()}
        state |= {name: state[name][:, chunk:] for name in series}
        alive = [alive[at] for at in kept]
        if done == steps:
            for name in last:
                last[name][alive] = state[name]
    return LongRollout(growth, last)


def _chunk_length(state: State) -> int:
    """Number of steps that fit into memory, at least one."""
    per_step = sum(
        values.nbytes for name, values in state.items() if not name.startswith(TENSOR_PREFIX)
    )
    return max(1, MAX_BYTES // per_step)


def _growth(found: State, initial: State, alive: Sequence[int]) -> NDArray[np.float64]:
    """``[B, T]`` of a chunk; infinite from the first non-finite value on."""
    growth = []
    for name, values in found.items():
        size = values.detach().abs().flatten(2).amax(dim=2).double().numpy()
        first = initial[name][alive].abs().flatten(1).amax(dim=1).double().numpy()
        # a field that is initially zero has no reference size and counts only if it diverges
        ratio = size / np.where(first > 0, first, np.inf)[:, None]
        growth.append(np.where(np.isfinite(size), ratio, np.inf))
    largest = np.max(growth, axis=0)
    return np.where(np.logical_or.accumulate(np.isinf(largest), axis=1), np.inf, largest)


def _stability(growth: NDArray[np.float64]) -> dict[str, Any]:
    """Summary of the growth ``[B, T]`` of all rollouts."""
    largest = growth.max(axis=0)
    lasted = int(np.isfinite(largest).sum())
    finite = lasted == len(largest)
    return {
        "finite": finite,
        "lasted": lasted,
        "growth": float(largest.max()) if finite else None,
        "by_lead_time": {
            "growth": [float(value) if np.isfinite(value) else None for value in largest]
        },
    }


def _spectral_error(
    ends: Sequence[Mapping[str, torch.Tensor]],
    reference: Mapping[str, torch.Tensor],
    spectrum: Spectrum,
) -> dict[str, float | None]:
    """Mean over fields, simulations and replicates; ``None`` if one of them diverged."""
    terms: list[tuple[NDArray[np.float64], NDArray[np.bool_]]] = []
    for end in ends:
        for name in end:
            for values, other in zip(end[name], reference.get(name, ()), strict=False):
                state, true = values.double().numpy(), other.double().numpy()
                if not np.isfinite(true).all():
                    continue
                square = float(np.square(true).mean() * len(true))
                energy = spectrum.band_energies(spectrum.modes(true))
                if np.isfinite(state).all():
                    own = spectrum.band_energies(spectrum.modes(state))
                else:
                    own = np.full(len(BANDS), np.inf)
                terms.append(energy_difference(own, energy, square))
    if not terms:
        return dict.fromkeys(BANDS)
    errors, counted = (np.stack(column) for column in zip(*terms, strict=True))
    return {band: counted_mean(errors[:, at], counted[:, at]) for at, band in enumerate(BANDS)}


def _data_steps(each: HeldOut) -> int:
    """Number of frames of a simulation after the start of its rollout."""
    return min(map(len, _dynamic_fields(each).values())) - 1 - each.start.frame


def _last_frames(starts: Sequence[HeldOut]) -> dict[str, torch.Tensor]:
    fields = [_dynamic_fields(each) for each in starts]
    return {name: torch.stack([each[name][-1] for each in fields]) for name in fields[0]}


def _dynamic_fields(each: HeldOut) -> dict[str, torch.Tensor]:
    simulation = each.simulation
    return {
        layout.name: simulation.fields[layout.name]
        for layout in simulation.layouts
        if not layout.static
    }
