"""Rollouts of every predictor on held-out simulations, a batch of them in memory at a time."""

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
from hybrid_pde.evaluation.rollout_batches import HeldOut, batched, rolled_out, stacked
from hybrid_pde.evaluation.rollout_samples import RolloutSample, sample
from hybrid_pde.evaluation.rollout_starts import Beginning, Simulation, begin
from hybrid_pde.progress import progress

# A first sample is kept whatever its size, another one while those before it are below this.
MAX_SAMPLE_BYTES = 2**28

Predictors = Mapping[str, Predictor | Sequence[Predictor]]


@dataclass(frozen=True)
class Evaluation:
    """What :func:`evaluate` found.

    Attributes:
        metrics: The content of ``metrics.json``.
        samples: The first simulations with their rollouts.
        starts: The first simulations with the states that their rollouts start from.
        spectra: The energy spectra at the last lead time, ``{<field>: {wavenumber, truth,
            <predictor>}}``, means over the simulations; without what diverged in one of them.
        timing: The content of ``timing.json``, see :func:`hybrid_pde.evaluation.measures.step_timing.time_predictors`.
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
    """Roll out every predictor from the first frame of every simulation and measure the errors.

    Where values are missing there, see :func:`hybrid_pde.evaluation.rollout_starts.begin`; missing values of the
    frames after it are left out of the errors.

    Args:
        simulations: Index and simulation of each; read one after the other, so that a generator
            keeps a batch of them in memory.
        predictors: ``synthetic`` and ``physical`` as far as they exist, each one or several that
            differ in their seed; persistence is added.
        split: What the simulations are: ``test``, ``validation`` or ``train``.
        num_steps: Length of the rollouts; ``None`` takes all frames after the first.
        max_samples: Number of simulations whose rollouts are kept; fewer where they are large.
        known: The known parameters of all simulations, which predictors get with the initial state.

    Returns:
        Metrics for each predictor over the fields that it predicts, with ``evaluated_on``, which
        has by simulation the ``starts`` that are later frames, and how many values are ``filled``.

    Raises:
        ConfigError: if there is no simulation, or one is shorter than ``num_steps``, or has
            nothing to start from.
    """
    ordered = _in_order(predictors)
    scores: dict[str, list[list[Scores]]] = {
        name: [[] for _ in each] for name, each in ordered.items()
    }
    samples: list[RolloutSample] = []
    starts: list[HeldOut] = []
    described: dict[str, Any] = {"simulations": [], "split": split}
    held_out = (
        HeldOut(index, simulation, begin(index, simulation, num_steps, known))
        for index, simulation in progress(simulations, "evaluating")
    )
    spectrum: Spectrum | None = None
    for batch in batched(held_out):
        starts = starts or batch
        spectrum = spectrum or Spectrum(batch[0].simulation.grid)
        rollouts = _roll_out_batch(batch, ordered, scores, spectrum)
        for each, kept in zip(batch, rollouts, strict=True):
            _describe(described, each.index, each.simulation.dt, each.beginning)
            if len(samples) < max_samples and sum(s.num_bytes for s in samples) < MAX_SAMPLE_BYTES:
                samples.append(sample(each.index, each.simulation, each.beginning.truth, kept))
    if spectrum is None:
        raise ConfigError("there is no simulation to evaluate; give 'trainer_params.test_sim'")
    conserved = conserved_by_truth(scores)
    metrics = {name: summarize_scores(each, conserved) for name, each in scores.items()}
    described |= {"wavenumbers": list(spectrum.bounds), "conserved": conserved}
    metrics["evaluated_on"] = described
    return Evaluation(metrics, samples, starts, end_spectra(scores, spectrum.wavenumbers))


def write_metrics(path: str | Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics.json`` atomically; NaN and infinity are refused."""
    text = json.dumps(metrics, indent=2, allow_nan=False)
    with atomic_path(Path(path)) as sibling:
        sibling.write_text(text + "\n", encoding="utf-8")


def _in_order(predictors: Predictors) -> dict[str, list[Predictor]]:
    """Every predictor with its replicates; persistence is added."""
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
    """Add the scores of a batch, and return the first replicate's rollouts of each simulation."""
    initial = stacked([each.beginning.initial for each in batch])
    kept: list[dict[str, dict[str, NDArray[Any]]]] = [{} for _ in batch]
    for name, replicates in predictors.items():
        for number, predictor in enumerate(replicates):
            found = rolled_out(predictor, initial, batch[0].beginning.steps)
            for position, each in enumerate(batch):
                rollout = {
                    key: values[position].detach().numpy()
                    for key, values in found.items()
                    if key in each.beginning.truth
                }
                scores[name][number].append(score(each, rollout, spectrum))
                if number == 0:
                    kept[position][name] = rollout
    return kept


def _describe(described: dict[str, Any], index: int, dt: float, beginning: Beginning) -> None:
    """Add a simulation to what ``evaluated_on`` says."""
    described["simulations"].append(index)
    described["dt"] = dt
    described["num_steps"] = max(beginning.steps, described.get("num_steps", 0))
    for key, number in (("starts", beginning.frame), ("filled", beginning.filled)):
        if number:
            described.setdefault(key, {})[str(index)] = number
