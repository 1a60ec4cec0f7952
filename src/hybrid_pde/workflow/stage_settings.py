"""Settings of each stage: the part of an experiment that its result depends on.

They are a partial experiment. Keys that are left out can change without re-running the stage; names
and paths are among them, because no result depends on them.
"""

import json
import os
from pathlib import Path
from typing import Any

from hybrid_pde.config.derived import (
    calibrated_simulations,
    generated_fields,
    held_out_simulations,
    is_augmented,
    is_calibrated_by_simulation,
    is_held_out,
    needs_equation,
    num_cycles,
    replicate_of,
    stages_trained,
    trained_simulations,
)
from hybrid_pde.config.schema import Experiment, GivenStates

JSON = dict[str, Any]
# keys that say how a raw file is read, besides its fields
READING_KEYS = {"variables", "dims", "domain", "boundary", "time_unit", "select", "format"}


def stage_settings(experiment: Experiment, stage: str, cycle: int = 1, replicate: int = 0) -> str:
    """Settings of ``stage`` as JSON with sorted keys.

    Args:
        experiment: The experiment.
        stage: Name of the stage.
        cycle: Number of the hybrid cycle, from 1.
        replicate: Number of the surrogate that is trained, from 0.
    """
    settings = _STAGES[stage](replicate_of(experiment, replicate))
    if stage == "train_physical" and cycle > 1:
        settings = _guided(experiment, settings)
    return json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def simulate(experiment: Experiment) -> JSON:
    """Settings of a generated raw file; their number does not matter to one file."""
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
                # generation_params has the true values; guesses and numerics do not matter
                "pde_params": generation["parameters"]
                | {name: upper for name, (_, upper) in generation["ranges"].items()},
            }
        },
    }


def cache(experiment: Experiment) -> JSON:
    """Settings of a cached simulation, besides its raw file."""
    data = experiment.data.model_dump(
        mode="json", exclude={"data_dir", "dset_name", "cache_dir", "observations"}
    )
    section = experiment.data.observations
    if section is not None and section.missing != "error":
        # decides what is read; the other keys hide values that have been read
        data["observations"] = {"missing": section.missing}
    return {"data": data}


def train_physical(experiment: Experiment) -> JSON:
    """Settings of the calibration, besides the cached simulations."""
    training = experiment.trainer_params.physical.model_dump(
        mode="json", exclude={"val_sim", "test_sim"}
    )
    settings: JSON = {
        "run_params": {"model_type": "physical", "seed": experiment.run_params.seed},
        "data": {**_equation_data(experiment), **_calibration_data(experiment)},
        "model": {"physical": _physical_model(experiment)},
        "trainer_params": {"physical": training},
    }
    if is_calibrated_by_simulation(experiment):
        training |= _splits(experiment)
    return settings


def calibrate(experiment: Experiment) -> JSON:
    """Settings of the estimate of a single simulation, besides the cached one."""
    return train_physical(experiment)


def augment(experiment: Experiment) -> JSON:
    """Settings of a generated simulation, besides the calibrated parameters."""
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
        "data": _equation_data(experiment),
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
        augmentation["initial_condition"]["path"] = _from_working_directory(experiment, path)
        settings["data"] |= experiment.data.model_dump(mode="json", include=READING_KEYS)
    if augmentation["initial_condition"] is None and experiment.generation_params is not None:
        condition = experiment.generation_params.initial_condition
        augmentation["initial_condition"] = condition.model_dump(mode="json")
    return settings


def train_synthetic(experiment: Experiment) -> JSON:
    """Settings of the surrogate, besides the cached and the generated simulations."""
    assert experiment.model.synthetic is not None
    training = experiment.trainer_params.synthetic.model_dump(
        mode="json", exclude={"test_sim", "replicates"}
    )
    settings: JSON = {
        "run_params": {
            "model_type": experiment.run_params.model_type,
            "seed": experiment.run_params.seed,
        },
        "data": {"fields": experiment.data.fields, **_observations(experiment)},
        "model": {"synthetic": _synthetic_model(experiment)},
        "trainer_params": {"synthetic": training},
        "augmentation": {"symmetries": experiment.augmentation.symmetries},
    }
    if is_augmented(experiment):
        for key in ("alpha", "num_simulations", "max_left_out"):
            settings["augmentation"][key] = getattr(experiment.augmentation, key)
    if needs_equation(experiment):
        settings["model"]["physical"] = _physical_model(experiment)
        settings["data"] |= _equation_data(experiment)
        if "physical" in stages_trained(experiment):
            physical = experiment.trainer_params.physical
            settings["trainer_params"]["physical"] = {
                "train_sim": physical.train_sim,
                "initial_state": physical.initial_state,
                "learnable_parameters": _learnable(experiment),
            }
            if is_calibrated_by_simulation(experiment):
                context = {"context_frames": physical.context_frames}
                settings["trainer_params"]["physical"] |= context
    section = experiment.hybrid
    if num_cycles(experiment) > 1:
        settings["hybrid"] = {"cycles": section.cycles, "revert_if_worse": section.revert_if_worse}
    if experiment.data.observations is not None and "physical" in stages_trained(experiment):
        weight = {"interaction_weight": section.interaction_weight}
        settings["hybrid"] = settings.get("hybrid", {}) | weight
    return settings


