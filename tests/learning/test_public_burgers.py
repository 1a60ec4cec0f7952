"""The shipped experiment on PDE-FIND's Burgers data, from the raw file to the evaluation."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.stages.pipeline import run_experiment

# a few epochs of training give a poor model
pytestmark = pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")


@pytest.fixture
def project(tmp_path: Path, shared_data: Path) -> Path:
    raw = tmp_path / "data" / "pdefind_burgers"
    raw.mkdir(parents=True)
    shutil.copy(shared_data / "pdefind_burgers.nc", raw)
    return tmp_path


def results_of(project: Path, *overrides: str) -> Path:
    settings = load_experiment("pdefind_burgers", [f"project_root={project}", *overrides])
    return run_experiment(parse_experiment(settings), project / "results", "pdefind_burgers")


def test_viscosity_is_found_to_a_tenth_of_a_percent(project: Path) -> None:
    results = results_of(project, "run_params.model_type=physical")
    found = yaml.safe_load((results / "physical/parameters.yaml").read_text(encoding="utf-8"))
    viscosity = found["parameters"]["viscosity"]
    assert viscosity["initial_guess"] == 0.3
    assert abs(viscosity["value"] / 0.1 - 1) < 1e-3
    assert found["numerics"]["scheme"] == "spectral", "the data come from a spectral solver"


@pytest.mark.nightly
def test_a_surrogate_is_trained_from_it(project: Path) -> None:
    smaller = ("trainer_params.synthetic.epochs=8", "augmentation.num_simulations=5")
    results = results_of(project, *smaller)
    metrics = json.loads((results / "evaluation/metrics.json").read_text(encoding="utf-8"))
    assert metrics["evaluated_on"]["split"] == "train", "the data hold one simulation only"
    assert metrics["synthetic"]["vrmse"] < metrics["persistence"]["vrmse"] / 5
