"""Which stages' settings a key is part of, and which it is not: what re-runs follows from that."""

import copy
import json
from typing import Any

import pytest

from src.config import parse_experiment
from src.data.reading import reading_digest
from tests.workflow.test_rerun import merged
from tests.workflow.tiny import tiny_experiment
from workflow.settings import stage_settings

STAGES = (
    "simulate", "cache", "train_physical", "augment", "train_synthetic", "evaluate", "report",
)  # fmt: skip
SOLVED = {"train_physical", "augment", "evaluate"}
DATA: dict[str, tuple[dict[str, Any], set[str]]] = {
    "observations.noise": ({"observations": {"noise": 0.1}}, {"train_physical"}),
    "observations.points": ({"observations": {"points": 9}}, {"train_physical"}),
    "observations.sensors": ({"observations": {"sensors": "s.nc"}}, {"train_physical"}),
    "observations.missing": ({"observations": {"missing": "mask"}}, {"cache", "train_physical"}),
    "known_parameters": ({"known_parameters": {"advection": "a"}}, {"cache", *SOLVED}),
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
    assert stages_changed(changes) == {"train_physical"}


@pytest.mark.parametrize("key", NUMERICS)
def test_numerics_are_part_of_every_stage_that_solves_the_equation(key: str) -> None:
    assert stages_changed({"model": {"physical": {"numerics": {key: NUMERICS[key]}}}}) == SOLVED


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
