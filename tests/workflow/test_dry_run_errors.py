"""Errors that a dry run reports before anything is computed."""

import os
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


def test_initial_states_of_another_kind_are_reported(
    tmp_path: Path, error_message: Callable[[], str]
) -> None:
    condition = {"type": "file", "path": "starts.nc"}
    raw_experiment(tmp_path, augmentation={"num_simulations": 2, "initial_condition": condition})
    x = (np.arange(8) + 0.5) / 8
    places = {"component": ["x", "y"], "x": x, "y": x}
    starts = {"velocity": (("component", "x", "y"), np.zeros((2, 8, 8)))}
    xr.Dataset(starts, places).to_netcdf(tmp_path / "starts.nc")
    RequestedExperiments({}, claim=False)  # a single frame without a time axis
    starts = {"velocity": (("component", "x", "y"), np.zeros((2, 8, 4)))}
    xr.Dataset(starts, {**places, "y": x[:4]}).to_netcdf(tmp_path / "starts.nc", mode="w")
    message = error_message()
    assert "config/burgers_2d.yaml: augmentation.initial_condition.path: starts.nc: " in message
    assert "in the training simulations" in message
    xr.Dataset({"other": ("x", np.zeros(8))}).to_netcdf(tmp_path / "starts.nc", mode="w")
    assert "initial_condition.path: starts.nc: data.fields: no variable 'velo" in error_message()


def test_missing_values_in_every_frame_are_reported(
    tmp_path: Path, error_message: Callable[[], str]
) -> None:
    data = {
        "dset_name": "burgers_2d",
        "fields": ["velocity"],
        "boundary": "periodic",
        "observations": {"missing": "mask"},
    }
    raw_experiment(tmp_path, data=data)
    path = tmp_path / "data/burgers_2d/a.nc"
    with xr.open_dataset(path) as dataset:
        complete = dataset.load()
    land = complete.copy(deep=True)
    land["velocity"][:4, :, 3, 3] = np.nan  # no window starts at the last frame
    land.to_netcdf(path, mode="w")
    message = error_message()
    assert "data.observations.missing: mask: no frame of the simulations in" in message
    assert "train_sim, [0]" in message and "data.select.crop" in message
    complete["velocity"][0, :, 3, 3] = np.nan
    complete.to_netcdf(path, mode="w")
    RequestedExperiments({}, claim=False)


def test_a_static_input_that_generated_simulations_lack_is_reported(
    tmp_path: Path, error_message: Callable[[], str]
) -> None:
    model = tiny_experiment()["model"]
    model["synthetic"]["input_specs"] = {"velocity": 2, "current": 1}
    data = {"dset_name": "burgers_2d", "fields": ["velocity", "current"], "boundary": "periodic"}
    raw_experiment(tmp_path, data=data, model=model)
    for name in ("a.nc", "b.nc"):
        path = tmp_path / "data/burgers_2d" / name
        with xr.open_dataset(path) as dataset:
            full = dataset.load().assign(current=(("x", "y"), np.ones((8, 8))))
        full.to_netcdf(path, mode="w")
    message = error_message()
    assert "model.synthetic.input_specs.current: constant in time, so generated" in message
    experiment = tmp_path / "config/burgers_2d.yaml"
    content = yaml.safe_load(experiment.read_text())
    content["augmentation"]["enabled"] = False
    experiment.write_text(yaml.safe_dump(content))
    RequestedExperiments({}, claim=False)


