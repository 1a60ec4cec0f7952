"""Hybrid cycles in one process and stage by stage through files."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.domain.run_folders import cycle_folder
from hybrid_pde.errors import ConfigError, ExchangeError
from hybrid_pde.factories import ModelFactory, TrainerFactory
from hybrid_pde.models import load_synthetic_model
from hybrid_pde.models.physical.parameters_file import load_parameters, read_parameters
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.stages.guide import predict_guidance
from hybrid_pde.stages.simulate import RawSimulations
from hybrid_pde.stages.surrogate_training import SurrogateFiles, SurrogateTraining
from hybrid_pde.stages.train_physical import CalibrationFiles, GuidanceFiles, calibrate
from hybrid_pde.training.augmentation.augmentation import Augmentation
from hybrid_pde.training.hybrid.guidance import GuidanceMaker
from hybrid_pde.training.hybrid.hybrid_trainer import HybridResult, HybridTrainer
from hybrid_pde.training.synthetic.training_windows import real_windows

# a few epochs of training give a poor model
pytestmark = pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")


LEARNABLE = {"name": "viscosity", "initial_guess": 0.05, "bounds": [1e-3, 1.0]}
HALF = {"region": {"x": [None, 0.5]}, "noise": 0.02}


def in_cycles(root: Path, observations: dict[str, Any] | None, **sections: Any) -> Experiment:
    """Burgers' equation in 1D on 16 points; two training simulations and one for validation."""
    mapping: dict[str, Any] = {
        "run_params": {"model_type": "hybrid", "experiment_name": "cycles"},
        "project_root": str(root),
        "data": {"dset_name": "waves", "fields": ["velocity"], "observations": observations},
        "generation_params": {
            "parameters": {"viscosity": 0.02},
            "num_simulations": 3,
            "resolution": {"x": 16},
            "steps": 6,
            "dt": 0.05,
            "initial_condition": {"amplitude": 0.5, "length_scale": 0.3},
        },
        "model": {
            "physical": {
                "name": "BurgersPDE",
                "pde_params": {"viscosity": 0.02},
                "numerics": {"scheme": "finite_difference", "order": 4},
            },
            "synthetic": {
                "name": "UNet",
                "input_specs": {"velocity": 1},
                "output_specs": {"velocity": 1},
                "architecture": {"hidden_channels": 4, "depth": 1},
            },
        },
        "trainer_params": {
            "train_sim": [0, 1],
            "val_sim": [2],
            "num_predict_steps": 2,
            "physical": {
                "learnable_parameters": [LEARNABLE],
                "num_predict_steps": 3,
                "check_discretization": False,
            },
            "synthetic": {"epochs": 3, "batch_size": 4},
        },
        "augmentation": {"num_simulations": 2, "alpha": 0.25},
        "hybrid": {"cycles": 2},
    }
    return parse_experiment({**mapping, **sections})


def cached(experiment: Experiment) -> DataManager:
    RawSimulations(experiment, experiment.raw_dir).make(range(3))
    manager = DataManager(experiment.raw_dir, experiment.cache_root, experiment)
    manager.cache_shard(range(3))
    return manager


def in_one_process(
    experiment: Experiment, manager: DataManager, folder: Path
) -> tuple[HybridTrainer, HybridResult]:
    trainer = TrainerFactory.create_hybrid_trainer(experiment)
    physical = TrainerFactory.create_dataset_for_physical(
        experiment, use_sliding_window=False, store=manager
    )
    windows = real_windows(experiment, manager)
    return trainer, trainer.train(physical, windows, CacheManager(folder))


def calibration_files(folder: Path) -> CalibrationFiles:
    return CalibrationFiles(
        folder / "parameters.yaml", folder / "history.csv", folder / "checkpoints"
    )


