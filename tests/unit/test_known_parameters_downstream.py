"""Known per-simulation parameters in the evaluation and in generated simulations."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from phi.torch.flow import math

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.evaluation.physical_predictor import PhysicalPredictor
from hybrid_pde.evaluation.rollout_evaluation import evaluate
from hybrid_pde.factories import ModelFactory
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.augmentation.augmentation import Augmentation
from tests.unit.raw_files import cells, raw_path, write_file

POINTS, FRAMES, DT = (16, 10), (9, 7, 9), 0.02
X, Y = cells(POINTS[0], 2.0), cells(POINTS[1], 0.9)
DIFFUSIVITIES = (0.02, 0.05, 0.1)
KNOWN = {"diffusivity": "D", "boundary.x.lower": "inflow", "velocity": "flow"}
BOUNDARY = {"x": {"lower": 0.0, "upper": "zero-gradient"}, "y": "periodic"}
GRID = Grid(
    ("x", "y"),
    POINTS,
    (0.0, 0.0),
    (2.0, 0.9),
    ((0.0, "zero-gradient"), ("periodic", "periodic")),
    (False, False),
)


def experiment_in(root: Path, **sections: Any) -> Experiment:
    content: dict[str, Any] = {
        "project_root": str(root),
        "run_params": {"model_type": "physical"},
        "data": {
            "dset_name": "heat",
            "fields": ["u"],
            "boundary": BOUNDARY,
            "known_parameters": KNOWN,
        },
        "model": {"physical": {"name": "AdvectionDiffusionPDE"}},
        "trainer_params": {"physical": {"train_sim": [0, 1], "test_sim": [2]}},
    }
    return parse_experiment({**content, **sections})


def known_values(number: int) -> dict[str, np.ndarray]:
    """A simulation's diffusivity, time-dependent inflow and divergence-free flow."""
    times = DT * np.arange(FRAMES[number])
    stream = (0.3 + 0.2 * number) * np.sin(2 * np.pi * Y / 0.9)
    flow = np.stack([np.tile(stream, (POINTS[0], 1)), np.zeros(POINTS)], axis=-1)
    inflow = 1.0 + number + 4.0 * times
    return {"D": np.array(DIFFUSIVITIES[number]), "inflow": inflow, "flow": flow}


def solved(model: PhysicalModel, number: int) -> np.ndarray:
    """Solution ``[T, X, Y]`` of the equation with a simulation's known values."""
    known = known_values(number)
    conditions = Conditions(
        {
            "diffusivity": torch.tensor([DIFFUSIVITIES[number]]),
            "velocity": torch.from_numpy(np.moveaxis(known["flow"], -1, 0)[None].copy()),
        },
        {"boundary.x.lower": torch.from_numpy(known["inflow"])[None]},
    )
    start = 1.0 + number + X[:, None] * np.cos(2 * np.pi * Y / 0.9 + number)
    state = {"u": torch.from_numpy(start).float()[None, None]}
    frames = model.rollout(state, GRID, FRAMES[number] - 1, DT, conditions=conditions)
    return torch.cat([state["u"], *(frame["u"] for frame in frames)])[:, 0].numpy()


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> DataManager:
    """Three cached solutions of the equation, each with different known values."""
    experiment = experiment_in(tmp_path_factory.mktemp("known"))
    model = ModelFactory.create_physical_model(experiment)
    for number, frames in enumerate(FRAMES):
        known = known_values(number)
        write_file(
            raw_path(Path(experiment.project_root), f"{number}.nc"),
            {"time": DT * np.arange(frames), "x": X, "y": Y, "component": 2},
            {
                "u": (("time", "x", "y"), solved(model, number)),
                "D": ((), known["D"]),
                "inflow": (("time",), known["inflow"]),
                "flow": (("x", "y", "component"), known["flow"]),
            },
        )
    manager = DataManager(experiment.raw_dir, experiment.cache_root, experiment)
    manager.cache_shard(range(len(FRAMES)))
    return manager


def error_of(model: PhysicalModel, store: SimulationStore, indices: list[int]) -> float:
    """VRMSE of the equation on simulations, with their known values."""
    known = store.header(indices[0]).known
    predictor = PhysicalPredictor(model, store.grid, store.layouts, store.dt, known)
    simulations = ((index, store.load(index)) for index in indices)
    return evaluate(simulations, {"physical": predictor}, known=known).metrics["physical"]["vrmse"]


