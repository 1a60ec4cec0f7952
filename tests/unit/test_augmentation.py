"""Initial states and parameters of generated simulations: given, perturbed, randomly drawn.

Layout: ``T`` time, ``C`` channel, ``X Y`` space.
"""

import json
import logging
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.schema import DataParams, GaussianRandomField
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.initial_states.random_fields import gaussian_random_state, perturbed_state
from hybrid_pde.data.initial_states.states_from_file import StatesFromFile
from hybrid_pde.data.initial_states.wall_modes import lift
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import CalibrationError, ConfigError, DivergenceError
from hybrid_pde.factories import ModelFactory
from hybrid_pde.result_warnings import ResultWarning, recorded_warnings
from hybrid_pde.stages.simulate import RawSimulations
from hybrid_pde.training.augmentation.augmentation import Augmentation
from hybrid_pde.training.synthetic.training_windows import check_left_out
from tests.physics.periodic_box import periodic_grid
from tests.unit.generated_data import parsed_in, tiny_in
from tests.unit.test_generation_walls import replace_boundary
from tests.workflow.tiny import tiny_experiment
from workflow.scripts import augment

CALIBRATED = {"viscosity": {"value": 0.01, "std": 0.002, "bounds": [0.008, 0.02]}}
GRID = periodic_grid((24, 20), (1.2, 0.8))


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> DataManager:
    """The tiny experiment's cache."""
    experiment = parsed_in(tmp_path_factory.mktemp("raw"), steps=6)
    RawSimulations(experiment, experiment.raw_dir).make(range(4))
    manager = DataManager(experiment.raw_dir, experiment.cache_root, experiment)
    manager.cache_shard(range(4))
    return manager


def maker(
    manager: DataManager,
    folder: Path,
    calibrated: dict[str, Any] | None = None,
    seed: int = 0,
    **augmentation: Any,
) -> Augmentation:
    mapping = manager.experiment.model_dump(mode="json")
    mapping["run_params"]["seed"] = seed
    mapping["augmentation"] |= {"steps": 3, **augmentation}
    for parameter in mapping["trainer_params"]["physical"]["learnable_parameters"]:
        parameter["initial_guess"] = 0.01
    experiment = parse_experiment(mapping)
    model = ModelFactory.create_physical_model(experiment)
    return Augmentation(experiment, model, manager, CacheManager(folder), "", calibrated)


# -- perturbed states -------------------------------------------------------------------------


def test_perturbation_has_the_amplitude_asked_for() -> None:
    layouts = [FieldLayout("velocity", ("x", "y")), FieldLayout("density")]
    settings = GaussianRandomField(amplitude=0.7, length_scale=0.1, mean=2.0)
    state = gaussian_random_state(GRID, layouts, settings, (0, 3))
    for amplitude in (0.1, 0.5):
        perturbed = perturbed_state(state, GRID, amplitude, (1, 2))
        for name, values in state.items():
            noise = perturbed[name] - values
            np.testing.assert_allclose(noise.mean((1, 2)), 0.0, atol=1e-12)
            np.testing.assert_allclose(noise.std((1, 2)), amplitude * 0.7, rtol=1e-10)
            spectra = [np.abs(np.fft.fftn(v, axes=(1, 2)))[:, 1:] for v in (noise, values)]
            np.testing.assert_allclose(spectra[0], amplitude * spectra[1], atol=1e-9)
            assert np.corrcoef(noise.ravel(), values.ravel())[0, 1] < 0.5


def test_perturbation_keeps_boundary_conditions() -> None:
    ends = (("periodic", "periodic"), (1.0, -0.5))
    grid = Grid(("x", "y"), (16, 65), (0.0, 0.0), (1.0, 1.0), ends, (False, True))
    state = gaussian_random_state(grid, [FieldLayout("u")], GaussianRandomField(), (0, 0))
    perturbed = perturbed_state(state, grid, 0.3, (1, 2))["u"]
    np.testing.assert_allclose(perturbed[..., 0], 1.0, atol=1e-12)
    np.testing.assert_allclose(perturbed[..., -1], -0.5, atol=1e-12)
    noise, own = perturbed - state["u"], state["u"] - lift(grid, {})
    assert noise.std() / own.std() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("boundary", [None, 0.0])
