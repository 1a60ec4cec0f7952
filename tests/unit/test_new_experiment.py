"""Drafted experiments: equation, guesses, split, and that they pass the check as they stand."""

import json
import os
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import xarray as xr
import yaml

from hybrid_pde.command_line import app
from hybrid_pde.command_line.draft.split import split
from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.stages.pipeline import run_experiment
from tests.unit.raw_files import cells, shared_file, write_file

TIMES = 0.02 * np.arange(7)
DIFFUSIVITY, VELOCITY = 0.03, (0.4, -0.2)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_transport(folder, count=6, **variables):
    """Waves that are carried along and decay, exact solutions; one file for each simulation."""
    folder.mkdir()
    x, y = cells(16, 2.0), cells(12, 1.5)
    rng = np.random.default_rng(4)
    for number in range(count):
        c = np.zeros((len(TIMES), 16, 12))
        for waves in ((1, 0), (0, 1), (1, 1)):
            k = 2 * np.pi * np.array(waves) / (2.0, 1.5)
            phase = k[0] * x[:, None] + k[1] * y + rng.uniform(0, 6)
            moved = phase - (k @ VELOCITY) * TIMES[:, None, None]
            c += np.exp(-DIFFUSIVITY * (k @ k) * TIMES)[:, None, None] * np.cos(moved)
        write_file(
            folder / f"run_{number}.nc",
            {"time": TIMES, "x": x, "y": y},
            {"tracer": (("time", "x", "y"), c), **variables},
            attrs={"": {"boundary": "periodic", "D": DIFFUSIVITY}},
        )
    return folder


def made(*arguments) -> dict:
    assert app.run(["new", *map(str, arguments)]) == app.DONE
    return yaml.safe_load(Path(arguments[-1]).read_text())


def test_equation_that_explains_the_data_is_chosen(tmp_path, capsys):
    write_transport(tmp_path / "raw")
    content = made("raw", "--output", "a.yaml")
    assert content["model"]["physical"]["name"] == "AdvectionDiffusionPDE"
    assert content["data"] == {
        "data_dir": ".", "dset_name": "raw", "fields": ["tracer"], "boundary": "periodic",
    }  # fmt: skip
    learned = content["trainer_params"]["physical"]["learnable_parameters"]
    guesses = {each["name"]: each["initial_guess"] for each in learned}
    assert guesses["diffusivity"] == pytest.approx(DIFFUSIVITY, rel=0.1)
    assert guesses["velocity"] == pytest.approx(VELOCITY, rel=0.1)
    text = Path("a.yaml").read_text()
    assert "      # - {name: decay, initial_guess: " in text, "to be asked for"
    assert text.count("the files state") == 1, "D is a parameter of the equation"
    assert {each["name"]: each.get("true_value") for each in learned} == {
        "diffusivity": DIFFUSIVITY,
        "velocity": None,
    }
    assert "the files state 0.03" in text and "# stated by the files" in text
    schema = json.loads(Path("experiment.schema.json").read_text())
    assert text.startswith("# yaml-language-server: $schema=experiment.schema.json\n")
    jsonschema.validate(content, schema)
    shown = capsys.readouterr().out
    assert "→ AdvectionDiffusionPDE" in shown
    assert "--cores 2 --config experiment=a.yaml" in shown
    assert f"run:   snakemake --snakefile {ROOT}/Snakefile --profile" in shown, "from elsewhere"
    assert app.run(["check", "a.yaml"]) == app.DONE
    assert "a.yaml: no errors" in capsys.readouterr().out


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_drafted_experiment_runs(tmp_path):
    write_transport(tmp_path / "raw")
    made("raw", "--output", "a.yaml")
    short = ["trainer_params.synthetic.epochs=2", "augmentation.num_simulations=2"]
    experiment = parse_experiment(load_experiment("a.yaml", short))
    folder = run_experiment(experiment, tmp_path / "results", "a.yaml")
    found = yaml.safe_load((folder / "physical/parameters.yaml").read_text())["parameters"]
    assert found["diffusivity"]["value"] == pytest.approx(DIFFUSIVITY, rel=0.02)
    assert found["velocity"]["value"] == pytest.approx(VELOCITY, rel=0.02)
    assert (folder / "evaluation/metrics.json").is_file()


