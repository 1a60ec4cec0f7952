"""Domains and schemes that an equation cannot be solved with, rejected by a dry run."""

from typing import Any

import pytest

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.checks.consistency import check_experiment
from hybrid_pde.config.checks.data import check_against_data
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError
from tests.physics.domains import walled_grid

PARAMETERS: dict[str, dict[str, Any]] = {
    "VorticityPDE": {"viscosity": 0.01},
    "ShallowWaterPDE": {"gravity": 1.0},
    "WavePDE": {"speed": 1.0},
    "NavierStokesPDE": {"viscosity": 0.01},
}
FIELDS = {
    "VorticityPDE": ["vorticity"],
    "ShallowWaterPDE": ["height", "velocity"],
    "WavePDE": ["u", "v"],
    "NavierStokesPDE": ["velocity"],
}


def fitted(name: str, scheme: str = "auto", **sections: Any) -> Experiment:
    """An experiment that fits one parameter of an equation."""
    content: dict[str, Any] = {
        "run_params": {"model_type": "physical"},
        "data": {"dset_name": "made", "fields": FIELDS[name], **sections.pop("data", {})},
        "model": {"physical": {"name": name, "numerics": {"scheme": scheme}}},
        "trainer_params": {
            "train_sim": [0],
            "num_predict_steps": 2,
            "learnable_parameters": [
                {"name": key, "initial_guess": value} for key, value in PARAMETERS[name].items()
            ],
        },
    }
    return parse_experiment({**content, **sections})


def generated(name: str, resolution: dict[str, int], boundary: Any = "periodic") -> Experiment:
    """The same, with data that the experiment simulates itself."""
    generation = {
        "num_simulations": 1,
        "resolution": resolution,
        "steps": 4,
        "dt": 0.1,
        "parameters": PARAMETERS[name],
        "initial_condition": {"type": "gaussian_random_field"},
    }
    return fitted(name, generation_params=generation, data={"boundary": boundary})


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (fitted("WavePDE", "weno"), "numerics.scheme: weno: .* by waves; allowed: auto, finite"),
        (fitted("ShallowWaterPDE", "mac_cormack"), "numerics.scheme: mac_cormack: .* by waves"),
        (
            generated("VorticityPDE", {"x": 16}),
            r"generation_params\.equation: VorticityPDE: the data have one axis \(x\).* needs 2;",
        ),
        (generated("NavierStokesPDE", {"x": 16}), "NavierStokesPDE: .* one axis .* needs 2 or 3"),
        (
            generated("ShallowWaterPDE", {"x": 16, "y": 12}, {"x": "periodic", "y": 0.0}),
            "ShallowWaterPDE: it needs 'periodic' on every axis, data.boundary has 0.0",
        ),
    ],
)
def test_a_dry_run_rejects_them(experiment: Experiment, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_experiment(experiment, "a.yaml")


def test_what_can_be_solved_is_accepted() -> None:
    check_experiment(generated("VorticityPDE", {"x": 16, "y": 12}), "a.yaml")
    check_experiment(generated("WavePDE", {"x": 16}, "zero-gradient"), "a.yaml")
    check_experiment(fitted("VorticityPDE", "weno"), "a.yaml")
    with pytest.raises(ConfigError, match="VorticityPDE: it needs 'periodic'"):
        check_experiment(generated("VorticityPDE", {"x": 16, "y": 12}, "zero-gradient"), "a.yaml")


def test_walls_of_files_are_found_before_the_calibration() -> None:
    grid = walled_grid((16, 12), (0.7, 1.3))
    layouts = (FieldLayout("vorticity"),)
    with pytest.raises(ConfigError, match=r"physical\.name: VorticityPDE: it needs 'periodic'"):
        check_against_data(fitted("VorticityPDE"), "a.yaml", layouts, [9], grid)
