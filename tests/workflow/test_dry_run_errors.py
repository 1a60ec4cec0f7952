"""Errors that a dry run reports before anything is computed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from hybrid_pde.errors import UserError
from hybrid_pde.workflow.requested_experiments import RequestedExperiments
from tests.workflow.snakemake_run import TARGET, run
from tests.workflow.tiny import tiny_experiment, write_experiment

MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown key": ({"evaluation_params": {"num_stepz": 3}}, ["num_stepz", "num_steps"]),
    "wrong type": ({"augmentation": {"alpha": "many"}}, ["augmentation.alpha", "'many'"]),
    "no such simulation": (
        {"trainer_params": tiny_experiment()["trainer_params"] | {"test_sim": [11]}},
        ["test_sim", "[11]"],
    ),
    "no such field": (
        {"data": {"dset_name": "burgers_2d", "fields": ["velocity", "salinity"]}},
        ["salinity", "velocity"],
    ),
    "no file of sensors": (
        {
            "data": {
                "dset_name": "burgers_2d",
                "fields": ["velocity"],
                "observations": {"sensors": "buoys.nc"},
            }
        },
        ["data.observations.sensors: 'buoys.nc'", "project_root"],
    ),
}


@pytest.fixture
def error_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """The error message of a dry run in the folder, taken from the plans."""
    monkeypatch.chdir(tmp_path)

    def ask() -> str:
        with pytest.raises(UserError) as error:
            RequestedExperiments({}, claim=False)
        return str(error.value)

    return ask


@pytest.mark.parametrize("mistake", MISTAKES)
def test_plans_report_mistakes(
    tmp_path: Path, mistake: str, error_message: Callable[[], str]
) -> None:
    sections, expected = MISTAKES[mistake]
    write_experiment(tmp_path / "config/burgers_2d.yaml", **sections)
    message = error_message()
    assert "config/burgers_2d.yaml" in message
    for part in expected:
        assert part in message
    assert not (tmp_path / "data").exists()


def test_dry_run_reports_a_mistake(tmp_path: Path) -> None:
    sections, expected = MISTAKES["unknown key"]
    write_experiment(tmp_path / "config/burgers_2d.yaml", **sections)
    result = run(tmp_path, "--dry-run", TARGET)
    assert result.returncode != 0
    assert "config/burgers_2d.yaml" in result.stdout
    assert "Traceback" not in result.stdout
    for part in expected:
        assert part in result.stdout, result.stdout


def raw_experiment(folder: Path, **changes: Any) -> None:
    """The tiny experiment with two short simulations as given raw files."""
    raw = folder / "data/burgers_2d"
    raw.mkdir(parents=True)
    x = (np.arange(8) + 0.5) / 8
    for name in ("a.nc", "b.nc"):
        velocity = np.random.default_rng(0).normal(size=(5, 2, 8, 8))
        xr.Dataset(
            {"velocity": (("time", "component", "x", "y"), velocity)},
            {"time": np.arange(5) * 0.1, "component": ["x", "y"], "x": x, "y": x},
        ).to_netcdf(raw / name)
    training = tiny_experiment()["trainer_params"] | {
        "train_sim": [0],
        "val_sim": [],
        "test_sim": [1],
    }
    sections = {"trainer_params": training, "evaluation_params": {}} | changes
    experiment = folder / "config/burgers_2d.yaml"
    write_experiment(experiment, **sections)
    text = experiment.read_text().replace("generation_params", "unused")
    content = yaml.safe_load(text)
    del content["unused"]
    content["trainer_params"]["physical"]["num_predict_steps"] = 2
    experiment.write_text(yaml.safe_dump(content))


def test_given_raw_files_are_planned_without_simulating(tmp_path: Path) -> None:
    raw_experiment(tmp_path)
    result = run(tmp_path, "--dry-run", TARGET)
    assert result.returncode == 0, result.stdout
    assert "simulate" not in result.stdout


def test_field_missing_from_all_files_is_reported(
    tmp_path: Path, error_message: Callable[[], str]
) -> None:
    data = {"dset_name": "burgers_2d", "fields": ["temperature"]}
    synthetic = {
        "name": "UNet",
        "input_specs": {"temperature": 1},
        "output_specs": {"temperature": 1},
    }
    raw_experiment(
        tmp_path, data=data, model={"physical": {"name": "BurgersPDE"}, "synthetic": synthetic}
    )
    message = error_message()
    assert "temperature" in message
    assert "a.nc" in message


def test_scheme_incompatible_with_the_boundary_is_reported(
    tmp_path: Path, error_message: Callable[[], str]
) -> None:
    data = {"dset_name": "burgers_2d", "fields": ["velocity"], "boundary": "zero-gradient"}
    model = tiny_experiment()["model"]
    model["physical"]["numerics"] = "spectral"
    raw_experiment(tmp_path, data=data, model=model)
    message = error_message()
    assert "model.physical.numerics.scheme: spectral: needs periodic boundaries" in message
    assert "use finite_difference" in message


def test_damaged_file_is_named(tmp_path: Path) -> None:
    raw_experiment(tmp_path)
    (tmp_path / "data/burgers_2d/b.nc").write_bytes(b"\x89HDF\r\n\x1a\n but nothing else")
    result = run(tmp_path, "--dry-run", TARGET)
    assert result.returncode != 0
    assert "b.nc" in result.stdout
    assert "Traceback" not in result.stdout


def test_physical_experiment_has_no_synthetic_model(tmp_path: Path) -> None:
    run_params = {"experiment_name": "burgers_2d", "model_type": "physical"}
    write_experiment(tmp_path / "config/burgers_2d.yaml", run_params=run_params)
    result = run(tmp_path, "--dry-run", TARGET)
    assert result.returncode != 0
    assert "results/burgers_2d/physical/parameters.yaml" in result.stdout


def test_unknown_experiment_in_a_target_is_reported(tmp_path: Path) -> None:
    write_experiment(tmp_path / "config/burgers_2d.yaml")
    result = run(tmp_path, "--dry-run", "results/burgers_3d/synthetic_model.pt")
    assert result.returncode != 0
    assert "burgers_3d" in result.stdout
    assert "burgers_2d" in result.stdout, "names the existing experiments"