def test_experiment_of_a_project_goes_to_config(tmp_path, capsys):
    os.mkdir("config")
    write_transport(tmp_path / "raw", 1)
    assert app.run(["new", "raw"]) == app.DONE
    assert "--cores 2 results/raw/report.html" in capsys.readouterr().out
    assert app.run(["new", "raw"]) == app.MENDABLE
    assert "config/raw.yaml: exists" in capsys.readouterr().err


def test_a_store_gives_its_name_without_the_ending(tmp_path, capsys):
    with xr.open_dataset(write_transport(tmp_path / "raw", 1) / "run_0.nc") as dataset:
        dataset.to_zarr(tmp_path / "waves.zarr", zarr_format=2)
    assert app.run(["new", "waves.zarr"]) == app.DONE
    assert yaml.safe_load(Path("waves.yaml").read_text())["data"]["dset_name"] == "waves.zarr"
    assert app.run(["check", "wavs.yaml"]) == app.MENDABLE
    assert "there is no file wavs.yaml; did you mean 'waves'?" in capsys.readouterr().err


def test_equation_that_is_asked_for_must_fit(tmp_path, capsys):
    write_transport(tmp_path / "raw", 1)
    content = made("raw", "--equation", "FisherKPPPDE", "--output", "a.yaml")
    assert content["model"]["physical"]["name"] == "FisherKPPPDE"
    shown = capsys.readouterr().out
    assert "FisherKPPPDE does not explain these data: the guesses are sizes that fit grid" in shown
    (diffusivity,) = (
        each
        for each in content["trainer_params"]["physical"]["learnable_parameters"]
        if each["name"] == "diffusivity"
    )
    assert 1e-6 < diffusivity["initial_guess"] < 1e3
    assert app.run(["new", "raw", "--equation", "NavierStokesPDE", "--output", "b.yaml"]) == 1
    error = capsys.readouterr().err
    assert "needs the fields velocity (vector)" in error and "tracer" in error
    assert app.run(["new", "raw", "--equation", "Burgers", "--output", "b.yaml"]) == 1
    assert "did you mean 'BurgersPDE'" in capsys.readouterr().err
    assert not os.path.exists("b.yaml")


def test_without_an_explanation_a_surrogate_alone(tmp_path, capsys):
    noise = np.random.default_rng(5).normal(size=(7, 16))
    os.mkdir("raw")
    write_file(
        tmp_path / "raw" / "a.nc", {"time": TIMES, "x": cells(16)}, {"u": (("time", "x"), noise)}
    )
    content = made("raw", "--output", "a.yaml")
    assert content["run_params"]["model_type"] == "synthetic"
    assert [*content["model"]] == ["synthetic"]
    assert "DiffusionPDE" in Path("a.yaml").read_text()
    shown = capsys.readouterr().out
    assert "choose one with --equation NAME" in shown and "periodic is assumed" in shown
    assert app.run(["check", "a.yaml"]) == app.DONE


def test_parameter_that_differs_between_simulations_is_known(tmp_path):
    x = cells(32)
    os.mkdir("raw")
    for number, nu in enumerate((0.01, 0.02, 0.04)):
        k = 2 * np.pi
        decay = np.exp(-nu * k**2 * TIMES)[:, None]
        write_file(
            tmp_path / "raw" / f"{number}.nc",
            {"time": TIMES, "x": x},
            {"u": (("time", "x"), 1 + decay * np.cos(k * x))},
            attrs={"": {"kappa": nu}},
        )
    content = made("raw", "--equation", "DiffusionPDE", "--output", "a.yaml")
    assert content["data"]["known_parameters"] == {"diffusivity": "kappa"}
    assert content["run_params"]["model_type"] == "synthetic"  # nothing is left to estimate


def test_velocity_from_its_components(tmp_path):
    x, y = cells(12), cells(10)
    rng = np.random.default_rng(6)
    os.mkdir("raw")
    dims = ("time", "x", "y")
    write_file(
        tmp_path / "raw" / "a.nc",
        {"time": TIMES, "x": x, "y": y},
        {name: (dims, rng.normal(size=(7, 12, 10))) for name in "uv"},
    )
    content = made("raw", "--equation", "BurgersPDE", "--output", "a.yaml")
    assert content["data"]["fields"] == ["velocity"]
    assert content["data"]["variables"] == {"velocity": ["u", "v"]}
    assert content["model"]["synthetic"]["input_specs"] == {"velocity": 2}
    assert load_experiment("a.yaml")["data"]["fields"] == ["velocity"]