def test_every_simulation_is_predicted_with_its_known_values(manager: DataManager) -> None:
    model = ModelFactory.create_physical_model(manager.experiment)
    # the data are the solution, rounded to single precision
    assert error_of(model, manager, [0, 1, 2]) < 1e-6
    with with_known(manager, manager.load(0).known):
        assert error_of(model, manager, [1, 2]) > 1e-2, (
            "the values of another simulation give errors"
        )


@contextmanager
def with_known(manager: DataManager, known: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Replace the known values of all simulations by these."""
    load = manager.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manager, "load", lambda index: replace(load(index), known=known))
        yield


def maker(manager: DataManager, folder: Path, **augmentation: Any) -> Augmentation:
    root = Path(manager.experiment.project_root)
    experiment = experiment_in(root, augmentation=augmentation)
    model = ModelFactory.create_physical_model(experiment)
    return Augmentation(experiment, model, manager, CacheManager(folder))


@pytest.mark.parametrize(
    "condition", [None, {"type": "gaussian_random_field", "length_scale": 0.4, "amplitude": 0.5}]
)
def test_generated_simulations_take_over_known_values(
    manager: DataManager, tmp_path: Path, condition: dict[str, Any] | None
) -> None:
    generation = maker(manager, tmp_path, initial_condition=condition)
    assert generation.make(range(4)) == [0, 1, 2, 3]
    store = CacheManager(tmp_path)
    store.validate()
    frames = min(FRAMES[:2])
    for index in range(4):
        expected = known_values(index % 2)
        simulation = store.load(index)
        assert simulation.num_frames == frames, "limited by the shorter known inflow"
        known = simulation.known
        assert float(known["diffusivity"]) == DIFFUSIVITIES[index % 2]
        np.testing.assert_array_equal(known["boundary.x.lower"], expected["inflow"][:frames])
        np.testing.assert_allclose(
            known["velocity"], np.moveaxis(expected["flow"], -1, 0), rtol=1e-6
        )
        first = simulation.fields["u"][0, 0].numpy()
        # extrapolated to the wall at x = 0 from the two nearest cells
        np.testing.assert_allclose(
            1.5 * first[0] - 0.5 * first[1], expected["inflow"][0], atol=0.15
        )
    assert store.header(0).known_by_name["boundary.x.lower"].static is False
    model = ModelFactory.create_physical_model(manager.experiment)
    assert error_of(model, store, [0, 1, 2, 3]) < 1e-6, "computed with the cached values"


def test_windows_of_generated_simulations_contain_known_values(
    manager: DataManager, tmp_path: Path
) -> None:
    maker(manager, tmp_path).make(range(2))
    windows = HybridDataset(
        CacheManager(tmp_path), [0, 1], ["u"], num_predict_steps=2, return_fields=True
    )
    initial, targets = windows[len(windows) - 1]
    assert set(initial) == {"u", *KNOWN}
    with math.precision(64):
        frames = min(FRAMES[:2])
        assert float(targets["boundary.x.lower"][-1]) == known_values(1)["inflow"][frames - 1]


def test_generated_simulations_are_no_longer_than_known_values(
    manager: DataManager, tmp_path: Path
) -> None:
    message = r"augmentation\.steps: 7: boundary\.x\.lower change.* simulation 1, .* for 6 frames"
    with pytest.raises(ConfigError, match=message):
        maker(manager, tmp_path, steps=7)
    assert list(tmp_path.iterdir()) == [], "nothing is computed"
    assert maker(manager, tmp_path, steps=3).make([0]) == [0]
    assert CacheManager(tmp_path).header(0).num_frames == 4


def test_simulations_with_other_known_values_are_generated_again(
    manager: DataManager, tmp_path: Path
) -> None:
    maker(manager, tmp_path).make([0])
    before = CacheManager(tmp_path).header(0).source["source_simulations"]
    known = {**manager.load(0).known, "diffusivity": torch.tensor(0.03, dtype=torch.float64)}
    with with_known(manager, known):
        maker(manager, tmp_path).make([0])
    header = CacheManager(tmp_path).header(0)
    assert header.source["source_simulations"] != before
    assert header.known_by_name["diffusivity"].values == 0.03
