"""Calibration from sparse, noisy or missing observations, created by the factories."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import CalibrationError, ConfigError, UserError
from hybrid_pde.factories import TrainerFactory
from tests.physics.periodic_box import coordinates, periodic_grid

LENGTH, POINTS, NUM_FRAMES, DT = 1.4, 40, 11, 0.1
LINE = periodic_grid((POINTS,), (LENGTH,))
DIFFUSIVITY, VELOCITY = 0.004, 0.5


def concentration(x: np.ndarray, t: np.ndarray, simulation: int) -> np.ndarray:
    """A closed-form solution of c_t + v c_x = D c_xx at broadcast positions and times."""
    total = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(t)))
    for mode, size in ((1, 1.0), (2, 0.5)):
        k = 2 * np.pi * mode / LENGTH
        phase = k * (x - VELOCITY * t) + mode + simulation
        total = total + size * np.exp(-DIFFUSIVITY * k**2 * t) * np.sin(phase)
    return total


Load = Callable[..., dict[str, Any]]


def write_simulation(path: Path, simulation: int, gaps: tuple[Any, ...] = ()) -> None:
    (x,) = (each.numpy() for each in coordinates(LINE))
    frames = concentration(x, np.arange(NUM_FRAMES)[:, None] * DT, simulation)[:, None]
    for gap in gaps:
        frames[gap] = np.nan
    write_raw_file(path, {"c": frames}, LINE, [FieldLayout("c")], DT, {})


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A factory of experiments on two simulations with the given observations."""
    for simulation in (0, 1):
        write_simulation(tmp_path / f"data/waves/{simulation}.nc", simulation)

    def make(observations: dict[str, Any] | None, **training: Any) -> dict[str, Any]:
        learnable = [
            {"name": "diffusivity", "initial_guess": 0.01, "bounds": [1e-4, 0.1]},
            {"name": "velocity", "initial_guess": [0.3]},
        ]
        numerics = {"scheme": "spectral", "order": 2, "substeps": 1}
        return {
            "run_params": {"model_type": "physical"},
            "project_root": str(tmp_path),
            "data": {"dset_name": "waves", "fields": ["c"], "observations": observations},
            "model": {"physical": {"name": "AdvectionDiffusionPDE", "numerics": numerics}},
            "trainer_params": {
                "train_sim": [0, 1],
                "num_predict_steps": 5,
                "learnable_parameters": learnable,
                "check_discretization": False,
                **training,
            },
        }

    return make


def calibrate(config: dict[str, Any]) -> dict[str, Any]:
    dataset = TrainerFactory.create_dataset_for_physical(config, use_sliding_window=False)
    return TrainerFactory.create_trainer(config).train(dataset, 1)


def check(result: dict[str, Any], tolerance: float) -> None:
    found = result["parameters"]
    assert result["status"] == "converged"
    assert found["diffusivity"]["value"] == pytest.approx(DIFFUSIVITY, rel=tolerance)
    assert found["velocity"]["value"] == pytest.approx([VELOCITY], rel=tolerance)
    assert found["diffusivity"]["determined"] and found["velocity"]["determined"]


# The data have single precision, and the wave decays by a quarter: 1e-7 becomes 1e-5.
ROUNDING = 1e-4


@pytest.mark.parametrize(
    ("observations", "num_values"),
    [
        ({"times": [0.3, 0.7]}, 2 * 2 * POINTS),
        ({"every": 4}, 2 * 2 * POINTS),
        ({"region": {"x": [0.35, 0.7]}}, 2 * 10 * 10),
        ({"points": 30}, 2 * 30),
        ({"every": 2, "region": {"x": [None, 0.7]}, "points": 25}, 2 * 25),
    ],
)
def test_sparse_observations_suffice(
    load: Load, observations: dict[str, Any], num_values: int
) -> None:
    config = load(observations)
    trainer = TrainerFactory.create_trainer(config)
    dataset = TrainerFactory.create_dataset_for_physical(config, use_sliding_window=False)
    assert len(dataset) == 2, "each window is a whole simulation"
    check(trainer.train(dataset, 1), ROUNDING)
    assert trainer.objective.num_values == num_values


@pytest.mark.filterwarnings("ignore:.*the first frames:hybrid_pde.result_warnings.ResultWarning")
@pytest.mark.parametrize("observations", [None, {"noise": 0.02, "seed": 1}])
@pytest.mark.parametrize("use_sliding_window", [True, False])
def test_fields_give_the_estimate_of_the_arrays(
    load: Load, observations: dict[str, Any] | None, use_sliding_window: bool
) -> None:
    """Frames of overlapping windows count once, also where fields do not tell their origin."""
    config = load(observations)
    dataset = TrainerFactory.create_dataset_for_physical(
        config, use_sliding_window=use_sliding_window
    )
    trainer = TrainerFactory.create_trainer(config)
    arrays = trainer.train(dataset, 1)
    num_values = trainer.objective.num_values
    trainer = TrainerFactory.create_trainer(config)
    trainer.dt = dataset.dt
    fields = trainer.train(list(dataset), 1)
    assert trainer.objective.num_values == num_values == 2 * 10 * POINTS
    assert fields["loss"] == pytest.approx(arrays["loss"], rel=1e-9)
    for name, found in fields["parameters"].items():
        for key in ("value", "std"):
            assert found[key] == pytest.approx(arrays["parameters"][name][key], rel=1e-12)


