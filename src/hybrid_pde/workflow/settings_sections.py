"""Parts of the experiment that the settings of several stages share, as JSON types."""

import os
from pathlib import Path
from typing import Any

from hybrid_pde.config.derived import (
    calibrated_simulations,
    is_held_out,
    trained_simulations,
)
from hybrid_pde.config.schema import Experiment

JSON = dict[str, Any]


def equation_data(experiment: Experiment) -> JSON:
    """Fields and per-simulation parameters, the data settings of the physical model."""
    return experiment.data.model_dump(mode="json", include={"fields", "known_parameters"})


def learnable_parameters(experiment: Experiment) -> list[JSON]:
    """The learnable parameters with their initial guesses."""
    learnable = experiment.trainer_params.physical.learnable_parameters
    return [parameter.model_dump(mode="json") for parameter in learnable]


def calibrated_splits(experiment: Experiment) -> JSON:
    """Simulations with parameters of their own, those that are trained on first."""
    used = calibrated_simulations(experiment)
    return {
        "train_sim": trained_simulations(experiment),
        "val_sim": [],
        "test_sim": [index for index in used if is_held_out(experiment, index)],
    }


def guided(experiment: Experiment, settings: JSON) -> JSON:
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


def observations(experiment: Experiment) -> JSON:
    """Observations, which hide the rest of the data; with sensors all frames are hidden."""
    section = experiment.data.observations
    if section is None:
        return {}
    observations = section.model_dump(mode="json")
    if section.sensors is not None:
        observations["sensors"] = from_working_directory(experiment, section.sensors)
    return {"observations": observations}


def calibration_data(experiment: Experiment) -> JSON:
    """Observations and, for a file of sensor readings, how it is read."""
    hidden, section = observations(experiment), experiment.data.observations
    if section is None or section.sensors is None:
        return hidden
    read = experiment.data.model_dump(mode="json", include={"variables", "dims", "time_unit"})
    return {**hidden, **read}


def physical_model(experiment: Experiment) -> JSON:
    """The section ``model.physical``; empty without one."""
    section = experiment.model.physical
    return {} if section is None else _with_module(experiment, section.model_dump(mode="json"))


def synthetic_model(experiment: Experiment) -> JSON:
    """The section ``model.synthetic``."""
    assert experiment.model.synthetic is not None
    return _with_module(experiment, experiment.model.synthetic.model_dump(mode="json"))


def _with_module(experiment: Experiment, section: JSON) -> JSON:
    """The section with its module's path relative to the working directory."""
    if section["module"] is not None:
        section["module"] = from_working_directory(experiment, section["module"])
    return section


def from_working_directory(experiment: Experiment, path: str) -> str:
    """A path relative to the project as a path relative to the working directory."""
    return os.path.normpath(Path(experiment.project_root) / path)
