"""Which stages' settings a key is part of, and which it is not: what re-runs follows from that."""

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
    """Stages whose settings differ; the report shows every setting, so it is left out."""
    before = tiny_experiment()
    after = merged(copy.deepcopy(before), changes)
    one, other = parse_experiment(before), parse_experiment(after)
    found = {s for s in STAGES if stage_settings(one, s) != stage_settings(other, s)}
    assert "report" in found
    return found - {"report"}


@pytest.mark.parametrize("key", DATA)
def test_key_of_the_data_is_part_of_what_uses_it(key: str) -> None:
    changes, expected = DATA[key]
    assert stages_changed({"data": changes}) == expected


@pytest.mark.parametrize("key", DATA)
def test_cache_is_made_anew_where_something_else_is_read(key: str) -> None:
    changes, expected = DATA[key]
    before = tiny_experiment()
    after = merged(copy.deepcopy(before), {"data": changes})
    differs = reading_digest(before) != reading_digest(after)
    assert differs == ("cache" in expected)
    # the program reads as the plan says, though it gets its own part of the settings only
    settings = json.loads(stage_settings(parse_experiment(after), "cache"))
    assert reading_digest(settings) == reading_digest(after)


@pytest.mark.parametrize("key", TRAINING)
def test_key_of_the_calibration_is_part_of_it_alone(key: str) -> None:
    changes = {"trainer_params": {"physical": {key: TRAINING[key]}}}
    others = {"guide"} if key == "initial_state" else set()
    assert stages_changed(changes) == {"train_physical", *others}


@pytest.mark.parametrize("key", NUMERICS)
def test_numerics_are_part_of_every_stage_that_solves_the_equation(key: str) -> None:
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
def test_key_of_the_surrogates_training_is_part_of_it_alone(key: str) -> None:
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
def test_key_of_the_augmentation_is_part_of_what_uses_it(key: str) -> None:
    value, expected = AUGMENTATION[key]
    assert stages_changed({"augmentation": {key: value}}) == expected


def test_replicates_have_settings_that_differ_in_the_seed_alone() -> None:
    experiment = parse_experiment(tiny_experiment(run_params={"model_type": "hybrid", "seed": 4}))
    one, other = (
        json.loads(stage_settings(experiment, "train_synthetic", replicate=r)) for r in (0, 2)
    )
    assert (one["run_params"].pop("seed"), other["run_params"].pop("seed")) == (4, 6)
    assert one == other


def test_first_calibration_knows_nothing_of_later_cycles() -> None:
    one = parse_experiment(tiny_experiment())
    three = parse_experiment(tiny_experiment(hybrid={"cycles": 3, "interaction_weight": 0.5}))
    first, second = (stage_settings(three, "train_physical", cycle=k) for k in (1, 2))
    assert first == stage_settings(one, "train_physical")
    assert json.loads(second)["hybrid"] == {"interaction_weight": 0.5, "revert_if_worse": True}


def test_file_of_sensors_is_found_from_the_working_directory() -> None:
    """Settings name no project root, so paths in them start from where the programs run."""
    experiment = merged(
        tiny_experiment(),
        {
            "project_root": "project",
            "data": {"observations": {"sensors": "./sensors.nc"}, "time_unit": "hours"},
        },
    )
    settings = json.loads(stage_settings(parse_experiment(experiment), "train_physical"))
    assert settings["data"]["observations"]["sensors"] == "project/sensors.nc"
    assert settings["data"]["time_unit"] == "hours", "the times of its readings have a unit too"
    assert parse_experiment(settings).project_root == "."


def test_file_of_initial_states_is_read_as_raw_files_are() -> None:
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
