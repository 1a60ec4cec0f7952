"""The stage ``evaluate``: rollouts of an experiment's models on held-out simulations."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hybrid_pde.config.derived import held_out_simulations, trained_simulations
from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.cache.manifests import warnings_of
from hybrid_pde.data.cache.repeated_frames import warn_of_repeated_frames
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.evaluation.evaluation_warnings import evaluation_warnings, timing_warnings
from hybrid_pde.evaluation.figures.all_figures import write_figures
from hybrid_pde.evaluation.figures.rollout_frames import FILE as FRAMES
from hybrid_pde.evaluation.figures.rollout_frames import write_frames
from hybrid_pde.evaluation.measures.cost_of_accuracy import cost_of_accuracy
from hybrid_pde.evaluation.measures.data_statistics import describe_data
from hybrid_pde.evaluation.measures.examples import example_simulations
from hybrid_pde.evaluation.measures.long_rollout import long_rollouts
from hybrid_pde.evaluation.measures.step_timing import time_predictors
from hybrid_pde.evaluation.physical_predictor import PhysicalPredictor
from hybrid_pde.evaluation.predictors import Predictor, persistence
from hybrid_pde.evaluation.rollout_evaluation import (
    Evaluation,
    evaluate,
    roll_out_samples,
    write_metrics,
)
from hybrid_pde.evaluation.rollouts_file import write_rollouts
from hybrid_pde.models.physical.parameters_file import load_parameters
from hybrid_pde.models.physical.simulation_values import with_values
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.surrogate_file import (
    load_synthetic_model,
    read_training_settings,
    read_training_warnings,
)
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor
from hybrid_pde.result_warnings import inherited, recorded_warnings, warn_of_result
from hybrid_pde.stages.threads import limit_threads


def evaluate_held_out(
    settings: dict[str, Any],
    cache: Sequence[Path],
    models: Sequence[Path],
    parameters: Sequence[Path],
    folder: Path,
    *,
    threads: int = 1,
    compile: str = "auto",
) -> None:
    """Evaluate the models of an experiment.

    Args:
        settings: The experiment's settings that the evaluation depends on.
        cache: Manifests of the cached simulations.
        models: ``synthetic_model.pt`` of each replicate, if there is a surrogate.
        parameters: ``parameters.yaml``, if there is a calibrated model.
        folder: Folder to write to, see :func:`evaluate_models`.
        threads: Threads that the rule was given.
        compile: Whether time steps are compiled: ``auto``, ``always`` or ``never``.
    """
    limit_threads(threads)
    experiment = parse_experiment({**settings, "workflow": {"compile": compile}})
    store = SimulationStore(cache[0].parent)
    calibrated = parameters[0] if parameters else None
    earlier = warnings_of(cache)
    evaluate_models(experiment, store, models or None, calibrated, folder, earlier=earlier)


def evaluate_models(
    experiment: Experiment,
    store: SimulationStore,
    model: Path | Sequence[Path] | None,
    parameters: Path | None,
    folder: Path,
    *,
    earlier: Sequence[str] = (),
) -> Evaluation:
    """Roll out the models on the held-out simulations, and write metrics, rollouts and figures.

    Warnings about the results are kept in the key ``warnings`` of ``metrics.json``, those about
    times in ``timing.json``.

    Args:
        experiment: Sections ``trainer_params``, ``evaluation_params`` and ``model``.
        store: The held-out simulations.
        model: The surrogate's ``synthetic_model.pt``, or the files of several surrogates with
            different seeds: then metrics are means over them, and figures show the first.
        parameters: The calibrated ``parameters.yaml``.
        folder: Folder of ``metrics.json``, ``timing.json`` (seconds a step), ``rollouts.nc``,
            ``frames.json`` (pictures for the report) and the figures.
        earlier: Warnings of the stages that made the simulations, to be kept.
    """
    with recorded_warnings() as found:
        experiment, store = with_values(experiment, store, parameters)
        evaluation = _evaluate(experiment, store, model, parameters)
        for text in evaluation_warnings(evaluation.metrics):
            warn_of_result(text)
    slow = timing_warnings(evaluation.timing, evaluation.metrics)
    for text in slow:
        warn_of_result(text)
    if model:
        first = model if isinstance(model, Path) else model[0]
        evaluation.metrics["training"] = read_training_settings(first)
    evaluation.metrics["warnings"] = list(dict.fromkeys([*earlier, *_of_training(model), *found]))
    write_rollouts(folder / "rollouts.nc", evaluation.samples)
    write_figures(folder, evaluation)
    examples = evaluation.metrics["evaluated_on"].get("examples", {})
    write_frames(folder / FRAMES, evaluation.samples, examples, describe_data(store, evaluation))
    write_json(folder / "timing.json", {**evaluation.timing, "warnings": slow})
    write_metrics(folder / "metrics.json", evaluation.metrics)
    return evaluation


def _evaluate(
    experiment: Experiment,
    store: SimulationStore,
    model: Path | Sequence[Path] | None,
    parameters: Path | None,
) -> Evaluation:
    """Metrics, rollouts and times of the models, see :func:`evaluate_models`."""
    indices, split = held_out_simulations(experiment)
    if split != "train":
        others = [each for each in trained_simulations(experiment) if each not in indices]
        warn_of_repeated_frames(store, indices, others)
    known = store.header(indices[0]).known
    models: dict[str, list[Predictor]] = {}
    if model:
        if experiment.model.synthetic is not None:
            ModelRegistry(experiment).synthetic_class()  # imports a user's module
        paths = [model] if isinstance(model, Path) else model
        models["synthetic"] = [SyntheticPredictor(load_synthetic_model(path)) for path in paths]
    if parameters is not None:
        models["physical"] = [_physical_predictor(experiment, store, parameters, known)]
    evaluation = evaluate(
        ((index, store.load(index)) for index in indices),
        models,
        split=split,
        num_steps=experiment.evaluation_params.num_steps,
        known=known,
    )
    evaluation = _with_examples(evaluation, store, models, experiment, known)
    return _extend(evaluation, models, experiment.evaluation_params.long_factor, known)


def _of_training(model: Path | Sequence[Path] | None) -> list[str]:
    """Warnings of the surrogates' training, and of the stages before it."""
    paths = [model] if isinstance(model, Path) else model or ()
    return [
        text
        for path in paths
        for text in inherited("train_synthetic", read_training_warnings(path))
    ]