def test_perturbed_flow_is_free_of_divergence(tmp_path: Path, boundary: Any) -> None:
    mapping = tiny_in(tmp_path, steps=3, equation="NavierStokesPDE")
    mapping["model"]["physical"] = {"name": "NavierStokesPDE"}
    experiment = replace_boundary(parse_experiment(mapping), boundary)
    RawSimulations(experiment, experiment.raw_dir).make([0, 1])
    manager = DataManager(experiment.raw_dir, experiment.cache_root, experiment)
    manager.cache_shard([0, 1])
    condition = {"type": "perturbed", "amplitude": 0.4}
    made = maker(manager, tmp_path / "made", initial_condition=condition)
    assert made.make([0]) == [0]
    start = made.store.load(0).fields["velocity"][0].double().numpy()
    original = made._starts.source(0).state["velocity"]
    free = made._starts._solenoidal["velocity"]
    assert 0.1 < (start - original).std() / original.std() < 0.6
    # frames are kept in single precision
    np.testing.assert_allclose(free(start, {}), start, atol=1e-6)


def test_perturbed_simulations_start_at_any_frame(manager: DataManager, tmp_path: Path) -> None:
    condition = {"type": "perturbed", "amplitude": 0.01}
    augmentation = maker(manager, tmp_path, initial_condition=condition)
    augmentation.make(range(8))
    places = set()
    for index in range(8):
        source = augmentation.store.header(index).source["source_simulation"]
        places.add((source["simulation"], source["frame"]))
        frames = manager.load(source["simulation"]).fields["velocity"]
        start = augmentation.store.load(index).fields["velocity"][0]
        distances = (frames - start).square().mean((1, 2, 3)).sqrt() / frames.std()
        assert int(distances.argmin()) == source["frame"]
        assert 0.001 < distances.min() < 0.02
    assert {simulation for simulation, _ in places} == {0, 1}
    assert len({frame for _, frame in places}) > 2
    before = {index: augmentation.store.path(index).read_bytes() for index in range(8)}
    for index in (7, 2):
        again = maker(manager, tmp_path / "alone", initial_condition=condition)
        again.make([index])
        assert again.store.path(index).read_bytes() == before[index]


# -- states from a file -----------------------------------------------------------------------


def states_file(path: Path, grid: Grid, number: int = 2) -> np.ndarray:
    """A file of two frames; returns them, ``[T, C, X, Y]``."""
    settings = GaussianRandomField(amplitude=0.2, length_scale=0.3)
    layout = FieldLayout("velocity", ("x", "y"))
    drawn = [gaussian_random_state(grid, [layout], settings, (9, i)) for i in range(number)]
    values = np.stack([each["velocity"] for each in drawn])
    write_raw_file(path, {"velocity": values}, grid, [layout], 0.5, {})
    return values.astype(np.float32)


def test_given_states_are_the_first_frames(manager: DataManager, tmp_path: Path) -> None:
    path = tmp_path / "starts.nc"
    first = states_file(path, manager.grid)[0]
    condition = {"type": "file", "path": str(path)}
    augmentation = maker(manager, tmp_path / "made", initial_condition=condition)
    assert augmentation.make([0, 1]) == [0, 1]
    for index in (0, 1):
        fields = augmentation.store.load(index).fields["velocity"]
        assert np.array_equal(fields[0].numpy(), first), "the simulations are used in order"
        assert (fields[-1] - fields[0]).abs().max() > 1e-3
    kept = augmentation.store.path(0).read_bytes()
    path.rename(tmp_path / "moved.nc")
    condition["path"] = str(tmp_path / "moved.nc")
    moved = maker(manager, tmp_path / "made", initial_condition=condition)
    assert moved._is_current(0), "results do not contain the path"
    states_file(tmp_path / "moved.nc", manager.grid, number=3)
    again = maker(manager, tmp_path / "made", initial_condition=condition)
    assert again._is_current(0), "the first frame is the same"
    assert again.store.path(0).read_bytes() == kept


