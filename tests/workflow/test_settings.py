"""Stages with settings that contain a given key, and so re-run when it changes."""

import copy
import json
from typing import Any

import pytest

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.cache_location import reading_digest
from hybrid_pde.workflow.stage_settings import stage_settings
from tests.workflow.test_rerun import merged
from tests.workflow.tiny import tiny_experiment

STAGES = (
    "simulate", "cache", "train_physical", "augment", "train_synthetic", "guide", "hybrid",
    "evaluate", "report",
)  # fmt: skip
SOLVED = {"train_physical", "augment", "evaluate"}
SEEN = {"train_physical", "train_synthetic", "guide"}
DATA: dict[str, tuple[dict[str, Any], set[str]]] = {
    "observations.noise": ({"observations": {"noise": 0.1}}, SEEN),
    "observations.points": ({"observations": {"points": 9}}, SEEN),
    "observations.sensors": ({"observations": {"sensors": "s.nc"}}, SEEN),
    "observations.missing": ({"observations": {"missing": "mask"}}, {"cache", *SEEN}),
    "known_parameters": ({"known_parameters": {"advection": "a"}}, {"cache", "guide", *SOLVED}),
    "format": ({"format": "hdf5-pdebench"}, {"cache"}),
    "cache_dir": ({"cache_dir": "elsewhere"}, set()),
}
TRAINING: dict[str, Any] = {
    "starts": 3,
    "initial_state": "estimate",
    "check_discretization": False,
    "method": "L-BFGS-B",
}
NUMERICS: dict[str, Any] = {"scheme": "weno", "order": 2, "refine": 2, "substeps": 3}


def stages_changed(changes: dict[str, Any]) -> set[str]:
    """Stages with different settings, except the report, which shows every setting."""
    before = tiny_experiment()
    after = merged(copy.deepcopy(before), changes)
    one, other = parse_experiment(before), parse_experiment(after)
    found = {s for s in STAGES if stage_settings(one, s) != stage_settings(other, s)}
    assert "report" in found
    return found - {"report"}


@pytest.mark.parametrize("key", DATA)
def test_data_keys_affect_only_stages_that_use_them(key: str) -> None:
    changes, expected = DATA[key]
    assert stages_changed({"data": changes}) == expected


@pytest.mark.parametrize("key", DATA)
def test_cache_is_recomputed_if_other_data_are_read(key: str) -> None:
    changes, expected = DATA[key]
    before = tiny_experiment()
    after = merged(copy.deepcopy(before), {"data": changes})
    differs = reading_digest(before) != reading_digest(after)
    assert differs == ("cache" in expected)
    # the program gets only a part of the settings but must find the same digest as the plan
    settings = json.loads(stage_settings(parse_experiment(after), "cache"))
    assert reading_digest(settings) == reading_digest(after)


@pytest.mark.parametrize("key", TRAINING)
def test_calibration_keys_affect_only_the_calibration(key: str) -> None:
    changes = {"trainer_params": {"physical": {key: TRAINING[key]}}}
    others = {"guide"} if key == "initial_state" else set()
    assert stages_changed(changes) == {"train_physical", *others}


@pytest.mark.parametrize("key", NUMERICS)
def test_numerics_affect_every_stage_that_solves_the_equation(key: str) -> None:
    assert stages_changed({"model": {"physical": {"numerics": {key: NUMERICS[key]}}}}) == SOLVED


SURROGATE: dict[str, Any] = {
    "windows_per_epoch": 8,
    "scheduler": "one_cycle",
    "accumulate": 2,
    "curriculum": {"first_steps": 1},
    "pushforward": 1,
    "input_noise": 0.1,
    "patience": 3,
    "validate_every": 2,
    "keep": "last",
    "precision": "bf16",
    "devices": 2,
    "compile": True,
}


@pytest.mark.parametrize("key", SURROGATE)
def test_surrogate_training_keys_affect_only_that_training(key: str) -> None:
    changes = {"trainer_params": {"synthetic": {key: SURROGATE[key]}}}
    assert stages_changed(changes) == {"train_synthetic"}


AUGMENTATION: dict[str, tuple[Any, set[str]]] = {
    "alpha": (0.3, {"train_synthetic"}),
    "symmetries": (["translation"], {"train_synthetic"}),
    "steps": (3, {"augment"}),
    "parameters": ("distribution", {"augment"}),
    "initial_condition": ({"type": "perturbed"}, {"augment"}),
    "max_disk_mb": (100.0, set()),
    "max_left_out": (0.2, {"train_synthetic"}),
}


@pytest.mark.parametrize("key", AUGMENTATION)
def test_augmentation_keys_affect_only_stages_that_use_them(key: str) -> None:
    value, expected = AUGMENTATION[key]
    assert stages_changed({"augmentation": {key: value}}) == expected


def test_settings_of_replicates_differ_only_in_the_seed() -> None:
    experiment = parse_experiment(tiny_experiment(run_params={"model_type": "hybrid", "seed": 4}))
    one, other = (
        json.loads(stage_settings(experiment, "train_synthetic", replicate=r)) for r in (0, 2)
    )
    assert (one["run_params"].pop("seed"), other["run_params"].pop("seed")) == (4, 6)
    assert one == other


def test_first_calibration_does_not_depend_on_later_cycles() -> None:
    one = parse_experiment(tiny_experiment())
    three = parse_experiment(tiny_experiment(hybrid={"cycles": 3, "interaction_weight": 0.5}))
    first, second = (stage_settings(three, "train_physical", cycle=k) for k in (1, 2))
    assert first == stage_settings(one, "train_physical")
    assert json.loads(second)["hybrid"] == {"interaction_weight": 0.5, "revert_if_worse": True}


def test_sensor_file_is_relative_to_the_working_directory() -> None:
    """Settings contain no project root, so their paths are relative to the working directory."""
    experiment = merged(
        tiny_experiment(),
        {
            "project_root": "project",
            "data": {"observations": {"sensors": "./sensors.nc"}, "time_unit": "hours"},
        },
    )
    settings = json.loads(stage_settings(parse_experiment(experiment), "train_physical"))
    assert settings["data"]["observations"]["sensors"] == "project/sensors.nc"
    assert settings["data"]["time_unit"] == "hours", "the times of the readings have a unit, too"
    assert parse_experiment(settings).project_root == "."


def test_file_of_initial_states_is_read_like_raw_files() -> None:
    condition = {"type": "file", "path": "./states.nc"}
    experiment = merged(
        tiny_experiment(),
        {
            "project_root": "project",
            "augmentation": {"initial_condition": condition},
            "data": {"time_unit": "hours"},
        },
    )
    settings = json.loads(stage_settings(parse_experiment(experiment), "augment"))
    assert settings["augmentation"]["initial_condition"]["path"] == "project/states.nc"
    assert settings["data"]["time_unit"] == "hours"
