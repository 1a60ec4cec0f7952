"""Rollouts of every predictor on held-out simulations, one simulation in memory at a time."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from src.data.atomic import atomic_path
from src.data.grid import FieldLayout, Grid
from src.errors import ConfigError, DivergenceError
from src.evaluation.metrics import PREDICTORS, RolloutErrors, rollout_errors, summarize
from src.evaluation.predictors import Predictor, State, persistence

# A first sample is kept whatever its size, another one while those before it are below this.
MAX_SAMPLE_BYTES = 2**28


class Simulation(Protocol):
    """A cached simulation: ``fields`` holds ``[T, C, *space]``, static ones without ``T``."""

    @property
    def dt(self) -> float:
        """Time between frames [time]."""

    @property
    def grid(self) -> Grid:
        """Where the values lie."""

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The fields, static ones included."""

    @property
    def fields(self) -> Mapping[str, torch.Tensor]:
        """The values, read when subscripted."""


@dataclass(frozen=True)
class RolloutSample:
    """Truth and predictions of one simulation, kept for pictures and files.

    Attributes:
        index: Index of the simulation.
        dt: Time between frames [time].
        grid: Where the values lie.
        layouts: The fields that change in time.
        truth: For each field ``[T + 1, C, *space]``, the given state first.
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
) -> Evaluation:
    """Roll out every predictor from the first frame of every simulation and measure the errors.

    Args:
        simulations: Index and simulation of each; read one after the other, so that a generator
            keeps one in memory.
        predictors: ``synthetic`` and ``physical`` as far as they exist; persistence is added.
        split: What the simulations are: ``test``, ``validation`` or ``train``.
        num_steps: Length of the rollouts; ``None`` takes all frames after the first.
        max_samples: Number of simulations whose rollouts are kept; fewer where they are large.

    Returns:
        Metrics for each predictor over the fields that it predicts, with ``evaluated_on``.

    Raises:
        ConfigError: if there is no simulation, or one is shorter than ``num_steps``.
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
        steps = _num_steps(index, simulation, num_steps)
        described["simulations"].append(index)
        described |= {"dt": simulation.dt, "num_steps": max(steps, described.get("num_steps", 0))}
        initial, truth = _initial_and_truth(simulation, steps)
        rollouts: dict[str, dict[str, NDArray[Any]]] = {}
        for name, predictor in ordered.items():
            start = time.perf_counter()
            predicted = _roll_out(predictor, initial, steps, set(truth))
            seconds[name].append((time.perf_counter() - start) / steps)
            rollouts[name] = {key: value[0].numpy() for key, value in predicted.items()}
            targets = {key: truth[key][1:] for key in predicted}
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


def _num_steps(index: int, simulation: Simulation, num_steps: int | None) -> int:
    dynamic = [layout.name for layout in simulation.layouts if not layout.static]
    available = min(len(simulation.fields[name]) for name in dynamic) - 1
    if available < max(1, num_steps or 1):
        raise ConfigError(
            f"evaluation_params.num_steps: {num_steps}: simulation {index} has "
            f"{available} frames after its first; use at most that, or null for all"
        )
    return num_steps or available


def _initial_and_truth(
    simulation: Simulation, steps: int
) -> tuple[dict[str, torch.Tensor], dict[str, NDArray[Any]]]:
    """Initial state ``[1, C, *space]`` and the frames ``[steps + 1, C, *space]``."""
    initial: dict[str, torch.Tensor] = {}
    truth: dict[str, NDArray[Any]] = {}
    for layout in simulation.layouts:
        values = simulation.fields[layout.name]
        initial[layout.name] = (values if layout.static else values[0]).unsqueeze(0)
        if not layout.static:
            truth[layout.name] = values[: steps + 1].numpy()
    return initial, truth


def _roll_out(
    predictor: Predictor, initial: State, steps: int, dynamic: set[str]
) -> dict[str, torch.Tensor]:
    """The prediction of the fields that change in time; NaN from a divergence on."""
    try:
        predicted = predictor(initial, steps)
    except DivergenceError:
        predicted = _roll_out_to_divergence(predictor, initial, steps, dynamic)
    return {name: values.detach() for name, values in predicted.items() if name in dynamic}


def _roll_out_to_divergence(
    predictor: Predictor, initial: State, steps: int, dynamic: set[str]
) -> dict[str, torch.Tensor]:
    """Step by step, so that the lead times before the divergence are still measured."""
    state, frames = dict(initial), []
    for _ in range(steps):
        try:
            predicted = {name: values[:, 0] for name, values in predictor(state, 1).items()}
        except DivergenceError:
            break
        frames.append(predicted)
        state |= predicted
    lost = {name: torch.full_like(initial[name], torch.nan) for name in dynamic}
    example = frames[0] if frames else lost
    return {
        name: torch.stack(
            [frame[name] for frame in frames]
            + [lost[name].to(values.dtype)] * (steps - len(frames)),
            dim=1,
        )
        for name, values in example.items()
        if name in dynamic
    }


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