def stage_by_stage(
    experiment: Experiment, manager: DataManager, results: Path
) -> list[list[dict[str, Any]]]:
    """Run each cycle's stages, connected by files only; return the surrogate's histories."""
    histories = []
    cycles = experiment.hybrid.cycles
    for number in range(1, cycles + 1):
        home, before = cycle_folder(results, number), cycle_folder(results, number - 1)
        parameters, guide = home / "physical/parameters.yaml", None
        if number > 1:
            guidance = CacheManager(home / "guidance")
            predict_guidance(experiment, manager, before / "synthetic_model.pt", guidance)
            guide = GuidanceFiles(guidance, before / "physical/parameters.yaml")
        calibrate(experiment, manager, calibration_files(home / "physical"), {}, guide)
        physical = ModelFactory.create_physical_model(experiment)
        load_parameters(parameters, physical)
        generated = CacheManager(home / "augmented")
        made = Augmentation(experiment, physical, manager, generated).make(range(2))
        training = SurrogateTraining(
            experiment,
            manager,
            generated,
            made,
            physical=physical,
            warm_start=before / "synthetic_model.pt" if number > 1 else None,
            cycle=(number, cycles),
        )
        files = SurrogateFiles(
            home / "synthetic_model.pt", home / "history.csv", home / "checkpoints", 60.0
        )
        histories.append(training.run(files, {}))
    return histories


@pytest.mark.parametrize(
    ("observations", "reverts"),
    [(HALF, False), (None, False), (HALF, True)],
    ids=["half_is_seen", "all_is_seen", "reverted"],
)
def test_one_process_and_separate_stages_give_the_same_results(
    tmp_path: Path, observations: dict[str, Any] | None, reverts: bool
) -> None:
    section = {"cycles": 2, "revert_if_worse": reverts}
    experiment = in_cycles(tmp_path, observations, hybrid=section)
    manager = cached(experiment)
    trainer, result = in_one_process(experiment, manager, tmp_path / "in_one_process")
    histories = stage_by_stage(experiment, manager, tmp_path / "stages")

    assert len(result["cycles"]) == 2
    for number, (cycle, history) in enumerate(zip(result["cycles"], histories, strict=True), 1):
        one, other = (
            cycle_folder(tmp_path / kind, number) for kind in ("in_one_process", "stages")
        )
        written = read_parameters(other / "physical/parameters.yaml")
        for key in ("value", "std", "initial_guess"):
            found = cycle["physical"]["parameters"]["viscosity"][key]
            assert found == written["parameters"]["viscosity"][key], (number, key)
        assert cycle["physical"]["loss"] == written["loss"]
        losses = [row["train_loss"] for row in history if row["train_loss"] is not None]
        assert losses == cycle["synthetic"]["train_losses"]
        for name in ("augmented", "guidance") if number > 1 else ("augmented",):
            stores = [CacheManager(folder / name) for folder in (one, other)]
            indices = stores[0].indices()
            assert indices == [0, 1]
            assert stores[0].manifest(indices) == stores[1].manifest(indices), (number, name)
    loaded = load_synthetic_model(
        cycle_folder(tmp_path / "stages", 2) / "synthetic_model.pt"
    ).state_dict()
    for name, value in trainer.synthetic_trainer.model.state_dict().items():
        assert torch.equal(value, loaded[name]), name
    values = [each["physical"]["parameters"]["viscosity"]["value"] for each in result["cycles"]]
    # three epochs give no good surrogate, but it affects the calibration
    assert result["physical"]["reverted"] == reverts == (values[0] == values[1])
    assert result["physical"] is result["cycles"][1]["physical"]


def test_schedules_run_over_all_cycles(tmp_path: Path) -> None:
    experiment = in_cycles(tmp_path, None)
    manager = cached(experiment)
    first, second = stage_by_stage(experiment, manager, tmp_path / "stages")
    rates = [row["learning_rate"] for row in (*first, *second) if row["train_loss"] is not None]
    assert len(rates) == 6 and all(a > b for a, b in zip(rates, rates[1:], strict=False))
    floor = rates[-1] / rates[0]
    assert floor < 0.1 + 0.5 * (1 + math.cos(math.pi * 5 / 6)), "at its end in the last cycle"
    assert rates[2] > 0.5 * rates[0], "half way in the first"
    assert [row["epoch"] for row in second if row["train_loss"] is not None] == [4, 5, 6]


