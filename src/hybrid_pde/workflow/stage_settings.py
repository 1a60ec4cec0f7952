"""The part of an experiment that each stage's result depends on.

A stage's settings are a partial experiment: what is left out can change without re-running it.
Names and paths are left out, since no result depends on them.
"""

import json
import os
from pathlib import Path
from typing import Any

from hybrid_pde.config.derived import (
    generated_fields,
    held_out_simulations,
    is_augmented,
    needs_equation,
    num_cycles,
    replicate_of,
    stages_trained,
)
from hybrid_pde.config.schema import Experiment, GivenStates

JSON = dict[str, Any]
# how a file of raw data is read, besides its fields
READING = {"variables", "dims", "domain", "boundary", "time_unit", "select", "format"}


def stage_settings(experiment: Experiment, stage: str, cycle: int = 1, replicate: int = 0) -> str:
    """Settings of ``stage`` as JSON with sorted keys.

    Args:
        experiment: The experiment.
        stage: Name of the stage.
        cycle: Which hybrid cycle the stage is of, from 1.
        replicate: Which surrogate is trained, from 0.
    """
    settings = _STAGES[stage](replicate_of(experiment, replicate))
    if stage == "train_physical" and cycle > 1:
        settings = _taught(experiment, settings)
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
        mode="json",
        exclude={
            "enabled",
            "alpha",
            "num_simulations",
            "symmetries",
            "max_disk_mb",
            "max_left_out",
        },
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
                "learnable_parameters": _learnable(experiment),
            }
        },
    }
    if isinstance(experiment.augmentation.initial_condition, GivenStates):
        path = augmentation["initial_condition"]["path"]
        augmentation["initial_condition"]["path"] = _from_here(experiment, path)
        settings["data"] |= experiment.data.model_dump(mode="json", include=READING)
    if augmentation["initial_condition"] is None and experiment.generation_params is not None:
        condition = experiment.generation_params.initial_condition
        augmentation["initial_condition"] = condition.model_dump(mode="json")
    return settings


def train_synthetic(experiment: Experiment) -> JSON:
    """What the surrogate depends on, besides the cached and the generated simulations."""
    assert experiment.model.synthetic is not None
    training = experiment.trainer_params.synthetic.model_dump(
        mode="json", exclude={"test_sim", "replicates"}
    )
    settings: JSON = {
        "run_params": {
            "model_type": experiment.run_params.model_type,
            "seed": experiment.run_params.seed,
        },
        "data": {"fields": experiment.data.fields, **_hidden(experiment)},
        "model": {"synthetic": _synthetic_model(experiment)},
        "trainer_params": {"synthetic": training},
        "augmentation": {"symmetries": experiment.augmentation.symmetries},
    }
    if is_augmented(experiment):
        for key in ("alpha", "num_simulations", "max_left_out"):
            settings["augmentation"][key] = getattr(experiment.augmentation, key)
    if needs_equation(experiment):
        settings["model"]["physical"] = _physical_model(experiment)
        settings["data"] |= _solved(experiment)
        if "physical" in stages_trained(experiment):
            physical = experiment.trainer_params.physical
            settings["trainer_params"]["physical"] = {
                "train_sim": physical.train_sim,
                "initial_state": physical.initial_state,
                "learnable_parameters": _learnable(experiment),
            }
    section = experiment.hybrid
    if num_cycles(experiment) > 1:
        settings["hybrid"] = {"cycles": section.cycles, "revert_if_worse": section.revert_if_worse}
    if experiment.data.observations is not None and "physical" in stages_trained(experiment):
        weight = {"interaction_weight": section.interaction_weight}
        settings["hybrid"] = settings.get("hybrid", {}) | weight
    return settings


def guide(experiment: Experiment) -> JSON:
    """What the synthetic model's predictions for a calibration depend on, besides the model."""
    physical = experiment.trainer_params.physical
    return {
        "run_params": {"model_type": "hybrid", "seed": experiment.run_params.seed},
        "data": {**_solved(experiment), **_hidden(experiment)},
        "model": {
            "synthetic": _synthetic_model(experiment),
            # which fields are free of divergence; nothing is solved
            "physical": {key: _physical_model(experiment)[key] for key in ("name", "module")},
        },
        "trainer_params": {
            "physical": {
                "train_sim": physical.train_sim,
                "num_predict_steps": physical.num_predict_steps,
                "initial_state": physical.initial_state,
            }
        },
    }


def hybrid(experiment: Experiment) -> JSON:
    """What is taken over from the cycles depends on them alone."""
    return {"hybrid": {"cycles": num_cycles(experiment)}}


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
        settings["trainer_params"]["physical"]["learnable_parameters"] = _learnable(experiment)
    return settings


def report(experiment: Experiment) -> JSON:
    """What the report shows: everything that says what was done, and nothing of how."""
    return experiment.model_dump(mode="json", exclude={"workflow", "project_root"})


def _solved(experiment: Experiment) -> JSON:
    """What of the data the physical model knows: its fields, and whose values each brings along."""
    return experiment.data.model_dump(mode="json", include={"fields", "known_parameters"})


def _learnable(experiment: Experiment) -> list[JSON]:
    """The learnable parameters, whose guesses a model is made with."""
    learnable = experiment.trainer_params.physical.learnable_parameters
    return [parameter.model_dump(mode="json") for parameter in learnable]


def _taught(experiment: Experiment, settings: JSON) -> JSON:
    """The calibration's settings where the synthetic model of the cycle before teaches it."""
    section = experiment.hybrid
    settings["hybrid"] = {
        "interaction_weight": section.interaction_weight,
        "revert_if_worse": section.revert_if_worse,
    }
    if section.revert_if_worse:
        held_out = experiment.trainer_params.physical.val_sim
        settings["trainer_params"]["physical"]["val_sim"] = held_out
    return settings


def _hidden(experiment: Experiment) -> JSON:
    """What is hidden of the data; that there are sensors hides the frames."""
    section = experiment.data.observations
    if section is None:
        return {}
    observations = section.model_dump(mode="json")
    if section.sensors is not None:
        observations["sensors"] = _from_here(experiment, section.sensors)
    return {"observations": observations}


def _observed(experiment: Experiment) -> JSON:
    """What of the data the calibration sees; names and units are those of a file of sensors."""
    hidden, section = _hidden(experiment), experiment.data.observations
    if section is None or section.sensors is None:
        return hidden
    read = experiment.data.model_dump(mode="json", include={"variables", "dims", "time_unit"})
    return {**hidden, **read}


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
    for function in (
        simulate,
        cache,
        train_physical,
        augment,
        train_synthetic,
        guide,
        hybrid,
        evaluate,
        report,
    )
}
