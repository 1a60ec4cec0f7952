"""Evaluation of saved models: all output files, with and without replicates."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.factories import ModelFactory
from hybrid_pde.models.surrogate_file import save_synthetic_model
from hybrid_pde.stages.evaluate import evaluate_models

GRID = Grid(("x",), (32,), (0.0,), (3.0,), ((PERIODIC, PERIODIC),), (False,))
LAYOUTS = (FieldLayout("c"),)
VELOCITY, DIFFUSIVITY, DT, FRAMES = 0.7, 0.02, 0.05, 6
FILES = {
    "metrics.json", "timing.json", "rollouts.nc", "error_curves.png", "diagnostics.png",
    "prediction.png", "animation.gif", "frames.json",
}  # fmt: skip


def travelling(phase: float) -> torch.Tensor:
    """``[T, 1, X]``: 1 + an advected and decaying wave, the exact solution of the equation."""
    k = 2 * np.pi / 3.0
    x = 3.0 * (np.arange(32) + 0.5) / 32
    t = DT * np.arange(FRAMES)[:, None, None]
    wave = 1 + np.exp(-DIFFUSIVITY * k**2 * t) * np.sin(k * (x - VELOCITY * t) + phase)
    return torch.tensor(wave, dtype=torch.float32)


def experiment_of(**evaluation: Any) -> Any:
    return parse_experiment(
        {
            "run_params": {"experiment_name": "carried", "model_type": "hybrid"},
            "data": {"dset_name": "carried", "fields": ["c"]},
            "model": {
                "physical": {
                    "name": "AdvectionDiffusionPDE",
                    "pde_params": {"velocity": VELOCITY},
                    "numerics": {"scheme": "spectral"},
                },
                "synthetic": {
                    "name": "UNet",
                    "input_specs": {"c": 1},
                    "output_specs": {"c": 1},
                    "architecture": {"hidden_channels": 4, "depth": 1},
                },
            },
            "trainer_params": {
                "train_sim": [0], "test_sim": [1, 2],
                "physical": {
                    "learnable_parameters": [{"name": "diffusivity", "initial_guess": 0.1}]
                },
            },
            "evaluation_params": evaluation,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Simulations, parameters and two surrogates: persistence, and one adding 0.01 per step."""
    root = tmp_path_factory.mktemp("carried")
    store = CacheManager(root / "cache")
    for index in range(3):
        store.write(index, {"c": travelling(0.4 * index)}, GRID, DT, {"made": "by hand"})
    experiment = experiment_of()
    models = []
    for number, offset in enumerate((0.0, 0.01)):
        model = ModelFactory.create_synthetic_model(experiment, GRID)
        with torch.no_grad():
            list(model.parameters())[-1].fill_(offset)
        models.append(root / f"model_{number}.pt")
        kept = ["few windows"]
        save_synthetic_model(models[-1], model, experiment, GRID, LAYOUTS, DT, warnings=kept)
    parameters = root / "parameters.yaml"
    found = {"diffusivity": {"value": DIFFUSIVITY, "std": 1e-4, "determined": True}}
    numerics = {"scheme": "spectral", "order": 4, "refine": 1}
    parameters.write_text(yaml.safe_dump({"parameters": found, "numerics": numerics}))
    return {"store": store, "models": models, "parameters": parameters, "root": root}


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_everything_is_written_and_replicates_are_averaged(files: dict[str, Any]) -> None:
    folder = files["root"] / "evaluation"
    evaluate_models(
        experiment_of(long_factor=3),
        files["store"],
        files["models"],
        files["parameters"],
        folder,
        earlier=["cache: gaps"],
    )
    assert {path.name for path in folder.iterdir()} == FILES
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["physical"]["vrmse"] < 1e-5
    kept = metrics["evaluated_on"]["conserved"]["c"]
    assert list(kept) == ["integral"]
    assert metrics["physical"]["conserved"]["c"]["integral"]["drift"] < 1e-5
    synthetic = metrics["synthetic"]
    values = synthetic["replicates"]["vrmse"]["values"]
    assert values[0] == pytest.approx(metrics["persistence"]["vrmse"])
    assert values[1] > values[0]
    assert synthetic["vrmse"] == pytest.approx(np.mean(values))
    # the first keeps the integral, the second adds 0.01 in each of 5 steps; ⟨c²⟩ = 1.5
    assert synthetic["conserved"]["c"]["integral"]["drift"] == pytest.approx(
        0.5 * 0.05 / np.sqrt(1.5), rel=1e-3
    )
    assert synthetic["long_rollout"]["steps"] == 15
    # the second surrogate's maximum, initially 2, has grown by 0.15
    assert synthetic["long_rollout"]["growth"] == pytest.approx(1 + 0.15 / 2, abs=3e-3)
    fading = np.exp(-2 * DIFFUSIVITY * (2 * np.pi / 3) ** 2 * 15 * DT)
    assert synthetic["long_rollout"]["spectral_error"]["low"] == pytest.approx(1 / fading - 1, 1e-3)
    poor = [text for text in metrics["warnings"] if "worse than persistence" in text]
    assert len(poor) == 1 and "Synthetic model" in poor[0]
    assert {"train_synthetic: few windows", "cache: gaps"} < {*metrics["warnings"]}
    timing = json.loads((folder / "timing.json").read_text())
    names = {"synthetic", "physical", "persistence", "batch", "cost", "speedup", "warnings"}
    assert names == set(timing)
    for place, name in enumerate(("synthetic", "physical")):  # one time, wherever it is shown
        assert timing["cost"][place]["seconds"] == timing[name]
    with xr.open_dataset(folder / "rollouts.nc", engine="netcdf4") as rollouts:
        np.testing.assert_allclose(
            rollouts["c_synthetic"].isel(time=-1), rollouts["c_truth"].isel(time=0), atol=1e-6
        )


def test_one_surrogate_without_long_rollouts(files: dict[str, Any], tmp_path: Path) -> None:
    found = evaluate_models(
        experiment_of(long_factor=0, num_steps=2),
        files["store"],
        files["models"][0],
        None,
        tmp_path,
    )
    assert "replicates" not in found.metrics["synthetic"]
    assert "long_rollout" not in found.metrics["synthetic"]
    assert "physical" not in found.metrics
    assert found.metrics["evaluated_on"]["num_steps"] == 2
    assert "speedup" not in found.timing