def test_a_worse_calibration_is_dropped(tmp_path: Path) -> None:
    """An untrained surrogate misguides the calibration."""
    weight = {"cycles": 2, "interaction_weight": 100.0}
    experiment = in_cycles(tmp_path, HALF, hybrid=weight)
    manager = cached(experiment)
    folder = tmp_path / "first"
    first = calibrate(experiment, manager, calibration_files(folder), {})
    surrogate = ModelFactory.create_synthetic_model(experiment, manager.grid)
    training = SurrogateTraining(experiment, manager, physical=None)
    training.model.load_state_dict(surrogate.state_dict())
    found = {}
    for name, reverts in (("kept", True), ("worse", False)):
        choice = in_cycles(tmp_path, HALF, hybrid={**weight, "revert_if_worse": reverts})
        guidance = CacheManager(tmp_path / name / "guidance")
        GuidanceMaker(choice, manager, training.model, guidance).make()
        guide = GuidanceFiles(guidance, folder / "parameters.yaml")
        files = calibration_files(tmp_path / name)
        with pytest.warns(ResultWarning, match="fits the measured values") as issued:
            calibrate(choice, manager, files, {}, guide)
        assert len(issued) == 1
        found[name] = read_parameters(files.parameters)
        assert found[name]["warnings"] == [str(issued[0].message)]
    assert found["kept"]["reverted"] and not found["worse"]["reverted"]
    assert "validation" not in found["worse"]
    errors = found["kept"]["validation"]
    assert errors["new"] > errors["previous"] > 0
    before = first["parameters"]["viscosity"]
    assert found["kept"]["parameters"]["viscosity"]["value"] == before["value"]
    worse = found["worse"]["parameters"]["viscosity"]["value"]
    assert abs(worse - 0.02) > 3 * abs(before["value"] - 0.02)
    model = ModelFactory.create_physical_model(experiment)
    load_parameters(tmp_path / "kept" / "parameters.yaml", model)
    assert model.viscosity.item() == before["value"]


def test_an_empty_exchange_is_an_error(tmp_path: Path) -> None:
    experiment = in_cycles(tmp_path, HALF)
    manager = cached(experiment)
    guidance = CacheManager(tmp_path / "guidance")
    surrogate = ModelFactory.create_synthetic_model(experiment, manager.grid)
    with torch.no_grad():
        for parameter in surrogate.parameters():
            parameter.fill_(math.inf)
    with pytest.raises(ExchangeError, match="its predictions are not finite"):
        GuidanceMaker(experiment, manager, surrogate, guidance).make()
    assert guidance.indices() == []
    folder = tmp_path / "first"
    calibrate(experiment, manager, calibration_files(folder), {})
    guide = GuidanceFiles(guidance, folder / "parameters.yaml")
    with pytest.raises(ExchangeError, match="predicts no hidden value"):
        calibrate(experiment, manager, calibration_files(tmp_path / "second"), {}, guide)
    assert not (tmp_path / "second/parameters.yaml").exists()


def test_windows_without_a_position_are_rejected(tmp_path: Path) -> None:
    experiment = in_cycles(tmp_path, None)
    manager = cached(experiment)
    trainer = TrainerFactory.create_hybrid_trainer(experiment)
    physical = TrainerFactory.create_dataset_for_physical(experiment, store=manager)

    class Pairs(list[Any]):
        dt = manager.dt

    windows = real_windows(experiment, manager)
    with pytest.raises(ConfigError, match=r"hybrid\.cycles: 2: the physical data must be a data"):
        trainer.train(Pairs(physical), windows, CacheManager(tmp_path / "generated"))
