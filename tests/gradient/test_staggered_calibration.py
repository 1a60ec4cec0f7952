"""Viscosity and buoyancy of smoke recovered from an identical twin on a staggered grid."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from phi.torch.flow import math

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.domain.grid import ZERO_GRADIENT, FieldLayout, Grid
from hybrid_pde.models.physical import NavierStokesPDE
from hybrid_pde.stages.pipeline import run_experiment
from hybrid_pde.training.physical import PhysicalTrainer
from tests.physics.periodic_box import coordinates, physical_config

TRUTH = {"viscosity": 0.02, "buoyancy": [0.0, 1.5], "diffusivity": 0.01}
LEARNED = [
    {"name": "viscosity", "initial_guess": 0.05},
    {"name": "buoyancy", "initial_guess": [0.3, 0.5]},
    {"name": "diffusivity", "initial_guess": 0.03},
]
SLIP, DT = (ZERO_GRADIENT,) * 2, 0.1


class Smoke:
    """Windows of a plume in a closed box, every second frame."""

    dt = DT

    def __init__(self) -> None:
        self.grid = Grid(("x", "y"), (8, 10), (0.0, 0.0), (1.0, 1.25), (SLIP, SLIP), (False,) * 2)
        x, y = coordinates(self.grid)
        smoke = torch.exp(-((x - 0.4) ** 2 + (y - 0.4) ** 2) / 0.03)[None]
        state = {"velocity": torch.zeros(2, 8, 10, dtype=torch.float64), "density": smoke}
        model = NavierStokesPDE(config(TRUTH))
        self.frames = [state, *model.rollout(state, self.grid, 8, DT)]

    def __iter__(self) -> Any:
        layouts = [FieldLayout("velocity", ("x", "y")), FieldLayout("density")]
        with math.precision(64):
            fields = [
                {each.name: to_field(frame[each.name], self.grid, each) for each in layouts}
                for frame in self.frames
            ]
        for start in range(0, len(fields) - 2, 2):
            targets = fields[start + 1 : start + 3]
            yield fields[start], {name: [t[name] for t in targets] for name in fields[start]}


def config(values: dict[str, Any], learned: Any = None, **training: Any) -> dict[str, Any]:
    return physical_config("NavierStokesPDE", {**values, "staggered": True}, learned, **training)


def test_twin_recovers_viscosity_and_buoyancy():
    model = NavierStokesPDE(config({}, LEARNED, check_discretization=False))
    guesses = [torch.tensor(each["initial_guess"], dtype=torch.float64) for each in LEARNED]
    training = config({}, LEARNED, check_discretization=False)
    result = PhysicalTrainer(training, model, guesses).train(Smoke(), 1)
    assert result["status"] == "converged"
    for name, truth in TRUTH.items():
        assert result["parameters"][name]["value"] == pytest.approx(truth, rel=1e-6, abs=1e-7)
    assert result["history"][0]["loss"] > 1e-3


@pytest.mark.nightly
def test_an_experiment_with_a_staggered_grid(tmp_path: Path):
    learned = [
        {"name": "viscosity", "initial_guess": 0.05},
        {"name": "buoyancy", "initial_guess": [0.3, 0.5]},
    ]
    given = {
        "run_params": {"experiment_name": "smoke", "model_type": "physical"},
        "project_root": str(tmp_path),
        "data": {
            "dset_name": "smoke",
            "fields": ["velocity", "density"],
            "boundary": "zero-gradient",
        },
        "generation_params": {
            "equation": "NavierStokesPDE",
            "parameters": {**TRUTH, "staggered": True},
            "num_simulations": 2,
            "steps": 4,
            "dt": DT,
            "resolution": {"x": 10, "y": 8},
            "initial_condition": {"amplitude": 0.3, "length_scale": 0.3},
        },
        "model": {
            "physical": {
                "name": "NavierStokesPDE",
                "pde_params": {"diffusivity": 0.01, "staggered": True},
            }
        },
        "trainer_params": {
            "train_sim": [0],
            "test_sim": [1],
            "num_predict_steps": 4,
            "check_discretization": False,
            "learnable_parameters": learned,
        },
    }
    experiment = parse_experiment(given)
    folder = run_experiment(experiment, tmp_path / "results", "smoke.yaml")
    written = yaml.safe_load((folder / "physical" / "parameters.yaml").read_text(encoding="utf-8"))
    assert written["numerics"]["scheme"] == "staggered"
    for name in ("viscosity", "buoyancy"):
        # the data have single precision
        value = written["parameters"][name]["value"]
        assert value == pytest.approx(TRUTH[name], rel=1e-3, abs=1e-3)