@pytest.mark.parametrize("has_time", [True, False])
def test_a_single_frame_is_enough_for_given_states(tmp_path: Path, has_time: bool) -> None:
    values = np.random.default_rng(3).normal(size=(2, 1, 2, 4, 3)).astype(np.float32)
    dims = ("sample", "time", "component", "x", "y")
    if not has_time:
        values, dims = values[:, 0], tuple(name for name in dims if name != "time")
    x, y = ((np.arange(count) + 0.5) / 4 for count in (4, 3))
    path = tmp_path / "starts.nc"
    places = {"component": ["x", "y"], "x": x, "y": y} | ({"time": [7.0]} if has_time else {})
    xr.Dataset({"velocity": (dims, values)}, places).to_netcdf(path)
    sides = ((PERIODIC, PERIODIC),) * 2
    grid = Grid(("x", "y"), (4, 3), (0.0, 0.0), (1.0, 0.75), sides, (False, False))
    states = StatesFromFile(path, DataParams(), grid, [FieldLayout("velocity", ("x", "y"))])
    assert states.count == 2
    for index in (0, 1, 3):
        expected = values[index % 2, 0] if has_time else values[index % 2]
        assert np.array_equal(states.state(index)["velocity"], expected)


def test_given_states_on_another_grid_are_rejected(manager: DataManager, tmp_path: Path) -> None:
    path = tmp_path / "starts.nc"
    states_file(path, GRID)
    condition = {"type": "file", "path": str(path)}
    with pytest.raises(ConfigError, match=r"starts\.nc: x: shape 24 here, 16 in the training"):
        maker(manager, tmp_path, initial_condition=condition)
    for name in ("absent.nc", "text.md"):
        (tmp_path / "text.md").write_text("no data")
        condition = {"type": "file", "path": str(tmp_path / name)}
        with pytest.raises(ConfigError, match=rf"{name}: (no such file|a file of an unknown kind)"):
            maker(manager, tmp_path, initial_condition=condition)


# -- parameters -------------------------------------------------------------------------------


def viscosities(augmentation: Augmentation, count: int) -> np.ndarray:
    return np.array([float(augmentation._drawn(i)["viscosity"]) for i in range(count)])


def test_distribution_is_that_of_the_calibration_within_the_bounds(
    manager: DataManager, tmp_path: Path
) -> None:
    augmentation = maker(manager, tmp_path, CALIBRATED, parameters="distribution")
    drawn = viscosities(augmentation, 2000)
    assert drawn.min() >= 0.008 and drawn.max() <= 0.02
    assert drawn.min() < 0.0081 and drawn.max() > 0.014
    # a normal distribution cut one deviation below its mean: φ(1)/Φ(1) = 0.2876 above it
    assert drawn.mean() == pytest.approx(0.01 + 0.002 * 0.2876, abs=1.5e-4)
    assert drawn.std() == pytest.approx(0.002 * np.sqrt(1 - 0.2876 - 0.2876**2), rel=0.06)


@pytest.mark.parametrize("ends", [(0.01, 0.02), (0.001, 0.1)])
def test_range_is_drawn_from_evenly(
    manager: DataManager, tmp_path: Path, ends: tuple[float, float]
) -> None:
    augmentation = maker(manager, tmp_path, parameters={"viscosity": ends})
    drawn = viscosities(augmentation, 2000)
    if ends[1] / ends[0] >= 10:
        drawn, ends = np.log(drawn), (np.log(ends[0]), np.log(ends[1]))
    counts, _ = np.histogram(drawn, bins=4, range=ends)
    assert counts.sum() == 2000 and counts.min() > 430  # 500 ± 19


def test_draws_depend_only_on_seed_simulation_and_name(
    manager: DataManager, tmp_path: Path
) -> None:
    ranges = {"viscosity": (0.01, 0.02)}
    one = viscosities(maker(manager, tmp_path, parameters=ranges), 5)
    ranges = {"advection": (0.5, 1.5), **ranges}
    assert np.array_equal(viscosities(maker(manager, tmp_path, parameters=ranges), 5), one)
    assert len(set(one)) == 5
    other = viscosities(maker(manager, tmp_path, parameters=ranges, seed=1), 5)
    assert not set(one) & set(other)


