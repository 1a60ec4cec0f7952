"""Evaluation of all predictors on held-out simulations, one batch in memory at a time."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import ConfigError
from hybrid_pde.evaluation.measures.metrics import PREDICTORS
from hybrid_pde.evaluation.measures.rollout_scores import (
    Scores,
    conserved_by_truth,
    end_spectra,
    score,
    summarize_scores,
)
from hybrid_pde.evaluation.measures.spectra import Spectrum
from hybrid_pde.evaluation.predictors import Predictor, persistence
from hybrid_pde.evaluation.rollout_batches import HeldOut, group_batches, roll_out, stack_states
from hybrid_pde.evaluation.rollout_samples import RolloutSample, make_sample
from hybrid_pde.evaluation.rollout_starts import RolloutStart, Simulation, find_start
from hybrid_pde.progress import progress

# The first sample is always kept, further ones only while the previous ones are below this size.
MAX_SAMPLE_BYTES = 2**28

Predictors = Mapping[str, Predictor | Sequence[Predictor]]


@dataclass(frozen=True)
class Evaluation:
    """Result of :func:`evaluate`.

    Attributes:
        metrics: Content of ``metrics.json``.
        samples: The first simulations with their rollouts.
        starts: The first batch of simulations, with the initial states of their rollouts.
        spectra: The energy spectra at the last lead time, ``{<field>: {wavenumber, truth,
            <predictor>}}``, means over the simulations; predictors that diverged are left out.
        timing: Content of ``timing.json``, see
            :func:`hybrid_pde.evaluation.measures.step_timing.time_predictors`.
    """

    metrics: dict[str, Any]
    samples: list[RolloutSample] = field(default_factory=list)
    starts: list[HeldOut] = field(default_factory=list)
    spectra: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)


def evaluate(
    simulations: Iterable[tuple[int, Simulation]],
    predictors: Predictors,
    *,
    split: str = "test",
    num_steps: int | None = None,
    max_samples: int = 4,
    known: Sequence[KnownParameter] = (),
) -> Evaluation:
    """Roll out every predictor on every simulation and measure the errors.

    Rollouts start at the first frame, or at another one if values are missing there, see
    :func:`hybrid_pde.evaluation.rollout_starts.find_start`. Missing values of later frames are
    excluded from the errors.

    Args:
        simulations: Pairs of index and simulation, read one after the other; with a generator only
            one batch is in memory.
        predictors: ``synthetic`` and ``physical``, if they exist, each a predictor or a list of
            replicates that differ in their seed; persistence is added.
        split: Split of the simulations: ``test``, ``validation`` or ``train``.
        num_steps: Length of the rollouts; ``None`` for all frames after the first.
        max_samples: Number of simulations to keep the rollouts of; fewer if they are large.
        known: Per-simulation parameters, passed to the predictors with the initial state.

    Returns:
        Metrics of each predictor over the fields that it predicts, and ``evaluated_on``, with
        ``starts`` (simulations that start at a later frame) and ``filled`` (number of missing
        values filled in the initial state).

    Raises:
        ConfigError: if there is no simulation, or one is shorter than ``num_steps`` or has no
            state to start from.
    """
    ordered = _ordered_predictors(predictors)
    scores: dict[str, list[list[Scores]]] = {
        name: [[] for _ in each] for name, each in ordered.items()
    }
    samples: list[RolloutSample] = []
    starts: list[HeldOut] = []
    described: dict[str, Any] = {"simulations": [], "split": split}
    held_out = (
        HeldOut(index, simulation, find_start(index, simulation, num_steps, known))
        for index, simulation in progress(simulations, "evaluating")
    )
    spectrum: Spectrum | None = None
    for batch in group_batches(held_out):
        starts = starts or batch
        spectrum = spectrum or Spectrum(batch[0].simulation.grid)
        rollouts = _roll_out_batch(batch, ordered, scores, spectrum)
        for each, kept in zip(batch, rollouts, strict=True):
            _record_simulation(described, each.index, each.simulation.dt, each.start)
            if len(samples) < max_samples and sum(s.num_bytes for s in samples) < MAX_SAMPLE_BYTES:
                samples.append(make_sample(each.index, each.simulation, each.start.truth, kept))
    if spectrum is None:
        raise ConfigError("trainer_params.test_sim: no simulation to evaluate; list at least one")
    conserved = conserved_by_truth(scores)
    metrics = {name: summarize_scores(each, conserved) for name, each in scores.items()}
    described |= {"wavenumbers": list(spectrum.bounds), "conserved": conserved}
    metrics["evaluated_on"] = described
    spectra = end_spectra(scores, spectrum.wavenumbers)
    metrics["spectra"] = {
        name: {line: values.tolist() for line, values in lines.items()}
        for name, lines in spectra.items()
    }
    return Evaluation(metrics, samples, starts, spectra)


def roll_out_samples(
    simulations: Iterable[tuple[int, Simulation]],
    predictors: Mapping[str, Predictor],
    *,
    num_steps: int | None = None,
    known: Sequence[KnownParameter] = (),
) -> list[RolloutSample]:
    """Roll out each predictor on further simulations, without measuring anything.

    Args:
        simulations: Pairs of index and simulation.
        predictors: ``synthetic`` and ``physical``, if they exist.
        num_steps: Length of the rollouts; ``None`` for all frames after the first.
        known: Per-simulation parameters.
    """
    samples = []
    for index, simulation in simulations:
        start = find_start(index, simulation, num_steps, known)
        rollouts = {
            name: {
                key: values[0].detach().numpy()
                for key, values in roll_out(predictor, start.initial, start.steps).items()
                if key in start.truth
            }
            for name, predictor in predictors.items()
        }
        samples.append(make_sample(index, simulation, start.truth, rollouts))
    return samples


def write_metrics(path: str | Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics.json`` atomically; raises ``ValueError`` for NaN and infinity."""
    text = json.dumps(metrics, indent=2, allow_nan=False)
    with atomic_path(Path(path)) as sibling:
        sibling.write_text(text + "\n", encoding="utf-8")