def _with_examples(
    evaluation: Evaluation,
    store: SimulationStore,
    models: dict[str, list[Predictor]],
    experiment: Experiment,
    known: Sequence[KnownParameter],
) -> Evaluation:
    """Add the rollouts of the median and the worst simulation, if they are not there yet."""
    found = example_simulations(evaluation.metrics)
    evaluation.metrics["evaluated_on"]["examples"] = found
    kept = {sample.index for sample in evaluation.samples}
    absent = sorted({*found.values()} - kept)
    further = roll_out_samples(
        ((index, store.load(index)) for index in absent),
        {name: each[0] for name, each in models.items()},
        num_steps=experiment.evaluation_params.num_steps,
        known=known,
    )
    return replace(evaluation, samples=[*evaluation.samples, *further])


def _extend(
    evaluation: Evaluation,
    models: dict[str, list[Predictor]],
    long_factor: int,
    known: Sequence[KnownParameter],
) -> Evaluation:
    """Add rollouts beyond the data, and the time of a step."""
    if long_factor and models:
        outcomes = long_rollouts(evaluation.starts, models, long_factor, known)
        for name, outcome in outcomes.items():
            evaluation.metrics[name]["long_rollout"] = outcome
    first = {name: each[0] for name, each in models.items()} | {"persistence": persistence}
    start = evaluation.starts[0].start
    timing = time_predictors(first, start.initial, start.steps)
    timing["cost"] = cost_of_accuracy(evaluation.starts, first, timing)
    return replace(evaluation, timing=timing)


def _physical_predictor(
    experiment: Experiment,
    store: SimulationStore,
    parameters: Path,
    known: Sequence[KnownParameter],
) -> PhysicalPredictor:
    physical = ModelRegistry(experiment).get_physical_model()
    load_parameters(parameters, physical)
    return PhysicalPredictor(physical, store.grid, store.layouts, store.dt, known)