def test_generated_simulations_have_and_state_their_own_parameters(
    manager: DataManager, tmp_path: Path
) -> None:
    ranges = {"viscosity": (0.001, 0.1)}
    augmentation = maker(manager, tmp_path, parameters=ranges)
    assert augmentation.make(range(3)) == [0, 1, 2]
    augmentation.store.validate()
    for index in range(3):
        header = augmentation.store.header(index)
        value = header.known_by_name["viscosity"].values
        assert value == float(augmentation._drawn(index)["viscosity"])
        assert header.source["drawn"] == {"viscosity": value}
        frames = augmentation.store.load(index).fields["velocity"]
        errors = []
        for viscosity in (value, 1.2 * value):
            model = augmentation.model
            with torch.no_grad():
                parameters = dict(model.named_parameters()) | {
                    "viscosity": torch.tensor(viscosity, dtype=torch.float64)
                }
                state = {"velocity": frames[0][None]}
                rollout = model.rollout(state, manager.grid, 3, manager.dt, parameters)
                last = [*rollout][-1]["velocity"][0]
            errors.append(float((last - frames[-1]).abs().max()))
        assert errors[0] < 1e-6 and errors[1] > 20 * errors[0]


def test_drawn_parameters_take_precedence_over_those_of_the_source(
    manager: DataManager, tmp_path: Path
) -> None:
    store = CacheManager(tmp_path / "real")
    kinds = [KnownParameter("viscosity", values=0.5), KnownParameter("advection", values=0.9)]
    for index in (0, 1):
        fields = manager.load(index).fields
        store.write(index, fields, manager.grid, manager.dt, {}, known=kinds)
    mapping = manager.experiment.model_dump(mode="json")
    mapping["augmentation"] |= {"steps": 2, "parameters": {"viscosity": [0.01, 0.02]}}
    experiment = parse_experiment(mapping)
    model = ModelFactory.create_physical_model(experiment)
    augmentation = Augmentation(experiment, model, store, CacheManager(tmp_path / "made"))
    augmentation.make([0])
    known = augmentation.store.header(0).known_by_name
    assert 0.01 < known["viscosity"].values < 0.02
    assert known["advection"].values == 0.9


def test_static_fields_are_those_of_the_source(manager: DataManager, tmp_path: Path) -> None:
    store = CacheManager(tmp_path / "real")
    layouts = [*manager.layouts, FieldLayout("current", ("x", "y"), static=True)]
    shape = (2, *manager.grid.shape)
    currents = [torch.full(shape, float(index + 1)) for index in range(4)]
    for index, current in enumerate(currents):
        fields = {**manager.load(index).fields, "current": current}
        store.write(index, fields, manager.grid, manager.dt, {}, layouts)
    experiment = manager.experiment
    model = ModelFactory.create_physical_model(experiment)
    augmentation = Augmentation(experiment, model, store, CacheManager(tmp_path / "made"))
    augmentation.make(range(3))
    sources = experiment.trainer_params.physical.train_sim
    for index in range(3):
        made = augmentation.store.load(index)
        assert made.header.layouts == tuple(layouts)
        assert torch.equal(made.fields["current"], currents[sources[index % len(sources)]])


def test_changed_draws_are_generated_again(manager: DataManager, tmp_path: Path) -> None:
    def made(**keys: Any) -> bytes:
        augmentation = maker(manager, tmp_path, **keys)
        augmentation.make([0])
        return augmentation.store.path(0).read_bytes()

    estimate = made()
    assert made() == estimate
    narrow = made(parameters={"viscosity": (0.01, 0.02)})
    assert narrow != estimate
    assert made(parameters={"viscosity": (0.01, 0.03)}) != narrow
    assert made() == estimate


