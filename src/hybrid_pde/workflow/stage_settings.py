"""Settings of each stage: the part of an experiment that its result depends on.

They are a partial experiment. Keys that are left out can change without re-running the stage; names
and paths are among them, because no result depends on them.
"""

import json

from hybrid_pde.config.derived import (
    generated_fields,
    held_out_simulations,
    is_augmented,
    is_calibrated_by_simulation,
    needs_equation,
    num_cycles,
    replicate_of,
    stages_trained,
)
from hybrid_pde.config.schema import Experiment, GivenStates
from hybrid_pde.workflow import settings_sections as sections
from hybrid_pde.workflow.settings_sections import JSON

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
        settings = sections.guided(experiment, settings)
    return json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def simulate(experiment: Experiment) -> JSON:
    """Settings of a generated raw file; their number does not matter to one file."""
    assert experiment.generation_params is not None
    generation = experiment.generation_params.model_dump(mode="json", exclude={"num_simulations"})
    if generation["seed"] is None:
        generation["seed"] = experiment.run_params.seed
    physical = sections.physical_model(experiment)
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
        "data": {**sections.equation_data(experiment), **sections.calibration_data(experiment)},
        "model": {"physical": sections.physical_model(experiment)},
        "trainer_params": {"physical": training},
    }
    if is_calibrated_by_simulation(experiment):
        training |= sections.calibrated_splits(experiment)
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
        "data": sections.equation_data(experiment),
        "model": {"physical": sections.physical_model(experiment)},
        "augmentation": augmentation,
        "trainer_params": {
            "physical": {
                "train_sim": training.train_sim,
                "learnable_parameters": sections.learnable_parameters(experiment),
            }
        },
    }
    if isinstance(experiment.augmentation.initial_condition, GivenStates):
        path = augmentation["initial_condition"]["path"]
        augmentation["initial_condition"]["path"] = sections.from_working_directory(
            experiment, path
        )
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
        "data": {"fields": experiment.data.fields, **sections.observations(experiment)},
        "model": {"synthetic": sections.synthetic_model(experiment)},
        "trainer_params": {"synthetic": training},
        "augmentation": {"symmetries": experiment.augmentation.symmetries},
    }
    if is_augmented(experiment):
        for key in ("alpha", "num_simulations", "max_left_out"):
            settings["augmentation"][key] = getattr(experiment.augmentation, key)
    if needs_equation(experiment):
        settings["model"]["physical"] = sections.physical_model(experiment)
        settings["data"] |= sections.equation_data(experiment)
        if "physical" in stages_trained(experiment):
            physical = experiment.trainer_params.physical
            settings["trainer_params"]["physical"] = {
                "train_sim": physical.train_sim,
                "initial_state": physical.initial_state,
                "learnable_parameters": sections.learnable_parameters(experiment),
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
        "data": {**sections.equation_data(experiment), **sections.observations(experiment)},
        "model": {
            "synthetic": sections.synthetic_model(experiment),
            # says which fields are divergence-free; nothing is solved
            "physical": {
                key: sections.physical_model(experiment)[key] for key in ("name", "module")
            },
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
        settings["model"]["synthetic"] = sections.synthetic_model(experiment)
    if "physical" in stages_trained(experiment):
        settings["data"] = sections.equation_data(experiment)
        settings["model"]["physical"] = sections.physical_model(experiment)
        physical = settings["trainer_params"]["physical"]
        physical["learnable_parameters"] = sections.learnable_parameters(experiment)
        if is_calibrated_by_simulation(experiment):
            physical["context_frames"] = experiment.trainer_params.physical.context_frames
    return settings


def report(experiment: Experiment) -> JSON:
    """Settings that the report shows and repeats: all except how the workflow runs."""
    return experiment.model_dump(mode="json", exclude={"workflow", "reuse"})


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