def test_more_initial_values_than_gauss_newton_takes_are_reported(
    tmp_path: Path, error_message: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid_pde.config.checks.calibration._MAX_VALUES", 40_000)
    training = tiny_experiment()["trainer_params"]
    training["physical"] |= {"initial_state": "estimate", "num_predict_steps": 1}
    generation = tiny_experiment()["generation_params"] | {"resolution": {"x": 16, "y": 17}}
    write_experiment(
        tmp_path / "config/burgers_2d.yaml", trainer_params=training, generation_params=generation
    )
    message = error_message()  # 2 simulations of 8 windows of 2 channels of 272 points
    assert "estimate: the initial states of 16 windows with 544 values each" in message
    assert "Raise trainer_params.physical.num_predict_steps" in message


@pytest.mark.parametrize("key", ["cache_dir", "data_dir"])
def test_folders_that_cannot_be_written_are_reported(
    tmp_path: Path, error_message: Callable[[], str], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"dset_name": "burgers_2d", "fields": ["velocity"], "cache_dir": "elsewhere"}
    write_experiment(tmp_path / "config/burgers_2d.yaml", data={**data, key: "closed/folder"})
    (tmp_path / "closed").mkdir()
    may = os.access
    monkeypatch.setattr(os, "access", lambda at, mode: "closed" not in str(at) and may(at, mode))
    message = error_message()
    assert f"config/burgers_2d.yaml: data.{key}: closed/folder" in message
    assert f"closed is read-only), and simulations belong there; set data.{key} to" in message
    (tmp_path / "closed").rmdir()
    (tmp_path / "closed").touch()
    assert "closed is no folder" in error_message()


def test_raw_files_simulated_for_another_experiment_are_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = write_experiment(Path("config/first.yaml"), run_params={})
    other = tiny_experiment()["generation_params"] | {"dt": 0.03}
    second = write_experiment(Path("config/second.yaml"), run_params={}, generation_params=other)

    def asked(path: Path, claim: bool) -> None:
        RequestedExperiments({"experiment": str(path)}, claim=claim)

    asked(first, claim=False)
    assert not Path("data").exists(), "a dry run claims nothing"
    asked(first, claim=True)
    for claim in (False, True):
        with pytest.raises(UserError) as error:
            asked(second, claim)
        assert "config/second.yaml: data.dset_name: 'burgers_2d'" in str(error.value)
        assert "those of the experiment 'first'" in str(error.value)
    write_experiment(first, run_params={}, generation_params=other)
    asked(first, claim=True)  # its own change
    asked(second, claim=True)  # the same data
    write_experiment(first, run_params={})
    with pytest.raises(UserError, match="differ from those of the experiment 'first'"):
        asked(first, claim=True)
        asked(second, claim=True)


def test_experiment_file_relative_to_the_folder_of_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_experiment(tmp_path / "here/mine.yaml", run_params={})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = {"experiment": "mine.yaml"}
    found = RequestedExperiments(settings, claim=False, started_in=tmp_path / "here").default
    assert (found.name, found.path) == ("mine", tmp_path / "here/mine.yaml")
    with pytest.raises(UserError, match=r"'mine\.yaml': there is no file mine\.yaml"):
        RequestedExperiments(settings, claim=False)


def test_fields_that_the_models_cannot_exchange_are_reported(
    tmp_path: Path, error_message: Callable[[], str]
) -> None:
    generation = tiny_experiment()["generation_params"] | {"diagnostics": ["pressure"]}
    model = tiny_experiment()["model"]
    model["synthetic"] |= {"input_specs": {"pressure": 1}, "output_specs": {"pressure": 1}}
    data = {
        "dset_name": "burgers_2d",
        "fields": ["velocity", "pressure"],
        "observations": {"every": 2},
    }
    write_experiment(
        tmp_path / "config/burgers_2d.yaml",
        generation_params=generation,
        model=model,
        data=data,
        hybrid={"cycles": 2},
        augmentation={"enabled": False},
    )
    message = error_message()
    assert "output_specs: ['velocity']: fields of BurgersPDE, which the surrogate has" in message
    assert "output_specs.pressure: data.observations hides part of this field" in message


@pytest.mark.parametrize(
    ("module", "sections", "expected"),
    [
        ("tensorboard", {"workflow": {"tensorboard": True}}, "pip install tensorboard=="),
        (
            "neuralop",
            {
                "model": {
                    "physical": {"name": "BurgersPDE"},
                    "synthetic": tiny_experiment()["model"]["synthetic"]
                    | {"name": "FNO", "architecture": {}},
                }
            },
            "FNO: needs the package neuralop, which is not installed here; `pip install neuralop",
        ),
    ],
)
def test_missing_packages_are_reported_with_the_line_that_installs_them(
    tmp_path: Path,
    error_message: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    sections: dict[str, Any],
    expected: str,
) -> None:
    for place in ("config.checks.training", "models.synthetic.architecture_options"):
        target = f"hybrid_pde.{place}.find_spec"
        monkeypatch.setattr(target, lambda name: None if name == module else object())
    write_experiment(tmp_path / "config/burgers_2d.yaml", **sections)
    assert expected in error_message()


def test_an_unknown_equation_may_be_one_of_the_users(
    tmp_path: Path, error_message: Callable[[], str]
) -> None:
    model = tiny_experiment()["model"]
    model["physical"]["name"] = "MyPDE"
    write_experiment(tmp_path / "config/burgers_2d.yaml", model=model)
    message = error_message()
    assert "model.physical.name: 'MyPDE' is unknown" in message
    assert "for one of your own also give model.physical.module, the path of its Pyth" in message