def guide(experiment: Experiment) -> JSON:
    """Settings of the surrogate's predictions for a calibration, besides the model."""
    physical = experiment.trainer_params.physical
    return {
        "run_params": {"model_type": "hybrid", "seed": experiment.run_params.seed},
        "data": {**_equation_data(experiment), **_observations(experiment)},
        "model": {
            "synthetic": _synthetic_model(experiment),
            # says which fields are divergence-free; nothing is solved
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
    """Settings of the copy of the last cycle's results: only the number of cycles."""
    return {"hybrid": {"cycles": num_cycles(experiment)}}


def reuse(experiment: Experiment) -> JSON:
    """Settings of the copy of another experiment's calibration: none."""
    return {"run_params": {"model_type": experiment.run_params.model_type}}


def evaluate(experiment: Experiment) -> JSON:
    """Settings of the evaluation, besides models and cached simulations."""
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
        # the file describes a built-in model; a module is run only if the experiment names it
        settings["model"]["synthetic"] = _synthetic_model(experiment)
    if "physical" in stages_trained(experiment):
        settings["data"] = _equation_data(experiment)
        settings["model"]["physical"] = _physical_model(experiment)
        physical = settings["trainer_params"]["physical"]
        physical["learnable_parameters"] = _learnable(experiment)
        if is_calibrated_by_simulation(experiment):
            physical["context_frames"] = experiment.trainer_params.physical.context_frames
    return settings


def report(experiment: Experiment) -> JSON:
    """Settings that the report shows and repeats: all except how the workflow runs."""
    return experiment.model_dump(mode="json", exclude={"workflow", "reuse"})


def _equation_data(experiment: Experiment) -> JSON:
    """Fields and per-simulation parameters, the data settings of the physical model."""
    return experiment.data.model_dump(mode="json", include={"fields", "known_parameters"})


def _learnable(experiment: Experiment) -> list[JSON]:
    """The learnable parameters with their initial guesses."""
    learnable = experiment.trainer_params.physical.learnable_parameters
    return [parameter.model_dump(mode="json") for parameter in learnable]


def _splits(experiment: Experiment) -> JSON:
    """Simulations with parameters of their own, those that are trained on first."""
    used = calibrated_simulations(experiment)
    return {
        "train_sim": trained_simulations(experiment),
        "val_sim": [],
        "test_sim": [index for index in used if is_held_out(experiment, index)],
    }


def _guided(experiment: Experiment, settings: JSON) -> JSON:
    """Settings of a calibration that the surrogate of the previous cycle guides."""
    section = experiment.hybrid
    settings["hybrid"] = {
        "interaction_weight": section.interaction_weight,
        "revert_if_worse": section.revert_if_worse,
    }
    if section.revert_if_worse:
        held_out = experiment.trainer_params.physical.val_sim
        settings["trainer_params"]["physical"]["val_sim"] = held_out
    return settings


def _observations(experiment: Experiment) -> JSON:
    """Observations, which hide the rest of the data; with sensors all frames are hidden."""
    section = experiment.data.observations
    if section is None:
        return {}
    observations = section.model_dump(mode="json")
    if section.sensors is not None:
        observations["sensors"] = _from_working_directory(experiment, section.sensors)
    return {"observations": observations}


def _calibration_data(experiment: Experiment) -> JSON:
    """Observations and, for a file of sensor readings, how it is read."""
    hidden, section = _observations(experiment), experiment.data.observations
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
    """The section with its module's path relative to the working directory."""
    if section["module"] is not None:
        section["module"] = _from_working_directory(experiment, section["module"])
    return section


def _from_working_directory(experiment: Experiment, path: str) -> str:
    """A path relative to the project as a path relative to the working directory."""
    return os.path.normpath(Path(experiment.project_root) / path)


_STAGES = {
    function.__name__: function
    for function in (
        simulate,
        cache,
        calibrate,
        train_physical,
        augment,
        train_synthetic,
        guide,
        hybrid,
        reuse,
        evaluate,
        report,
    )
}
