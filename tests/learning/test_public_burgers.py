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


SMALLER = ["trainer_params.synthetic.epochs=8", "augmentation.num_simulations=5"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    folder = tmp_path_factory.mktemp("pdefind")
    raw = folder / "data" / "pdefind_burgers"
    raw.mkdir(parents=True)
    shutil.copy(shared_data / "pdefind_burgers.nc", raw)
    overrides = [f"project_root={folder}", *SMALLER]
    experiment = parse_experiment(load_experiment("pdefind_burgers", overrides))
    return run_experiment(experiment, folder / "results", "pdefind_burgers")


def test_viscosity_is_found_to_a_tenth_of_a_percent(results: Path) -> None:
    found = yaml.safe_load((results / "physical/parameters.yaml").read_text(encoding="utf-8"))
    viscosity = found["parameters"]["viscosity"]
    assert viscosity["initial_guess"] == 0.3
    assert abs(viscosity["value"] / 0.1 - 1) < 1e-3
    assert found["numerics"]["scheme"] == "spectral", "the data come from a spectral solver"


def test_a_surrogate_is_trained_from_it(results: Path) -> None:
    metrics = json.loads((results / "evaluation/metrics.json").read_text(encoding="utf-8"))
    assert metrics["evaluated_on"]["split"] == "train", "the data hold one simulation only"
    assert metrics["synthetic"]["vrmse"] < metrics["persistence"]["vrmse"] / 5
