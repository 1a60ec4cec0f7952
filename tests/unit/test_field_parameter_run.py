"""A field parameter in all stages: calibration, generation, training, evaluation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import FieldLayout, Grid, axis_points
from hybrid_pde.errors import CalibrationError
from hybrid_pde.factories import ModelFactory
from hybrid_pde.models.physical.parameters_file import load_parameters
from hybrid_pde.stages.pipeline import run_experiment

# a few epochs of training give a poor model
pytestmark = pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")


GRID = Grid(
    ("x", "y"),
    (14, 12),
    (0.0, 0.0),
    (2.0, 1.2),
    ((0.0, 0.0), ("zero-gradient", "zero-gradient")),
    (False, False),
)
STEPS, DT, COUNT = 6, 0.02, 3
GUESS = {"amplitude": 0.25, "centre": [[1.0, 0.6]]}
TRUE = {"amplitude": 0.4, "centre": (1.2, 0.5), "width": 0.5, "background": 0.1}


def true_diffusivity() -> torch.Tensor:
    x, y = np.meshgrid(*axis_points(GRID).values(), indexing="ij")
    squares = (x - TRUE["centre"][0]) ** 2 + (y - TRUE["centre"][1]) ** 2
    return torch.from_numpy(
        TRUE["background"] + TRUE["amplitude"] * np.exp(-squares / TRUE["width"] ** 2)
    )


def experiment_in(root: Path) -> Experiment:
    parametrization = {"type": "gaussians", "count": 1, "background": 0.1, "width": 0.5}
    learnable = {"name": "diffusivity", "parametrization": parametrization, "initial_guess": GUESS}
    content: dict[str, Any] = {
        "project_root": str(root),
        "run_params": {"experiment_name": "inhomogeneous", "model_type": "hybrid"},
        "data": {"dset_name": "heat", "fields": ["u"]},
        "model": {
            "physical": {
                "name": "DiffusionPDE",
                "numerics": {"scheme": "finite_difference", "order": 2},
            },
            "synthetic": {
                "name": "UNet",
                "input_specs": {"u": 1},
                "output_specs": {"u": 1},
                "architecture": {"hidden_channels": 4, "depth": 1},
            },
        },
        "trainer_params": {
            "train_sim": [0, 1],
            "test_sim": [2],
            "physical": {"num_predict_steps": 6, "learnable_parameters": [learnable]},
            "synthetic": {"num_predict_steps": 2, "epochs": 1, "batch_size": 4},
        },
        "augmentation": {"num_simulations": 2, "alpha": 0.5},
    }
    return parse_experiment(content)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    """The experiment and its folder of results, after all stages."""
    root = tmp_path_factory.mktemp("field")
    experiment = experiment_in(root)
    truth = ModelFactory.create_physical_model(experiment)
    truth.set_parameters({"diffusivity": true_diffusivity()})
    x, y = np.meshgrid(*axis_points(GRID).values(), indexing="ij")
    for index in range(COUNT):
        start = np.sin(np.pi * x / 2) * (1 + np.cos((1 + index) * np.pi * y / 1.2))
        start = start + 0.5 * np.sin(np.pi * (2 + index) * x / 2)
        state = {"u": torch.from_numpy(start)[None, None]}
        frames = [state, *truth.rollout(state, GRID, STEPS, DT)]
        u = torch.cat([frame["u"] for frame in frames]).detach().numpy()
        path = experiment.raw_dir / f"{index}.nc"
        write_raw_file(path, {"u": u}, GRID, [FieldLayout("u")], DT, {})
    folder = run_experiment(experiment, root / "results", "inhomogeneous.yaml")
    return experiment, folder


def test_the_field_is_calibrated_and_saved_with_the_parameters(
    results: tuple[Experiment, Path],
) -> None:
    experiment, folder = results
    written = yaml.safe_load((folder / "physical/parameters.yaml").read_text())
    value = written["parameters"]["diffusivity"]["value"]
    assert value["file"] == "diffusivity.nc"
    assert value["amplitude"] == pytest.approx([TRUE["amplitude"]], rel=1e-3)
    assert value["centre"][0] == pytest.approx(TRUE["centre"], rel=1e-3)
    model = ModelFactory.create_physical_model(experiment)
    load_parameters(folder / "physical/parameters.yaml", model)
    torch.testing.assert_close(model.diffusivity.detach(), true_diffusivity(), rtol=1e-3, atol=0)
    assert isinstance(model.diffusivity, torch.nn.Parameter)


def test_simulations_are_generated_with_the_field(results: tuple[Experiment, Path]) -> None:
    experiment, folder = results
    store = CacheManager(folder / "augmented")
    assert store.indices() == [0, 1]
    store.validate()
    source = store.header(0).source["parameters"]["diffusivity"]
    assert source["shape"] == [14, 12], "a digest is kept instead of the field"
    model = ModelFactory.create_physical_model(experiment)
    model.set_parameters({"diffusivity": true_diffusivity()})
    for index in (0, 1):
        frames = store.load(index).fields["u"].double()
        followed = model.rollout(frames[:1], GRID, STEPS, DT)
        for expected, frame in zip(followed, frames[1:], strict=True):
            # the estimate is 0.1 % off at most
            torch.testing.assert_close(frame, expected[0], rtol=0, atol=1e-3)
        first = frames[0, 0]
        np.testing.assert_allclose(1.5 * first[0] - 0.5 * first[1], 0, atol=0.15)


def test_both_models_are_evaluated(results: tuple[Experiment, Path]) -> None:
    _, folder = results
    metrics = json.loads((folder / "evaluation/metrics.json").read_text())
    assert metrics["physical"]["vrmse"] < 1e-3
    assert metrics["persistence"]["vrmse"] > 0.05
    assert metrics["synthetic"]["diverged"] == 0


def test_a_changed_field_file_is_not_loaded(
    results: tuple[Experiment, Path], tmp_path: Path
) -> None:
    experiment, folder = results
    for name in ("parameters.yaml", "diffusivity.nc"):
        (tmp_path / name).write_bytes((folder / "physical" / name).read_bytes())
    with open(tmp_path / "diffusivity.nc", "ab") as file:
        file.write(b"\0")
    model = ModelFactory.create_physical_model(experiment)
    with pytest.raises(CalibrationError, match=r"diffusivity\.nc: was changed"):
        load_parameters(tmp_path / "parameters.yaml", model)


def test_report_shows_the_field(results: tuple[Experiment, Path]) -> None:
    _, folder = results
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "background 0.1; amplitude (0.4); centre ((1.2, 0.5)); width (0.5)" in page
    assert "a field of 3 learned numbers, in diffusivity.nc" in page
