"""Hybrid training: calibration, generation, surrogate training on both kinds of windows."""

from pathlib import Path
from typing import Any

import pytest
import torch

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.factories import ModelFactory, TrainerFactory
from hybrid_pde.models import load_synthetic_model
from hybrid_pde.models.physical.parameters_file import load_parameters
from hybrid_pde.stages.simulate import RawSimulations
from hybrid_pde.stages.surrogate_training import SurrogateFiles, SurrogateTraining
from hybrid_pde.stages.train_physical import CalibrationFiles, calibrate
from hybrid_pde.training.augmentation.augmentation import Augmentation
from hybrid_pde.training.hybrid.hybrid_trainer import HybridResult, HybridTrainer
from hybrid_pde.training.synthetic import validated_training
from hybrid_pde.training.synthetic.training_windows import real_windows
from tests.unit.generated_data import tiny_in


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> DataManager:
    """The tiny experiment's data, cached."""
    experiment = hybrid_experiment(tmp_path_factory.mktemp("hybrid"))
    RawSimulations(experiment, experiment.raw_dir).make(range(3))
    manager = DataManager(experiment.raw_dir, experiment.cache_root, experiment)
    manager.cache_shard(range(3))
    return manager


def hybrid_experiment(root: Path, **augmentation: Any) -> Experiment:
    mapping = tiny_in(root)
    mapping["augmentation"] = {"num_simulations": 3, "alpha": 0.25, **augmentation}
    mapping["model"]["physical"]["numerics"] = {"scheme": "finite_difference", "order": 4}
    mapping["trainer_params"]["synthetic"]["epochs"] = 2
    return parse_experiment(mapping)


def like(manager: DataManager, **augmentation: Any) -> Experiment:
    return hybrid_experiment(Path(manager.experiment.project_root), **augmentation)


def trained(
    experiment: Experiment, manager: DataManager, folder: Path
) -> tuple[HybridTrainer, HybridResult]:
    trainer = TrainerFactory.create_hybrid_trainer(experiment)
    physical = TrainerFactory.create_dataset_for_physical(
        experiment, use_sliding_window=False, store=manager
    )
    real = real_windows(experiment, manager)
    return trainer, trainer.train(physical, real, CacheManager(folder))


@pytest.fixture
def mixtures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Record the data sets on which surrogates are trained."""
    made: list[Any] = []
    original = validated_training.mix

    def mix(*arguments: Any) -> Any:
        made.append(original(*arguments))
        return made[-1]

    monkeypatch.setattr(validated_training, "mix", mix)
    return made


def test_both_models_are_trained_on_real_and_generated_windows(
    manager: DataManager, tmp_path: Path, mixtures: list[Any]
) -> None:
    experiment = like(manager)
    before = ModelFactory.create_synthetic_model(experiment, manager.grid).state_dict()
    trainer, result = trained(experiment, manager, tmp_path)
    viscosity = trainer.physical_trainer.model.viscosity.item()
    assert viscosity == pytest.approx(0.01, rel=0.02), "from a guess of 0.02"
    assert result["physical"]["status"] == "converged"
    after = trainer.synthetic_trainer.model.state_dict()
    weights = [name for name in before if name.endswith("weight")]
    assert weights
    assert not any(torch.equal(before[name], after[name]) for name in weights)
    assert result["synthetic"]["num_epochs"] == 2
    assert result["generated"] == CacheManager(tmp_path).indices() == [0, 1, 2]
    source = CacheManager(tmp_path).header(0).source
    assert source["parameters"]["viscosity"] == pytest.approx(viscosity, rel=1e-12)
    (dataset,) = mixtures
    assert isinstance(dataset, AugmentedDataset)
    shares = [dataset.is_generated(index) for index in range(len(dataset))]
    # 2 simulations of 9 frames, 2 steps: 14 real windows, 14 / (1 - 0.25) in all
    assert (len(shares), sum(shares)) == (19, 5)


@pytest.mark.parametrize("off", [{"alpha": 0.0}, {"enabled": False}, {"num_simulations": 0}])
def test_without_augmentation_the_surrogate_is_trained_on_real_windows_only(
    manager: DataManager, tmp_path: Path, mixtures: list[Any], off: dict[str, Any]
) -> None:
    trainer, result = trained(like(manager, **off), manager, tmp_path / "generated")
    assert result["generated"] == []
    assert not (tmp_path / "generated").exists()
    (dataset,) = mixtures
    assert len(dataset) == 14
    assert not isinstance(dataset, AugmentedDataset)
    assert result["synthetic"]["num_epochs"] == 2
    assert trainer.physical_trainer.model.viscosity.item() == pytest.approx(0.01, rel=0.02)


def test_result_equals_that_of_the_stages(manager: DataManager, tmp_path: Path) -> None:
    experiment = like(manager)
    trainer, result = trained(experiment, manager, tmp_path / "at_once")

    parameters = tmp_path / "parameters.yaml"
    written = CalibrationFiles(parameters, tmp_path / "physical.csv", tmp_path / "checkpoints")
    calibrate(experiment, manager, written, {})
    physical = ModelFactory.create_physical_model(experiment)
    load_parameters(parameters, physical)
    generated = CacheManager(tmp_path / "in_stages")
    made = Augmentation(experiment, physical, manager, generated).make(range(3))
    stage = SurrogateTraining(experiment, manager, generated, made)
    files = SurrogateFiles(
        tmp_path / "model.pt", tmp_path / "history.csv", tmp_path / "checkpoints", 60.0
    )
    history = stage.run(files, {})

    assert physical.viscosity.item() == trainer.physical_trainer.model.viscosity.item()
    at_once = CacheManager(tmp_path / "at_once").manifest(made)
    assert generated.manifest(made) == at_once
    assert [row["train_loss"] for row in history] == result["synthetic"]["train_losses"]
    expected = trainer.synthetic_trainer.model.state_dict()
    loaded = load_synthetic_model(files.model).state_dict()
    assert loaded.keys() == expected.keys()
    for name, value in loaded.items():
        assert torch.equal(value, expected[name]), name