def test_a_hidden_start_is_estimated(load: Load) -> None:
    config = load({"region": {"x": [0.35, 0.7]}}, initial_state="estimate", num_predict_steps=10)
    check(calibrate(config), 1e-3)


def write_sensors(path: Path, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Readings of the closed form along paths ``[K, S]``, a few of them missing."""
    readings = [concentration(positions, times[:, None], n) for n in (0, 1)]
    values = np.stack(readings)
    values[0, 2, 1] = np.nan
    dims = ("sample", "time", "sensor")
    xr.Dataset(
        {"c": (dims, values), "x": (("time", "sensor"), positions)}, {"time": times}
    ).to_netcdf(path)
    return values


def test_moving_sensors(load: Load, tmp_path: Path) -> None:
    times = np.linspace(0.07, 0.97, 14)  # almost surely between frames
    start, speed = np.array([0.1, 0.6, 1.0]), np.array([0.3, -0.4, 0.0])
    values = write_sensors(tmp_path / "buoys.nc", start + speed * times[:, None], times)
    config = load({"sensors": "buoys.nc"})
    trainer = TrainerFactory.create_trainer(config)
    result = trainer.train(TrainerFactory.create_dataset_for_physical(config), 1)
    # Interpolating a wave with 20 points per wavelength has errors of about 1e-3.
    check(result, 1e-2)
    assert trainer.objective.num_values == np.isfinite(values).sum()
    assert result["loss"] < 1e-5


def test_sensor_outside_the_domain_is_refused(load: Load, tmp_path: Path) -> None:
    times = np.array([0.1, 0.2, 0.3])
    write_sensors(tmp_path / "buoys.nc", np.array([[0.5, 1.0], [0.5, 1.2], [0.5, 1.45]]), times)
    with pytest.raises(ConfigError, match=r"sensor 1 at t = 0\.3: x = 1\.45 lies outside"):
        TrainerFactory.create_dataset_for_physical(load({"sensors": "buoys.nc"}))


def test_noise_is_reproducible_and_has_the_requested_size(load: Load) -> None:
    first, again, other = (
        calibrate(load({"noise": 0.02, "seed": seed}, num_predict_steps=10)) for seed in (1, 1, 2)
    )
    assert first["parameters"] == again["parameters"]
    assert first["loss"] != other["loss"]
    for result in (first, other):
        # The mean of 800 squared errors of 2 % has a standard error of 5 %.
        assert result["loss"] == pytest.approx(0.02**2, rel=0.2)
        for name, truth in (("diffusivity", DIFFUSIVITY), ("velocity", VELOCITY)):
            found = result["parameters"][name]
            assert np.all(np.abs(np.array(found["value"]) - truth) < 4 * np.array(found["std"]))


GAPS = ((slice(3, 6), 0, slice(5, 25)), (9, 0, slice(None)), (4, 0, 38))


@pytest.mark.parametrize("initial_state", ["known", "estimate"])
def test_missing_values_are_masked(load: Load, tmp_path: Path, initial_state: str) -> None:
    gaps = GAPS if initial_state == "known" else (*GAPS, (0, 0, slice(0, 4)))
    write_simulation(tmp_path / "data/waves/0.nc", 0, gaps)
    config = load({"missing": "mask"}, num_predict_steps=10, initial_state=initial_state)
    trainer = TrainerFactory.create_trainer(config)
    dataset = TrainerFactory.create_dataset_for_physical(config, use_sliding_window=False)
    check(trainer.train(dataset, 1), ROUNDING)
    frames = 2 * (10 if initial_state == "known" else 11)
    hidden = 3 * 20 + POINTS + 1 + (0 if initial_state == "known" else 4)
    assert trainer.objective.num_values == frames * POINTS - hidden


def test_missing_values_are_an_error_unless_masked(load: Load, tmp_path: Path) -> None:
    write_simulation(tmp_path / "data/waves/0.nc", 0, GAPS)
    with pytest.raises(UserError, match=r"0\.nc"):
        calibrate(load(None))


def test_an_infinite_observation_is_refused(load: Load) -> None:
    config = load({"every": 2})
    dataset = TrainerFactory.create_dataset_for_physical(config, use_sliding_window=False)
    pairs = [(initial, dict(targets)) for initial, targets in dataset]
    targets = pairs[1][1]["c"]
    targets[1] = targets[1] * float("inf")
    trainer = TrainerFactory.create_trainer(config)
    trainer.dt = dataset.dt
    with pytest.raises(CalibrationError, match=r"window 1, frame 2: 'c' holds values"):
        trainer.train(pairs, 1)


def test_a_guess_outside_its_bounds_is_refused(load: Load) -> None:
    config = load(None)
    config["trainer_params"]["learnable_parameters"][0]["initial_guess"] = 0.2
    with pytest.raises(ConfigError, match=r"diffusivity, 0\.2, lies outside its bounds \[0\.0001"):
        TrainerFactory.create_trainer(config)