def test_files_that_cannot_be_used_are_refused_with_the_reasons(tmp_path, capsys):
    os.mkdir("raw")
    write_file(
        tmp_path / "raw" / "a.nc",
        {"time": TIMES**2, "x": cells(8) ** 2},
        {"u": (("time", "x"), np.ones((7, 8)))},
    )
    assert app.run(["new", "raw", "--output", "a.yaml"]) == app.MENDABLE
    error = capsys.readouterr().err
    assert error.count("not usable as it is") == 2 and "a.nc" in error


@pytest.mark.parametrize(
    ("name", "equation"),
    [
        ("pdefind_burgers.nc", "BurgersPDE"),
        pytest.param(
            "2D_diff-react_official_params.h5", "FitzHughNagumoPDE", marks=pytest.mark.nightly
        ),
    ],
)
def test_equation_of_shared_data(name, equation, capsys):
    content = made(shared_file(name), "--output", "a.yaml")
    assert content["model"]["physical"]["name"] == equation
    assert app.run(["check", "a.yaml"]) == app.DONE


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 10, 100])
def test_split_has_each_simulation_once(count):
    training, validation, test = split(count)
    assert sorted([*training, *validation, *test]) == list(range(count))
    assert len(training) >= len(validation) == (len(test) if count > 2 else 0)
    assert len(test) == (0 if count == 1 else max(1, round(0.15 * count)))


def write_release(path, diffusivity=0.02):
    """A tracer in a steady gyre between walls: currents constant in time, D ∇²c − v·∇c exact."""
    x, y = (np.arange(40) + 0.5)[:, None] / 40, (np.arange(36) + 0.5) / 36
    gyre = {
        "u": -np.sin(np.pi * x) * np.cos(np.pi * y),
        "v": np.cos(np.pi * x) * np.sin(np.pi * y),
    }
    away = {"u": x - 0.4 + 0 * y, "v": y - 0.5 + 0 * x}
    r2, width = away["u"] ** 2 + away["v"] ** 2, 8.0
    c = np.exp(-width * r2)
    rate = diffusivity * (4 * width**2 * r2 - 4 * width) * c
    rate += sum(2 * width * away[name] * gyre[name] for name in gyre) * c
    xr.Dataset(
        {
            "tracer": (("time", "x", "y"), np.stack([c + step * rate for step in (-0.1, 0, 0.1)])),
            **{name: (("x", "y"), values) for name, values in gyre.items()},
        },
        {"time": [0.0, 0.1, 0.2], "x": x[:, 0], "y": y},
    ).to_netcdf(path)


def test_currents_in_the_files_are_a_known_velocity(capsys):
    write_release("release.nc")
    assert app.run(["new", "release.nc", "--output", "known.yaml"]) == app.DONE
    said = capsys.readouterr().out
    assert "→ AdvectionDiffusionPDE" in said and ", velocity from u, v; leaves" in said
    written = load_experiment("known.yaml")
    assert written["data"]["known_parameters"] == {"velocity": ["u", "v"]}
    assert written["data"]["fields"] == ["tracer", "u", "v"]
    surrogate = written["model"]["synthetic"]
    assert surrogate["input_specs"] == {"tracer": 1, "u": 1, "v": 1}
    assert surrogate["output_specs"] == {"tracer": 1}
    (learned,) = written["trainer_params"]["physical"]["learnable_parameters"]
    assert learned["name"] == "diffusivity"
    assert learned["initial_guess"] == pytest.approx(0.02, rel=0.05)
    assert "not used" not in Path("known.yaml").read_text()
    assert app.run(["check", "known.yaml"]) == app.DONE


def test_ends_that_do_not_meet_get_walls(capsys):
    """A closed basin: no boundary is stated, and neither tracer nor currents are periodic."""
    write_release("release.nc")
    content = made("release.nc", "--output", "a.yaml")
    assert content["data"]["boundary"] == "zero-gradient"
    assert "# ASSUMED, the files state none, and the values at the" in Path("a.yaml").read_text()
    assert "walls without a flux (zero-gradient) are assumed" in capsys.readouterr().out
