"""The evaluation of an experiment's models, from their files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hybrid_pde.config.derived import held_out_simulations
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.evaluation.figures.all_figures import write_figures
from hybrid_pde.evaluation.measures.long_rollout import long_rollouts
from hybrid_pde.evaluation.measures.step_timing import time_predictors
from hybrid_pde.evaluation.predictors import (
    PhysicalPredictor,
    Predictor,
    SyntheticPredictor,
    persistence,
)
from hybrid_pde.evaluation.rollout_evaluation import Evaluation, evaluate, write_metrics
from hybrid_pde.evaluation.rollouts_file import write_rollouts
from hybrid_pde.factories.model_factory import ModelFactory
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.surrogate_file import load_synthetic_model
from hybrid_pde.training.physical.parameters_file import load_parameters


def evaluate_models(
    experiment: Experiment,
    store: SimulationStore,
    model: Path | Sequence[Path] | None,
    parameters: Path | None,
    folder: Path,
) -> Evaluation:
    """Roll out the models on the held-out simulations and write what is found.

    Args:
        experiment: Sections ``trainer_params``, ``evaluation_params`` and ``model``.
        store: Where the held-out simulations are.
        model: The surrogate's ``synthetic_model.pt``, if there is one, or those of several that
            differ in their seed: then metrics are means over them, and pictures show the first.
        parameters: The calibrated ``parameters.yaml``, if there are any.
        folder: Where ``metrics.json``, ``timing.json`` (seconds a step), ``rollouts.nc`` and
            the pictures go.
    """
    indices, split = held_out_simulations(experiment)
    known = store.header(indices[0]).known
    models: dict[str, list[Predictor]] = {}
    if model:
        if experiment.model.synthetic is not None:
            ModelRegistry(experiment).synthetic_class()  # registers a user's own, see its module
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
    evaluation = _extend(evaluation, models, experiment.evaluation_params.long_factor, known)
    write_rollouts(folder / "rollouts.nc", evaluation.samples)
    write_figures(folder, evaluation)
    write_json(folder / "timing.json", evaluation.timing)
    write_metrics(folder / "metrics.json", evaluation.metrics)
    return evaluation


def _extend(
    evaluation: Evaluation,
    models: dict[str, list[Predictor]],
    long_factor: int,
    known: Sequence[KnownParameter],
) -> Evaluation:
    """Add rollouts beyond the data, and the time that steps take."""
    if long_factor and models:
        found = long_rollouts(evaluation.starts, models, long_factor, known)
        for name, outcome in found.items():
            evaluation.metrics[name]["long_rollout"] = outcome
    first = {name: each[0] for name, each in models.items()} | {"persistence": persistence}
    start = evaluation.starts[0].start
    return replace(evaluation, timing=time_predictors(first, start.initial, start.steps))


def _physical_predictor(
    experiment: Experiment,
    store: SimulationStore,
    parameters: Path,
    known: Sequence[KnownParameter],
) -> PhysicalPredictor:
    physical = ModelFactory.create_physical_model(experiment)
    load_parameters(parameters, physical)
    return PhysicalPredictor(physical, store.grid, store.layouts, store.dt, known)
