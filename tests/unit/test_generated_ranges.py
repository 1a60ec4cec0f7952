"""Simulated raw files with parameters of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.checks.consistency import check_experiment
from hybrid_pde.errors import ConfigError
from hybrid_pde.stages.simulate import RawSimulations
from tests.unit.generated_data import tiny_in

DECAY = {
    "equation": "AdvectionDiffusionPDE",
    "resolution": {"x": 16},
    "domain": {"x": [0.0, 1.0]},
    "num_simulations": 4,
    "steps": 2,
    "dt": 0.5,
    "parameters": {"diffusivity": 0.0, "velocity": 0.0},
    "ranges": {"decay": [0.01, 1.0]},
    "initial_condition": {"type": "bumps", "background": 1.0, "amplitude": 0.0},
}


def experiment(root: Path, **changed: Any) -> dict[str, Any]:
    mapping = tiny_in(root) | {
        "run_params": {"model_type": "physical"},
        "data": {"dset_name": "decays", "fields": ["concentration"], "data_dir": str(root)},
        "model": {"physical": {"name": "AdvectionDiffusionPDE"}},
        "trainer_params": {
            "train_sim": [0, 1],
            "learnable_parameters": [{"name": "decay", "initial_guess": 0.1}],
        },
        "generation_params": DECAY | changed,
    }
    mapping.pop("augmentation", None)
    mapping.pop("evaluation_params", None)
    return mapping


def test_each_simulation_states_the_value_it_was_made_with(tmp_path: Path) -> None:
    typed = parse_experiment(experiment(tmp_path))
    RawSimulations(typed, typed.raw_dir).make(range(4))
    rates = []
    for path in sorted(typed.raw_dir.glob("*.nc")):
        with xr.open_dataset(path) as file:
            rates.append(float(file["decay"]))
            expected = np.exp(-rates[-1] * file["time"].values)
            assert file["concentration"].values[:, 3] == pytest.approx(
                expected, rel=1e-3
            )  # of one step
    assert len({*rates}) == 4
    assert all(0.01 <= rate <= 1.0 for rate in rates)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ranges": {"decoy": [0.1, 1.0]}}, r"ranges\.decoy: .* did you mean 'decay'"),
        ({"ranges": {"decay": [1.0, 0.1]}}, r"ranges\.decay: .* lower end must be less"),
        ({"ranges": {"velocity": [0.0, 1.0]}}, r"ranges\.velocity: also in"),
        (
            {"initial_condition": {"type": "bumps", "amplitude": {"u": 1.0}}},
            r"initial_condition\.amplitude\.u: no field of the simulations",
        ),
    ],
)
def test_ranges_and_bumps_that_do_not_fit_are_rejected(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    typed = parse_experiment(experiment(tmp_path, **changed))
    with pytest.raises(ConfigError, match=message):
        check_experiment(typed, "a.yaml")
