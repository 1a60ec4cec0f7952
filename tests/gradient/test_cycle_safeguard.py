"""A later cycle of two species, of which half of the domain is observed, without validation."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.factories import TrainerFactory
from hybrid_pde.models.physical import FitzHughNagumoPDE
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.hybrid.guided_calibration import Guidance, calibrate_cycle
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

LINE = periodic_grid((16,), (1.0,))
DT, STEPS = 0.05, 10
FD2 = {"scheme": "finite_difference", "order": 2, "substeps": 4}
TRUTH = {"diffusivity_u": 0.01, "diffusivity_v": 0.05, "threshold": 0.05}
SPECIES = [FieldLayout("u"), FieldLayout("v")]


def simulated(diffusivity_v: float) -> dict[str, np.ndarray]:
    config = physical_config(
        "FitzHughNagumoPDE", {**TRUTH, "diffusivity_v": diffusivity_v}, [], FD2
    )
    x = coordinates(LINE)[0][None]
    state = {
        "u": torch.sin(2 * np.pi * x),
        "v": torch.cos(2 * np.pi * x) - torch.sin(4 * np.pi * x),
    }
    frames = [state, *FitzHughNagumoPDE(config).rollout(state, LINE, STEPS, DT)]
    return {name: torch.stack([f[name] for f in frames]).detach().numpy() for name in state}


def experiment_in(folder: Path, reverts: bool) -> Any:
    return parse_experiment(
        {
            "run_params": {"model_type": "physical"},
            "project_root": str(folder),
            "data": {
                "dset_name": "species",
                "fields": ["u", "v"],
                "observations": {"region": {"x": [None, 0.5]}, "noise": 0.005},
            },
            "model": {
                "physical": {"name": "FitzHughNagumoPDE", "pde_params": TRUTH, "numerics": FD2}
            },
            "trainer_params": {
                "train_sim": [0],
                "num_predict_steps": STEPS,
                "learnable_parameters": [{"name": "diffusivity_v", "initial_guess": 0.03}],
                "check_discretization": False,
            },
            "hybrid": {"interaction_weight": 1.0, "revert_if_worse": reverts},
        }
    )


@pytest.mark.parametrize("reverts", [True, False])
def test_a_cycle_that_ruins_a_calibration_is_undone_or_reported(
    tmp_path: Path, reverts: bool
) -> None:
    experiment = experiment_in(tmp_path, reverts)
    write_raw_file(tmp_path / "data/species/0.nc", simulated(0.05), LINE, SPECIES, DT, {})
    data = TrainerFactory.create_dataset_for_physical(experiment, use_sliding_window=False)
    before = calibrate_cycle(TrainerFactory.create_physical_trainer(experiment), data)
    good = before["parameters"]["diffusivity_v"]
    assert abs(good["value"] - 0.05) < 3 * good["std"] < 0.005
    predictions = CacheManager(tmp_path / "predictions")
    source = {"simulation": 0, "frame": 0, "new": False}
    predictions.write(0, simulated(0.2), LINE, DT, source, SPECIES)
    trainer = TrainerFactory.create_physical_trainer(experiment)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResultWarning)
        after = calibrate_cycle(trainer, data, Guidance(predictions, before, None))
    found = after["parameters"]["diffusivity_v"]["value"]
    (reason,) = (text for text in after["warnings"] if text.startswith("hybrid: "))
    assert after["reverted"] is reverts
    if reverts:
        assert found == trainer.model.diffusivity_v.item() == good["value"]
        assert "fits the measured values worse" in reason
    else:
        assert found - 0.05 > 20 * good["std"], "what the safeguard prevents"
        assert "set hybrid.revert_if_worse: true" in reason
