"""Rollouts of every predictor on held-out simulations, one simulation in memory at a time."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src.data.atomic import atomic_path
from src.data.grid import FieldLayout, Grid
from src.data.known_parameters import KnownParameter
from src.errors import ConfigError
from src.evaluation.metrics import PREDICTORS, RolloutErrors, rollout_errors, summarize
from src.evaluation.predictors import Predictor, persistence
from src.evaluation.simulation import Simulation
from src.evaluation.starts import Beginning, begin

# A first sample is kept whatever its size, another one while those before it are below this.
MAX_SAMPLE_BYTES = 2**28


@dataclass(frozen=True)
class RolloutSample:
    """Truth and predictions of one simulation, kept for pictures and files.

    Attributes:
        index: Index of the simulation.
        dt: Time between frames [time].
        grid: Where the values lie.
        layouts: The fields that change in time.
        truth: For each field ``[T + 1, C, *space]``, the given state first, NaN where missing.
        predictions: For each model and field the same, NaN after a divergence; persistence is
            the given state and is not repeated.
    """

    index: int
    dt: float
    grid: Grid
    layouts: tuple[FieldLayout, ...]
    truth: Mapping[str, NDArray[np.float32]]
    predictions: Mapping[str, Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Evaluation:
    """What :func:`evaluate` found.

    Attributes:
        metrics: The content of ``metrics.json``.
        samples: The first simulations with their rollouts.
        seconds_per_step: For each predictor the time of a step in its fastest rollout [s].
    """

    metrics: dict[str, Any]
    samples: list[RolloutSample] = field(default_factory=list)
    seconds_per_step: dict[str, float] = field(default_factory=dict)


def evaluate(
    simulations: Iterable[tuple[int, Simulation]],
    predictors: Mapping[str, Predictor],
    *,
    split: str = "test",
    num_steps: int | None = None,
    max_samples: int = 4,
    known: Sequence[KnownParameter] = (),
) -> Evaluation:
    """Roll out every predictor from the first frame of every simulation and measure the errors.

    Where values are missing there, see :func:`src.evaluation.starts.begin`; missing values of the
    frames after it are left out of the errors.

    Args:
        simulations: Index and simulation of each; read one after the other, so that a generator
            keeps one in memory.
        predictors: ``synthetic`` and ``physical`` as far as they exist; persistence is added.
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
    chosen = {**predictors, "persistence": persistence}
    ordered = {name: chosen[name] for name in PREDICTORS if name in chosen}
    if unknown := set(chosen) - set(ordered):
        raise ValueError(f"predictors {sorted(unknown)}: allowed are {list(PREDICTORS)}")
    errors: dict[str, list[RolloutErrors]] = {name: [] for name in ordered}
    seconds: dict[str, list[float]] = {name: [] for name in ordered}
    samples: list[RolloutSample] = []
    described: dict[str, Any] = {"simulations": [], "split": split}
    for index, simulation in simulations:
        beginning = begin(index, simulation, num_steps, known)
        truth = beginning.truth
        _describe(described, index, simulation.dt, beginning)
        rollouts: dict[str, dict[str, NDArray[Any]]] = {}
        for name, predictor in ordered.items():
            start = time.perf_counter()
            predicted = predictor(beginning.initial, beginning.steps)
            seconds[name].append((time.perf_counter() - start) / beginning.steps)
            rollouts[name] = {
                key: value[0].detach().numpy() for key, value in predicted.items() if key in truth
            }
            targets = {key: truth[key][1:] for key in rollouts[name]}
            errors[name].append(rollout_errors(rollouts[name], targets, index))
        if len(samples) < max_samples and sum(map(_num_bytes, samples)) < MAX_SAMPLE_BYTES:
            samples.append(_sample(index, simulation, truth, rollouts))
    if not described["simulations"]:
        raise ConfigError("there is no simulation to evaluate; give 'trainer_params.test_sim'")
    metrics: dict[str, Any] = {name: summarize(terms) for name, terms in errors.items()}
    metrics["evaluated_on"] = described
    return Evaluation(metrics, samples, {name: min(values) for name, values in seconds.items()})


def write_metrics(path: str | Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics.json`` atomically; NaN and infinity are refused."""
    text = json.dumps(metrics, indent=2, allow_nan=False)
    with atomic_path(Path(path)) as sibling:
        sibling.write_text(text + "\n", encoding="utf-8")


def _describe(described: dict[str, Any], index: int, dt: float, beginning: Beginning) -> None:
    """Add a simulation to what ``evaluated_on`` says."""
    described["simulations"].append(index)
    described["dt"] = dt
    described["num_steps"] = max(beginning.steps, described.get("num_steps", 0))
    for key, number in (("starts", beginning.frame), ("filled", beginning.filled)):
        if number:
            described.setdefault(key, {})[str(index)] = number


def _sample(
    index: int,
    simulation: Simulation,
    truth: Mapping[str, NDArray[Any]],
    rollouts: Mapping[str, Mapping[str, NDArray[Any]]],
) -> RolloutSample:
    # Beyond the range of float32 a prediction is infinite in pictures and files.
    with np.errstate(over="ignore"):
        predictions = {
            name: {
                key: np.concatenate([truth[key][:1], values]).astype(np.float32)
                for key, values in fields.items()
            }
            for name, fields in rollouts.items()
            if name != "persistence"
        }
    return RolloutSample(
        index=index,
        dt=simulation.dt,
        grid=simulation.grid,
        layouts=tuple(layout for layout in simulation.layouts if not layout.static),
        truth={key: np.array(values, dtype=np.float32) for key, values in truth.items()},
        predictions=predictions,
    )


def _num_bytes(sample: RolloutSample) -> int:
    kept = (sample.truth, *sample.predictions.values())
    return sum(values.nbytes for fields in kept for values in fields.values())