def _ordered_predictors(predictors: Predictors) -> dict[str, list[Predictor]]:
    """The replicates of each predictor in fixed order, with persistence added."""
    chosen: Predictors = {**predictors, "persistence": persistence}
    if unknown := set(chosen) - set(PREDICTORS):
        raise ValueError(f"predictors {sorted(unknown)}: allowed are {list(PREDICTORS)}")
    named = {name: chosen[name] for name in PREDICTORS if name in chosen}
    return {
        name: list(each) if isinstance(each, Sequence) else [each] for name, each in named.items()
    }


def _roll_out_batch(
    batch: Sequence[HeldOut],
    predictors: Mapping[str, Sequence[Predictor]],
    scores: Mapping[str, Sequence[list[Scores]]],
    spectrum: Spectrum,
) -> list[dict[str, dict[str, NDArray[Any]]]]:
    """Add the scores of a batch; returns the first replicate's rollouts of each simulation."""
    initial = stack_states([each.start.initial for each in batch])
    kept: list[dict[str, dict[str, NDArray[Any]]]] = [{} for _ in batch]
    for name, replicates in predictors.items():
        for number, predictor in enumerate(replicates):
            found = roll_out(predictor, initial, batch[0].start.steps)
            for position, each in enumerate(batch):
                rollout = {
                    key: values[position].detach().numpy()
                    for key, values in found.items()
                    if key in each.start.truth
                }
                scores[name][number].append(score(each, rollout, spectrum))
                if number == 0:
                    kept[position][name] = rollout
    return kept


def _record_simulation(
    described: dict[str, Any], index: int, dt: float, start: RolloutStart
) -> None:
    """Add a simulation to the content of ``evaluated_on``."""
    described["simulations"].append(index)
    described["dt"] = dt
    described["num_steps"] = max(start.steps, described.get("num_steps", 0))
    for key, number in (("starts", start.frame), ("filled", start.filled)):
        if number:
            described.setdefault(key, {})[str(index)] = number
