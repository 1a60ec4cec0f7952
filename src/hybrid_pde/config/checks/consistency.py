"""What the schema cannot say: whether an experiment's sections fit each other."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.config.checks.augmentation import wrong_augmentation
from hybrid_pde.config.checks.calibration import wrong_calibration
from hybrid_pde.config.checks.data import missing_simulations
from hybrid_pde.config.checks.equation import wrong_equation, wrong_values
from hybrid_pde.config.checks.hybrid import wrong_hybrid
from hybrid_pde.config.checks.surrogate import wrong_surrogate
from hybrid_pde.config.checks.training import wrong_training
from hybrid_pde.config.derived import generated_fields, stages_trained
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.config.error_messages import refuse, suggest
from hybrid_pde.config.schema import Experiment

NAMED_SIDES = ("periodic", "zero-gradient")
SIDES_ALLOWED = "allowed: periodic, zero-gradient, a number, for all axes, each axis or each side"


def check_experiment(experiment: Experiment, source: str) -> None:
    """Refuse an experiment whose sections contradict each other.

    Args:
        experiment: The typed experiment.
        source: Its file, for the message.

    Raises:
        ConfigError: with a line for every contradiction.
    """
    refuse(source, _contradictions(experiment))


def _contradictions(experiment: Experiment) -> Iterator[str]:
    if not experiment.data.dset_name:
        yield "data.dset_name: missing; it names the folder of the raw files in data.data_dir"
    if not experiment.data.fields:
        yield "data.fields: missing; it lists the fields to read"
    for name in experiment.data.variables:
        if name not in experiment.data.fields:
            known = suggest(name, experiment.data.fields)
            yield f"data.variables.{name}: not in data.fields: {known}"
    for stage in stages_trained(experiment):
        if getattr(experiment.model, stage) is None:
            kind = experiment.run_params.model_type
            yield f"model.{stage}: missing; run_params.model_type: {kind} needs it"
            return
        yield from _wrong_simulations(experiment, stage)
        yield from _wrong_module(experiment, stage)
    if "physical" in stages_trained(experiment):
        yield from wrong_calibration(experiment)
        yield from wrong_equation(experiment)
    if "synthetic" in stages_trained(experiment):
        yield from wrong_surrogate(experiment)
        yield from wrong_training(experiment)
        yield from wrong_augmentation(experiment)
    yield from wrong_hybrid(experiment)
    if experiment.generation_params is not None:
        yield from _wrong_generation(experiment)
        generation = experiment.generation_params
        frames = [generation.steps + 1] * generation.num_simulations
        yield from missing_simulations(experiment, frames)


def _wrong_simulations(experiment: Experiment, stage: str) -> Iterator[str]:
    training = getattr(experiment.trainer_params, stage)
    if not training.train_sim:
        yield "trainer_params.train_sim: missing; it lists the simulations to train on, from 0"
    kinds = ("train_sim", "val_sim", "test_sim")
    for position, kind in enumerate(kinds):
        indices = getattr(training, kind)
        if len(set(indices)) < len(indices):
            yield f"trainer_params.{kind}: {indices}: an index is given twice"
        for other in kinds[position + 1 :]:
            common = sorted({*indices} & {*getattr(training, other)})
            if common:
                yield (
                    f"trainer_params.{other}: {common}: also in trainer_params.{kind}; a held-out "
                    "simulation must not be trained on"
                )


def _wrong_module(experiment: Experiment, stage: str) -> Iterator[str]:
    module = getattr(experiment.model, stage).module
    if module and not (Path(experiment.project_root) / module).is_file():
        yield f"model.{stage}.module: {module!r}: no such file in {experiment.project_root!r}"


def _wrong_generation(experiment: Experiment) -> Iterator[str]:
    generation = experiment.generation_params
    assert generation is not None
    physical = experiment.model.physical
    name = generation.equation or (physical.name if physical else None)
    if name is None:
        yield "generation_params.equation: missing; it names the equation to simulate"
        return
    equations = built_in_equations()
    if name not in equations and not (physical and physical.module):
        yield f"generation_params.equation: {suggest(name, equations)}"
        return
    if set(generation.domain) - set(generation.resolution):
        yield (
            f"generation_params.domain: {sorted(generation.domain)}: the axes are those of "
            f"generation_params.resolution, {sorted(generation.resolution)}"
        )
    yield from _wrong_walls(experiment)
    if name not in equations:
        return
    spec = equations[name]
    key = "generation_params.parameters"
    yield from wrong_values(key, spec, generation.parameters, [*generation.parameters])
    made = [*generated_fields(experiment), *generation.diagnostics]
    for field in experiment.data.fields:
        if field not in made:
            yield f"data.fields: {field!r}: generation_params makes no such field, but {made}"


def _wrong_walls(experiment: Experiment) -> Iterator[str]:
    """Whether the boundary is one on the axes that are simulated."""
    generation, stated = experiment.generation_params, experiment.data.boundary
    assert generation is not None
    axes, sides = sorted(generation.resolution), _sides(stated)
    if isinstance(stated, Mapping) and sorted(stated) != axes:
        yield (
            f"data.boundary: {sorted(stated)}: the axes are those of "
            f"generation_params.resolution, {axes}"
        )
    for side in sides:
        if side not in NAMED_SIDES and not _is_number(side):
            yield f"data.boundary: {side!r}: {SIDES_ALLOWED}"
    section = experiment.model.physical
    has_walls = any(side != "periodic" for side in sides)
    if has_walls and section is not None and section.numerics.scheme == "spectral":
        yield (
            f"model.physical.numerics.scheme: spectral: it needs 'periodic' on every axis, "
            f"data.boundary is {stated!r}; finite_difference takes any boundary"
        )


def _sides(boundary: Any) -> list[Any]:
    """All that ``data.boundary`` says, whether for all axes, for each axis, or for each side."""
    if isinstance(boundary, Mapping):
        return [side for value in boundary.values() for side in _sides(value)]
    return [] if boundary is None else [boundary]


def _is_number(side: Any) -> bool:
    try:
        return not isinstance(side, bool) and math.isfinite(float(side))
    except (TypeError, ValueError):
        return False
