"""The part of an experiment that each stage's result depends on.

A stage's settings are a partial experiment: what is left out can change without re-running it.
Names and paths are left out, since no result depends on them.
"""

import json
import os
from pathlib import Path
from typing import Any

from src.config.derived import (
    generated_fields,
    held_out_simulations,
    is_augmented,
    stages_trained,
)
from src.config.schema import Experiment

JSON = dict[str, Any]


def stage_settings(experiment: Experiment, stage: str) -> str:
    """Settings of ``stage`` as JSON with sorted keys."""
    settings = _STAGES[stage](experiment)
    return json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def simulate(experiment: Experiment) -> JSON:
    """What a generated raw file depends on; how many there are is the shard's business."""
    assert experiment.generation_params is not None
    generation = experiment.generation_params.model_dump(mode="json", exclude={"num_simulations"})
    if generation["seed"] is None:
        generation["seed"] = experiment.run_params.seed
    physical = _physical_model(experiment)
    if generation["equation"] is None:
        generation["equation"] = physical["name"]
    return {
        "data": {"fields": generated_fields(experiment), "boundary": experiment.data.boundary},
        "generation_params": generation,
        "model": {
            "physical": {
                "name": generation["equation"],
                "module": physical.get("module"),
                # the truth stands in generation_params; guesses and numerics have no say here
                "pde_params": generation["parameters"],
            }
        },
    }


def cache(experiment: Experiment) -> JSON:
    """What the content of a cached simulation depends on, besides its raw file."""
    data = experiment.data.model_dump(
        mode="json", exclude={"data_dir", "dset_name", "cache_dir", "observations"}
    )
    section = experiment.data.observations
    if section is not None and section.missing != "error":
        # the only one of them that decides what is read; the others hide what has been
        data["observations"] = {"missing": section.missing}
    return {"data": data}


def train_physical(experiment: Experiment) -> JSON:
    """What the calibration depends on, besides the cached simulations."""
    training = experiment.trainer_params.physical.model_dump(mode="json")
    return {
        "run_params": {"model_type": "physical", "seed": experiment.run_params.seed},
        "data": {**_solved(experiment), **_observed(experiment)},
        "model": {"physical": _physical_model(experiment)},
        "trainer_params": {"physical": _without_held_out(training)},
    }


def augment(experiment: Experiment) -> JSON:
    """What a generated simulation depends on, besides the calibrated parameters."""
    augmentation = experiment.augmentation.model_dump(
        mode="json", exclude={"enabled", "alpha", "num_simulations"}
    )
    training = experiment.trainer_params.physical
    settings = {
        "run_params": {"model_type": "physical", "seed": experiment.run_params.seed},
        "data": _solved(experiment),
        "model": {"physical": _physical_model(experiment)},
        "augmentation": augmentation,
        "trainer_params": {
            "physical": {
                "train_sim": training.train_sim,
                "learnable_parameters": [
                    parameter.model_dump(mode="json") for parameter in training.learnable_parameters
                ],
            }
        },
    }
    if augmentation["initial_condition"] is None and experiment.generation_params is not None:
        condition = experiment.generation_params.initial_condition
        augmentation["initial_condition"] = condition.model_dump(mode="json")
    return settings


def train_synthetic(experiment: Experiment) -> JSON:
    """What the surrogate depends on, besides the cached and the generated simulations."""
    assert experiment.model.synthetic is not None
    training = experiment.trainer_params.synthetic.model_dump(mode="json")
    settings = {
        "run_params": {"model_type": "synthetic", "seed": experiment.run_params.seed},
        "data": {"fields": experiment.data.fields},
        "model": {"synthetic": _synthetic_model(experiment)},
        "trainer_params": {"synthetic": _without(training, "test_sim")},
    }
    if is_augmented(experiment):
        settings["augmentation"] = {"alpha": experiment.augmentation.alpha}
    return settings


def evaluate(experiment: Experiment) -> JSON:
    """What the evaluation depends on, besides models and cached simulations."""
    settings: JSON = {
        "run_params": {"model_type": experiment.run_params.model_type},
        "data": {"fields": experiment.data.fields},
        "evaluation_params": experiment.evaluation_params.model_dump(mode="json"),
        "trainer_params": {},
        "model": {},
    }
    indices, split = held_out_simulations(experiment)
    key = {"test": "test_sim", "validation": "val_sim", "train": "train_sim"}[split]
    for stage in stages_trained(experiment):
        settings["trainer_params"][stage] = {key: indices}
    if experiment.model.synthetic is not None and experiment.model.synthetic.module:
        # a built-in model is known by the file alone; a module is run only if the experiment says
        settings["model"]["synthetic"] = _synthetic_model(experiment)
    if "physical" in stages_trained(experiment):
        settings["data"] = _solved(experiment)
        settings["model"]["physical"] = _physical_model(experiment)
        settings["trainer_params"]["physical"]["learnable_parameters"] = [
            parameter.model_dump(mode="json")
            for parameter in experiment.trainer_params.physical.learnable_parameters
        ]
    return settings


def report(experiment: Experiment) -> JSON:
    """What the report shows: everything that says what was done, and nothing of how."""
    return experiment.model_dump(mode="json", exclude={"workflow", "project_root"})


def _solved(experiment: Experiment) -> JSON:
    """What of the data the physical model knows: its fields, and whose values each brings along."""
    return experiment.data.model_dump(mode="json", include={"fields", "known_parameters"})


def _observed(experiment: Experiment) -> JSON:
    """What of the data the calibration sees; names and units are those of a file of sensors."""
    section = experiment.data.observations
    if section is None:
        return {}
    observations = section.model_dump(mode="json")
    if section.sensors is None:
        return {"observations": observations}
    observations["sensors"] = _from_here(experiment, section.sensors)
    read = experiment.data.model_dump(mode="json", include={"variables", "dims", "time_unit"})
    return {"observations": observations, **read}


def _physical_model(experiment: Experiment) -> JSON:
    section = experiment.model.physical
    return {} if section is None else _with_module(experiment, section.model_dump(mode="json"))


def _synthetic_model(experiment: Experiment) -> JSON:
    assert experiment.model.synthetic is not None
    return _with_module(experiment, experiment.model.synthetic.model_dump(mode="json"))


def _with_module(experiment: Experiment, section: JSON) -> JSON:
    """The section with the path of its module."""
    if section["module"] is not None:
        section["module"] = _from_here(experiment, section["module"])
    return section


def _from_here(experiment: Experiment, path: str) -> str:
    """A path relative to the project as it is seen from the folder that Snakemake runs in."""
    return os.path.normpath(Path(experiment.project_root) / path)


def _without_held_out(training: JSON) -> JSON:
    return _without(_without(training, "val_sim"), "test_sim")


def _without(settings: JSON, key: str) -> JSON:
    return {name: value for name, value in settings.items() if name != key}


_STAGES = {
    function.__name__: function
    for function in (simulate, cache, train_physical, augment, train_synthetic, evaluate, report)
}
