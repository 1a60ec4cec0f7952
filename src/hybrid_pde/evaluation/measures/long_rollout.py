"""Rollouts far beyond the data: do they stay finite, of the same size, and as rough or smooth.

Layout: ``B`` simulations, ``T`` lead times, ``C`` channels, then space.
"""

import logging
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
from hybrid_pde.evaluation.rollout_batches import HeldOut, rolled_out, stacked

MAX_BYTES = 2**27  # of the states that are in memory at once

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LongRollout:
    """A rollout of which only its size and its end are kept.

    Attributes:
        growth: ``[B, T]``: largest magnitude at each step relative to the given state's, the
            largest over the fields; infinite from where a value is not finite.
        last: For each field the last state ``[B, C, *space]``, NaN where it is lost.
    """

    growth: NDArray[np.float64]
    last: dict[str, torch.Tensor]


def long_rollouts(
    starts: Sequence[HeldOut],
    predictors: Mapping[str, Sequence[Predictor]],
    factor: int,
    known: Sequence[KnownParameter] = (),
) -> dict[str, dict[str, Any]]:
    """Roll out the models ``factor`` times as far as the simulations go.

    A known parameter that changes in time ends with the data; then the rollouts are as long as the
    data, and ``limited`` says so.

    Args:
        starts: The simulations, with states of one shape.
        predictors: ``synthetic`` and ``physical`` as far as they exist, with their replicates.
        factor: Times the number of frames after the one that the rollouts start from.
        known: The known parameters of the simulations.

    Returns:
        For each predictor ``steps``, ``simulations`` (their indices), ``limited``, ``finite``
        (whether all rollouts stayed finite), ``lasted`` (finite steps of the shortest), ``growth``
        (largest |u| relative to the given state's, ``None`` where not finite) and the same
        ``by_lead_time``, and ``spectral_error``: for each band |Ê − E| / E at the end against the
        ``reference``: ``physical``, its solution at the same time, or, where there is none,
        ``truth``, the last frame of the data. The physical model itself has none.
    """
    initial = stacked([each.beginning.initial for each in starts])
    wanted = factor * min(_data_steps(each) for each in starts)
    series = {TENSOR_PREFIX + each.name for each in known if not each.static}
    steps = min([wanted, *(initial[name].shape[1] - 1 for name in series)])
    if steps < wanted:
        logger.warning(
            "long rollouts: known parameters that change in time end with the data: %d steps "
            "instead of %d", steps, wanted,
        )  # fmt: skip
    found = {
        name: [follow(predictor, initial, steps, series) for predictor in replicates]
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
            **_outcome(np.concatenate([rollout.growth for rollout in rollouts])),
            "spectral_error": None
            if name == label
            else _spectral_error([rollout.last for rollout in rollouts], reference, spectrum),
            "reference": label,
        }
        for name, rollouts in found.items()
    }


def follow(
    predictor: Predictor, initial: State, steps: int, series: Collection[str] = ()
) -> LongRollout:
    """Roll out piece by piece, so that memory does not grow with the number of steps.

    Simulations that are lost are left behind: no model has to go on from what is not finite.

    Args:
        predictor: The model.
        initial: ``[B, C, *space]`` for each field, and known parameters.
        steps: Number of steps.
        series: Entries of ``initial`` with a time axis behind the first, which a piece takes from
            its own start on.
    """
    count = len(next(iter(initial.values())))
    growth = np.full((count, steps), np.inf)
    alive, done, state = list(range(count)), 0, dict(initial)
    last: dict[str, torch.Tensor] = {}
    while done < steps and alive:
        piece = min(steps - done, _piece(state))
        found = rolled_out(predictor, state, piece)
        growth[alive, done : done + piece] = _growth(found, initial, alive)
        ended = {name: values[:, -1] for name, values in found.items()}
        if not last:
            last = {name: torch.full((count, *v.shape[1:]), torch.nan, dtype=v.dtype)
                    for name, v in ended.items()}  # fmt: skip
        done += piece
        kept = [at for at, index in enumerate(alive) if np.isfinite(growth[index, done - 1])]
        state = {name: values[kept] for name, values in {**state, **ended}.items()}
        state |= {name: state[name][:, piece:] for name in series}
        alive = [alive[at] for at in kept]
        if done == steps:
            for name in last:
                last[name][alive] = state[name]
    return LongRollout(growth, last)


def _piece(state: State) -> int:
    """Steps whose states fit into memory, at least one."""
    per_step = sum(
        values.nbytes for name, values in state.items() if not name.startswith(TENSOR_PREFIX)
    )
    return max(1, MAX_BYTES // per_step)


def _growth(found: State, initial: State, alive: Sequence[int]) -> NDArray[np.float64]:
    """``[B, T]`` of a piece; infinite from the first value that is not finite on."""
    growth = []
    for name, values in found.items():
        size = values.detach().abs().flatten(2).amax(dim=2).double().numpy()
        first = initial[name][alive].abs().flatten(1).amax(dim=1).double().numpy()
        # a field that is zero at first has no size to be compared with, only an end
        ratio = size / np.where(first > 0, first, np.inf)[:, None]
        growth.append(np.where(np.isfinite(size), ratio, np.inf))
    largest = np.max(growth, axis=0)
    return np.where(np.logical_or.accumulate(np.isinf(largest), axis=1), np.inf, largest)


def _outcome(growth: NDArray[np.float64]) -> dict[str, Any]:
    """What the growth ``[B, T]`` of all rollouts says."""
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
    """Mean over fields, simulations and replicates; None where one of them is lost."""
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
    """Frames of a simulation after the one that its rollout starts from."""
    return min(map(len, _changing(each).values())) - 1 - each.beginning.frame


def _last_frames(starts: Sequence[HeldOut]) -> dict[str, torch.Tensor]:
    fields = [_changing(each) for each in starts]
    return {name: torch.stack([each[name][-1] for each in fields]) for name in fields[0]}


def _changing(each: HeldOut) -> dict[str, torch.Tensor]:
    simulation = each.simulation
    return {
        layout.name: simulation.fields[layout.name]
        for layout in simulation.layouts
        if not layout.static
    }
