"""Training windows of a surrogate from partially observed data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.data.windows.augmented_dataset import AugmentedDataset
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import RawDataError
from hybrid_pde.factories import ModelFactory, TrainerFactory
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.synthetic.data_loaders import batches
from hybrid_pde.training.synthetic.observed_frames import interpolated
from hybrid_pde.training.synthetic.observed_windows import ObservedWindows
from hybrid_pde.training.synthetic.training_windows import real_windows
from tests.physics.periodic_box import coordinates, periodic_grid

LENGTH, POINTS, FRAMES, DT = 1.4, 16, 11, 0.1
LINE = periodic_grid((POINTS,), (LENGTH,))
DECAY = 0.004 * (2 * np.pi / LENGTH) ** 2

Load = Callable[..., tuple[Experiment, DataManager]]


def wave(simulation: int) -> np.ndarray:
    """A wave that decays by c_t = D c_xx with D = 0.004, ``[T, 1, X]``."""
    (x,) = (each.numpy() for each in coordinates(LINE))
    decay = np.exp(-DECAY * np.arange(FRAMES) * DT)[:, None]
    return (decay * np.sin(2 * np.pi * x / LENGTH + simulation))[:, None]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """An experiment on two simulations with the given observations, and its data."""

    def make(
        observations: dict[str, Any] | None, kind: str = "synthetic", gaps: Any = ()
    ) -> tuple[Experiment, DataManager]:
        for simulation in (0, 1):
            frames = wave(simulation)
            for gap in gaps if simulation == 0 else ():
                frames[gap] = np.nan
            path = tmp_path / f"data/waves/{simulation}.nc"
            write_raw_file(path, {"c": frames}, LINE, [FieldLayout("c")], DT, {})
        specs = {"input_specs": {"c": 1}, "output_specs": {"c": 1}}
        numerics = {"scheme": "spectral", "order": 2}
        experiment = parse_experiment(
            {
                "run_params": {"model_type": kind},
                "project_root": str(tmp_path),
                "data": {"dset_name": "waves", "fields": ["c"], "observations": observations},
                "model": {
                    "physical": {"name": "AdvectionDiffusionPDE", "numerics": numerics},
                    "synthetic": {"name": "UNet", **specs},
                },
                "trainer_params": {
                    "train_sim": [0, 1],
                    "num_predict_steps": 3,
                    "physical": {
                        "learnable_parameters": [
                            {"name": "diffusivity", "initial_guess": 0.02},
                            {"name": "velocity", "initial_guess": [0.0]},
                        ]
                    },
                },
                "hybrid": {"interaction_weight": 0.3},
            }
        )
        return experiment, DataManager(experiment.raw_dir, experiment.cache_root, experiment)

    return make


def calibrated(experiment: Experiment, diffusivity: float = 0.004) -> PhysicalModel:
    model = ModelFactory.create_physical_model(experiment)
    values = {"diffusivity": torch.tensor(diffusivity), "velocity": torch.tensor([0.0])}
    model.set_parameters(values)
    return model


def observed(experiment: Experiment, manager: DataManager, **options: Any) -> ObservedWindows:
    dataset = real_windows(experiment, manager, **options)
    assert isinstance(dataset, ObservedWindows)
    return dataset


HALF = {"region": {"x": [None, 0.7]}}


def test_hidden_values_are_filled_by_the_physical_model(load: Load) -> None:
    experiment, manager = load(HALF, "hybrid")
    dataset = observed(experiment, manager, physical=calibrated(experiment, 0.04))
    assert len(dataset) == 2 * (FRAMES - 3)
    # unobserved frames: ten times the diffusivity, starting from the known first frame
    wrong = wave(1) * np.exp(-9 * DECAY * np.arange(FRAMES) * DT)[:, None, None]
    number = next(n for n in range(len(dataset)) if dataset.window(n) == (1, 4))
    state, targets, weights = dataset[number]
    expected = np.where(np.arange(POINTS) < 8, wave(1), wrong)
    assert np.allclose(state, expected[4], atol=1e-5)
    assert np.allclose(targets, expected[5:8], atol=1e-5)
    assert not np.allclose(targets, wave(1)[5:8], atol=0.02)
    assert weights[:, 0, :8].eq(1).all() and weights[:, 0, 8:].eq(0.3).all()
    first = dataset[next(n for n in range(len(dataset)) if dataset.window(n) == (1, 0))][0]
    assert np.allclose(first, wave(1)[0], atol=1e-6), "the known first frame"


def test_without_a_physical_model_a_window_spans_the_simulation(load: Load) -> None:
    experiment, manager = load(HALF)
    dataset = observed(experiment, manager)
    assert [dataset.window(n) for n in range(len(dataset))] == [(0, 0), (1, 0)]
    state, targets, weights = dataset[1]
    assert np.allclose(state, wave(1)[0], atol=1e-6)
    assert np.allclose(targets[..., :8], wave(1)[1:, :, :8], atol=1e-6)
    assert weights.shape == targets.shape == (FRAMES - 1, 1, POINTS)
    assert weights[..., :8].eq(1).all() and weights[..., 8:].eq(0).all()
    leaked = np.abs(targets[..., 8:].numpy() - wave(1)[1:, :, 8:]).max()
    assert leaked > 0.01, "hidden values are nowhere in a window"


def test_windows_start_at_every_completely_observed_frame(load: Load) -> None:
    experiment, manager = load({"every": 4})
    dataset = observed(experiment, manager)
    assert dataset.num_predict_steps == 4, "from one complete frame to the next"
    assert [dataset.window(n) for n in range(len(dataset))] == [(0, 0), (0, 4), (1, 0), (1, 4)]
    _, targets, weights = dataset[1]
    assert np.allclose(targets[3], wave(0)[8], atol=1e-6)
    assert weights.flatten(1).sum(1).tolist() == [0, 0, 0, POINTS]


def test_frames_past_the_end_have_zero_weight(load: Load) -> None:
    experiment, manager = load({"times": [0.4, 0.6, 1.0]})
    dataset = observed(experiment, manager)
    found = {dataset.window(n): dataset[n][2].flatten(1).any(1).tolist() for n in range(3)}
    seen = {0: [4], 4: [6], 6: [10]}
    assert found == {
        (0, start): [start + k in targets + seen.get(targets[-1], []) for k in range(1, 5)]
        for start, targets in seen.items()
    }
    last = next(n for n in range(len(dataset)) if dataset.window(n) == (0, 6))
    assert np.allclose(dataset[last][1][3], wave(0)[10], atol=1e-6)


@pytest.mark.parametrize("section", [{"points": 60}, {"every": 2, "region": {"x": [0.3, 0.9]}}])
def test_all_observed_values_are_used(load: Load, section: dict[str, Any]) -> None:
    experiment, manager = load(section)
    dataset = observed(experiment, manager)
    seen = [dataset[n][2].sum().item() for n in range(len(dataset))]
    inside = int(((np.arange(POINTS) + 0.5) * LENGTH / POINTS - 0.6 <= 0.3).sum()) - 3
    assert seen == [section.get("points", 5 * inside)] * 2


def test_noise_equals_that_of_the_calibration(load: Load) -> None:
    section = {"noise": 0.05, "seed": 3}
    experiment, manager = load(section, "hybrid")
    dataset = observed(experiment, manager, physical=calibrated(experiment))
    assert len(dataset[0]) == 2, "nothing is hidden, so there are no weights"
    assert len(dataset) == 2 * (FRAMES - 3)
    physical = TrainerFactory.create_dataset_for_physical(experiment, store=manager)
    windows = {physical.window(n): n for n in range(len(physical))}
    for number in range(len(dataset)):
        simulation, start = dataset.window(number)
        state, targets = dataset[number]
        initial, following = physical[windows[simulation, start]]
        for mine, theirs in zip([state, *targets], [initial["c"], *following["c"]], strict=True):
            assert np.allclose(mine[0], theirs.values.numpy("x"), atol=1e-6)
    errors = np.stack([dataset[n][1].numpy() for n in range(8)]) - np.stack(
        [wave(0)[n + 1 : n + 4] for n in range(8)]
    )
    assert errors.std() == pytest.approx(0.05 * wave(0).std(), rel=0.2)


def test_noisy_complete_data_need_no_physical_model(load: Load) -> None:
    experiment, manager = load({"noise": 0.05})
    dataset = observed(experiment, manager)
    assert (len(dataset), dataset.num_predict_steps) == (2 * (FRAMES - 3), 3)
    assert len(dataset[0]) == 2
    assert np.allclose(dataset[0][0], wave(0)[0], atol=1e-6), "the first frame is known"


GAP = (slice(3, 5), 0, slice(4, 6))


def test_missing_values_have_zero_weight(load: Load) -> None:
    experiment, manager = load({"missing": "mask"}, gaps=[GAP])
    dataset = observed(experiment, manager)
    starts = [start for n in range(len(dataset)) for sim, start in [dataset.window(n)] if sim == 0]
    assert starts == [0, 1, 2, *range(5, 10)]
    state, targets, weights = dataset[starts.index(2)]
    assert torch.isfinite(targets).all() and torch.isfinite(state).all()
    assert weights[0, 0].tolist() == [0 if point in (4, 5) else 1 for point in range(POINTS)]
    # linear interpolation between frames 2 and 5
    between = wave(0)[2] * 2 / 3 + wave(0)[5] / 3
    assert np.allclose(targets[0, 0, 4:6], between[0, 4:6], atol=1e-6)


def test_missing_values_are_filled_by_the_physical_model(load: Load) -> None:
    experiment, manager = load({"missing": "mask"}, "hybrid", gaps=[GAP])
    dataset = observed(experiment, manager, physical=calibrated(experiment))
    assert len(dataset) == 2 * (FRAMES - 3)
    state, _, _ = dataset[3]
    assert np.allclose(state, wave(0)[3], atol=1e-5), "the true diffusivity recovers missing values"
    assert dataset[2][2][0, 0, 4:6].tolist() == pytest.approx([0.3, 0.3])


def test_generated_windows_have_weight_one_when_mixed_with_weighted_ones(load: Load) -> None:
    experiment, manager = load({"every": 4}, "hybrid")
    real = observed(experiment, manager, physical=calibrated(experiment))
    mixed = AugmentedDataset(real, real.like(manager, [0]), 0.5)
    batch = next(iter(batches(experiment, mixed, len(mixed), shuffle=False)))
    assert len(batch) == 3
    generated = [mixed.is_generated(n) for n in range(len(mixed))]
    assert 0 < sum(generated) < len(generated)
    for number, is_generated in enumerate(generated):
        assert bool(batch[2][number].eq(1).all()) == is_generated


def test_generated_windows_have_less_weight_where_nothing_is_observed(load: Load) -> None:
    experiment, manager = load(HALF, "hybrid")
    real = observed(experiment, manager, physical=calibrated(experiment))
    generated = real.like(manager, [0])
    assert len(generated) == FRAMES - 3
    state, targets, weights = generated[4]
    assert np.allclose(state, wave(0)[4], atol=1e-6)
    assert np.allclose(targets, wave(0)[5:8], atol=1e-6)
    assert weights.shape == targets.shape
    assert weights[..., :8].eq(1).all() and weights[..., 8:].eq(0.3).all()
    inputs, following, counted = generated.gather([0, 4])
    assert torch.equal(inputs[1], state) and torch.equal(following[1], targets)
    assert torch.equal(counted[0], weights)


def test_windows_without_observed_targets_are_rejected(load: Load, tmp_path: Path) -> None:
    gap = [(slice(None), 0, 3)]
    experiment, manager = load({"missing": "mask"}, gaps=gap)
    with pytest.warns(ResultWarning, match=r"train_sim: \[0\]: left out of the surrogate's"):
        dataset = observed(experiment, manager)  # the other simulation is complete
    assert {dataset.window(n)[0] for n in range(len(dataset))} == {1}
    experiment, manager = load({"sensors": "buoys.nc"})
    with (
        pytest.raises(RawDataError, match="no training windows: a surrogate needs"),
        pytest.warns(ResultWarning, match="a surrogate learns from frames only"),
    ):
        real_windows(experiment, manager)


def test_interpolation_in_time() -> None:
    values = torch.tensor([1.0, 9.0, 9.0, 4.0, 9.0]).reshape(5, 1, 1).repeat(1, 2, 2)
    seen = torch.tensor([True, False, False, True, False]).reshape(5, 1, 1).repeat(1, 2, 2)
    seen[:, 0, 1] = False
    found = interpolated(values, seen)
    assert found[:, 1, 0].tolist() == pytest.approx([1, 2, 3, 4, 4])
    assert found[:, 0, 1].tolist() == pytest.approx([2.5] * 5), "the mean of the observed values"
