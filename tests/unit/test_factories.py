"""The shipped example experiments through the factories, on small generated raw files."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader

from hybrid_pde.config import load_experiment
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.factories import ModelFactory, TrainerFactory
from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.models.synthetic.architectures.unet.network import UNet
from hybrid_pde.training.hybrid.hybrid_trainer import HybridTrainer
from hybrid_pde.training.physical import PhysicalTrainer
from hybrid_pde.training.synthetic import SyntheticTrainer
from tests.physics.periodic_box import coordinates, periodic_grid
from tests.workflow.tiny import ROOT

SYNTHETIC, PHYSICAL = "burgers_experiment", "burgers_physical_experiment"
NUM_SIMULATIONS, NUM_FRAMES, POINTS = 12, 36, 16
STEPS = 32  # used by both examples
GRID = periodic_grid((POINTS, POINTS), (1.0, 1.0))


@cache
def simulations() -> np.ndarray:
    """Velocities ``[N, T, 2, X, Y]`` of Burgers' equation, slow enough for the coarse grid."""
    x, y = (2 * np.pi * c for c in coordinates(GRID))
    generator = np.random.default_rng(0)
    starts = []
    for _ in range(NUM_SIMULATIONS):
        (a, b), (p, q) = generator.uniform(0.1, 0.2, 2), generator.uniform(0, 2 * np.pi, 2)
        u = a * torch.sin(x + p) + 0.05 * torch.cos(y)
        v = b * torch.cos(y + q) + 0.05 * torch.sin(x)
        starts.append(torch.stack([u, v]))
    start = torch.stack(starts)
    settings = {"model": {"physical": {"name": "BurgersPDE", "pde_params": {"viscosity": 0.01}}}}
    frames = BurgersPDE(settings).rollout(start, GRID, NUM_FRAMES - 1, 0.02)
    return torch.stack([start, *frames], dim=1).detach().numpy()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``burgers_128``: twelve simulations of velocity and pressure."""
    folder = tmp_path_factory.mktemp("data")
    vector, scalar = FieldLayout("velocity", ("x", "y")), FieldLayout("pressure")
    for index in range(NUM_SIMULATIONS):
        velocity = simulations()[index]
        pressure = 0.5 * (velocity**2).sum(1, keepdims=True)
        path = folder / "burgers_128" / f"run_{index:02d}.nc"
        fields = {"velocity": velocity, "pressure": pressure}
        write_raw_file(path, fields, GRID, [vector, scalar], 0.02, {})
    return folder


@pytest.fixture
def example(data_dir: Path, tmp_path: Path) -> Any:
    """Load an example as shipped, with other data and few epochs."""

    def load(name: str, *overrides: str) -> dict[str, Any]:
        small = ["trainer_params.epochs=1", f"data.cache_dir={tmp_path / 'cache'}"]
        # existing raw files replace those that the example would simulate
        own = [f"data.data_dir={data_dir}", "generation_params=null"]
        return load_experiment(ROOT / f"config/{name}.yaml", [*own, *small, *overrides])

    return load


@pytest.mark.parametrize(("name", "model_type"), [(SYNTHETIC, "synthetic"), (PHYSICAL, "physical")])
def test_examples_load_as_shipped(name: str, model_type: str) -> None:
    config = load_experiment(ROOT / f"config/{name}.yaml")
    written = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))
    assert config["run_params"]["model_type"] == model_type
    assert config["run_params"]["experiment_name"] == name
    assert config["trainer_params"]["num_predict_steps"] == STEPS
    assert config["trainer_params"]["epochs"] == written["trainer_params"]["epochs"]
    assert config["data"]["cache_dir"] == "data/cache"
    assert isinstance(TrainerFactory.create_trainer(config), SyntheticTrainer | PhysicalTrainer)


def test_numbers_written_as_strings_are_numbers() -> None:
    config = load_experiment(ROOT / f"config/{PHYSICAL}.yaml")
    assert config["trainer_params"]["abs_tol"] == 1e-6
    assert isinstance(config["trainer_params"]["abs_tol"], float)


def test_loader_of_the_synthetic_example(example: Any) -> None:
    config = example(SYNTHETIC)
    loader = TrainerFactory.create_data_loader_for_synthetic(config)
    assert isinstance(loader, DataLoader)
    state, targets = next(iter(loader))
    assert state.shape == (32, 3, POINTS, POINTS)
    assert targets.shape == (32, STEPS, 3, POINTS, POINTS)
    assert len(loader.dataset) == 10 * (NUM_FRAMES - STEPS)  # type: ignore[arg-type]
    torch.testing.assert_close(targets[:, :, 2], 0.5 * targets[:, :, :2].square().sum(2))


def test_options_of_the_loader(example: Any) -> None:
    config = example(SYNTHETIC)
    make = TrainerFactory.create_data_loader_for_synthetic
    loader = make(config, sim_indices=[11, 2], batch_size=3, shuffle=False)
    batches = list(loader)
    assert [len(state) for state, _ in batches] == [3, 3, 2]
    expected = torch.from_numpy(simulations()[11]).float()
    torch.testing.assert_close(batches[0][0][1, :2], expected[1])
    torch.testing.assert_close(batches[0][1][1, :, :2], expected[2 : 2 + STEPS])
    apart = make(config, sim_indices=[11, 2], use_sliding_window=False)
    assert len(apart.dataset) == 2  # type: ignore[arg-type]


def test_shuffling_is_determined_by_the_seed(example: Any) -> None:
    def first(*overrides: str) -> torch.Tensor:
        config = example(SYNTHETIC, *overrides)
        return next(iter(TrainerFactory.create_data_loader_for_synthetic(config)))[0]

    assert torch.equal(first(), first())
    assert not torch.equal(first(), first("run_params.seed=1"))


@pytest.mark.parametrize("sliding", [True, False])
def test_data_set_of_the_physical_example(example: Any, sliding: bool) -> None:
    config = example(PHYSICAL)
    dataset = TrainerFactory.create_dataset_for_physical(config, use_sliding_window=sliding)
    assert len(dataset) == (NUM_FRAMES - STEPS if sliding else 1)
    assert dataset.dt == pytest.approx(0.02)
    initial, targets = dataset[0]
    assert list(initial) == list(targets) == ["velocity"]
    assert len(targets["velocity"]) == STEPS
    values = targets["velocity"][4].values.numpy("vector,x,y")
    np.testing.assert_allclose(values, simulations()[0][5], atol=1e-6)
    others = TrainerFactory.create_dataset_for_physical(config, [3, 4], sliding)
    assert len(others) == 2 * len(dataset)


def test_synthetic_example_trains_and_keeps_its_optimizer(example: Any) -> None:
    config = example(SYNTHETIC, "model.synthetic.architecture.hidden_channels=4")
    trainer = TrainerFactory.create_trainer(config)
    assert isinstance(trainer, SyntheticTrainer)
    optimizer = trainer.optimizer
    make = TrainerFactory.create_data_loader_for_synthetic
    first = trainer.train(make(config, [0, 1], batch_size=4), config["trainer_params"]["epochs"])
    assert first["num_epochs"] == 1
    assert np.isfinite(first["final_loss"])
    steps = [state["step"].item() for state in optimizer.state.values()]
    assert set(steps) == {2.0}
    second = trainer.train(make(config, [2], batch_size=4), 2)
    assert second["num_epochs"] == 2
    assert trainer.optimizer is optimizer
    assert {state["step"].item() for state in optimizer.state.values()} == {4.0}
    assert trainer.epoch == 3


def test_physical_example_finds_the_viscosity(example: Any) -> None:
    config = example(PHYSICAL)
    trainer = TrainerFactory.create_trainer(config)
    assert isinstance(trainer, PhysicalTrainer)
    assert trainer.model.viscosity.item() == pytest.approx(0.02), "not the value in pde_params"
    dataset = TrainerFactory.create_dataset_for_physical(config, use_sliding_window=False)
    result = trainer.train(dataset, config["trainer_params"]["epochs"])
    assert result["status"] == "converged"
    assert trainer.model.viscosity.item() == pytest.approx(0.01, rel=1e-3)


def test_optimizer_of_the_physical_trainer_is_kept(example: Any) -> None:
    adam = ("trainer_params.method=adam", "trainer_params.num_predict_steps=4")
    config = example(PHYSICAL, *adam, "model.physical.numerics.order=4")
    trainer = TrainerFactory.create_trainer(config)
    assert isinstance(trainer, PhysicalTrainer)
    make = TrainerFactory.create_dataset_for_physical
    trainer.train(make(config, [0], use_sliding_window=False), 1)
    optimizer = trainer.optimizer
    assert optimizer is not None
    trainer.train(make(config, [1], use_sliding_window=False), 1)
    assert trainer.optimizer is optimizer
    assert [state["step"].item() for state in optimizer.state.values()] == [16.0]


def test_hybrid_trainer_has_both_models(example: Any) -> None:
    section = (
        "model.physical={name: BurgersPDE}",
        "run_params.model_type=hybrid",
        "trainer_params.learnable_parameters=[{name: viscosity, initial_guess: 0.02}]",
    )
    config = example(SYNTHETIC, *section)
    for trainer in (
        TrainerFactory.create_hybrid_trainer(config),
        TrainerFactory.create_trainer(config),
    ):
        assert isinstance(trainer, HybridTrainer)
        assert isinstance(trainer.synthetic_trainer.model, UNet)
        assert isinstance(trainer.physical_trainer.model, BurgersPDE)


def test_models_are_made_without_data_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    surrogate = ModelFactory.create_synthetic_model(load_experiment(SYNTHETIC))
    assert surrogate.rollout(torch.zeros(1, 3, 16, 16), 2).shape == (1, 2, 3, 16, 16)
    physical = ModelFactory.create_physical_model(load_experiment(PHYSICAL))
    assert isinstance(physical.viscosity, torch.nn.Parameter)
    assert list(tmp_path.iterdir()) == [], "no files are created"


def test_physical_trainer_needs_learnable_parameters() -> None:
    config = {
        "run_params": {"model_type": "physical"},
        "model": {"physical": {"name": "BurgersPDE", "pde_params": {"viscosity": 0.01}}},
    }
    with pytest.raises(ValueError, match="^No 'learnable_parameters' defined"):
        TrainerFactory.create_trainer(config)


def test_a_trainer_without_its_model_names_what_is_missing() -> None:
    config = load_experiment(ROOT / f"config/{SYNTHETIC}.yaml")
    with pytest.raises(TypeError, match="'model'"):
        SyntheticTrainer(config)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'model' and 'learnable_params'"):
        PhysicalTrainer(config)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", [SYNTHETIC, PHYSICAL])
def test_training_without_data_names_what_is_missing(name: str) -> None:
    trainer = TrainerFactory.create_trainer(load_experiment(ROOT / f"config/{name}.yaml"))
    with pytest.raises(TypeError, match="'data_source'"):
        trainer.train()  # type: ignore[call-arg]