@pytest.mark.parametrize(
    ("calibrated", "why"),
    [
        (None, "it has not been calibrated"),
        ({"viscosity": {"std": None}}, "the data do not determine it"),
        ({"viscosity": {"std": 0.1, "determined": False}}, "the data do not determine it"),
    ],
)
def test_distribution_without_a_deviation_is_rejected(
    manager: DataManager, tmp_path: Path, calibrated: dict[str, Any] | None, why: str
) -> None:
    message = rf"parameters: distribution: viscosity has no standard deviation \({why}\); give"
    with pytest.raises(CalibrationError, match=message):
        maker(manager, tmp_path, calibrated, parameters="distribution")


# -- disk space ------------------------------------------------------------------------------


def test_disk_space_is_checked_before_generation(
    manager: DataManager, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    augmentation = maker(manager, tmp_path / "made", max_disk_mb=0.02)
    # 4 frames of 2 channels on 16 by 12 points, 4 bytes per value, are 6144 bytes
    with pytest.raises(
        ConfigError, match=r"max_disk_mb: 0\.02: 4 simulations of 4 frames take 0\."
    ):
        augmentation.make(range(4))
    assert augmentation.store.indices() == []
    with caplog.at_level(logging.INFO):
        augmentation.make(range(3))
    used = augmentation.store.disk_usage()
    assert 3 * 6144 < used == sum(p.stat().st_size for p in (tmp_path / "made").iterdir())
    assert f"3 of 3 generated simulations, 3 of them new, take {used / 1e6:.4g} MB" in caplog.text
    assert 0 < augmentation.store.disk_usage([1]) < used


def test_manifest_states_the_amount_of_generated_data(manager: DataManager, tmp_path: Path) -> None:
    settings = manager.experiment.model_dump(mode="json")
    settings["augmentation"] |= {"steps": 3, "parameters": "distribution"}
    parameters = tmp_path / "parameters.yaml"
    numerics = {"scheme": "finite_difference", "order": 4, "refine": 1}
    content = {"parameters": CALIBRATED, "numerics": numerics}
    parameters.write_text(json.dumps(content), encoding="utf-8")
    output = tmp_path / "made" / "generated_000000-000001.json"
    augment.main(
        Namespace(
            settings=settings,
            threads=1,
            code="",
            shard=range(2),
            cache=[manager.directory / "cached_000000-000003.json"],
            parameters=parameters,
            output=output,
            compile="never",
        )
    )
    manifest = json.loads(output.read_text(encoding="utf-8"))
    assert manifest["simulations"] == [0, 1]
    files = [*output.parent.glob("*.safetensors")]
    assert manifest["bytes"] == sum(path.stat().st_size for path in files) > 2 * 6144
    values = [
        CacheManager(output.parent).header(i).known_by_name["viscosity"].values for i in (0, 1)
    ]
    assert values[0] != values[1] and all(0.008 <= value <= 0.02 for value in values)


def test_unstable_simulation_is_left_out(
    manager: DataManager, tmp_path: Path, monkeypatch: Any
) -> None:
    """Finite values far outside the range of the data or of single precision are unstable."""
    largest = float(manager.load(0).fields["velocity"].abs().max())

    def unstable(*given: Any) -> Any:
        steady = np.ones((4, 2, 16, 12))
        for index, growth in ((0, 1.0), (1, 1e4 * largest), (2, 1e60)):
            yield index, {"velocity": steady * np.array([1, 1, 1, growth]).reshape(4, 1, 1, 1)}

    monkeypatch.setattr("hybrid_pde.training.augmentation.augmentation.generate", unstable)
    with pytest.warns(ResultWarning), recorded_warnings() as found:
        assert maker(manager, tmp_path / "made").make(range(3)) == [0]
    for index, text in zip((1, 2), found, strict=True):
        assert text.startswith(f"generated simulation {index} is left out: velocity grows to")


def test_more_left_out_than_allowed_is_rejected() -> None:
    section = {"num_simulations": 20, "max_left_out": 0.1}
    experiment = parse_experiment(tiny_experiment(augmentation=section))
    made = [number for number in range(20) if number not in (3, 7)]
    check_left_out(experiment, made)
    message = r"max_left_out: 0\.1: 3 of 20 generated simulations diverged \(3, 7, 8\), as the logs"
    with pytest.raises(DivergenceError, match=message):
        check_left_out(experiment, [number for number in made if number != 8])
