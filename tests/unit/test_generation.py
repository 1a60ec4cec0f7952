"""Raw files and generated simulations of a physical model, with and without interruption."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.initial_states.random_fields import gaussian_random_state
from hybrid_pde.errors import DivergenceError, RawDataError
from hybrid_pde.factories import ModelFactory
from hybrid_pde.models.physical.ensemble import GROUP, Start
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.stages import simulate as raw_simulations
from hybrid_pde.stages.simulate import RawSimulations, dynamic_pressure
from hybrid_pde.training.augmentation.augmentation import Augmentation
from tests.unit.generated_data import parsed_in, tiny_in

PAST = 10**18  # a time in the past [ns]; a rewritten file would have a later one


def contents(folder: Path, pattern: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob(pattern))}


def aged(folder: Path, pattern: str) -> dict[str, int]:
    """Set the times of all files to one in the past and return them by file name."""
    for path in folder.glob(pattern):
        os.utime(path, ns=(PAST, PAST))
    return {path.name: PAST for path in folder.glob(pattern)}


def times(folder: Path, pattern: str) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob(pattern)}


class Killed(BaseException):
    """Stand-in for a kill signal; no code handles it."""


def killing(function: Any, after: int) -> Any:
    """Wrap a function so that it raises ``Killed`` after a number of calls."""
    calls = iter(range(after))

    def call(*arguments: Any, **options: Any) -> Any:
        if next(calls, None) is None:
            raise Killed
        return function(*arguments, **options)

    return call


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny experiment's raw files, simulated in one run; tests must not change them."""
    root = tmp_path_factory.mktemp("raw")
    experiment = parsed_in(root, diagnostics=["pressure"])
    RawSimulations(experiment, experiment.raw_dir).make(range(4))
    return root


def cached(root: Path, **data: Any) -> DataManager:
    mapping = tiny_in(root)
    mapping["data"] |= data
    experiment = parse_experiment(mapping)
    return DataManager(experiment.raw_dir, experiment.cache_root, experiment)


@pytest.fixture(scope="module")
def manager(raw: Path) -> DataManager:
    """The data manager of the cached raw files."""
    manager = cached(raw)
    manager.cache_shard(range(4))
    return manager


# -- raw files --------------------------------------------------------------------------------


def test_reader_finds_the_fields_and_the_grid_that_were_written(raw: Path) -> None:
    manager = cached(raw, fields=["velocity", "pressure"], cache_dir=str(raw / "both"))
    grid = manager.grid
    assert grid.axes == ("x", "y")
    assert grid.shape == (16, 12)
    assert grid.lower == pytest.approx((0.0, 0.0), abs=1e-12)
    assert grid.upper == pytest.approx((1.0, 0.75))
    assert grid.is_periodic
    assert grid.nodes_on_boundary == (False, False)
    assert manager.dt == pytest.approx(0.01)
    loaded = manager.load(2)
    assert loaded.num_frames == 9
    with xr.open_dataset(raw / "data/burgers_2d/sim_000002.nc") as file:
        velocity = file["velocity"].transpose("time", "component", "x", "y").values
        pressure = file["pressure"].transpose("time", "x", "y").values
    assert np.array_equal(loaded.fields["velocity"].numpy(), velocity)
    assert np.array_equal(loaded.fields["pressure"].numpy()[:, 0], pressure)
    assert np.ptp(velocity) > 0.5


def test_first_frame_is_the_initial_state_of_its_seed_and_index(manager: DataManager) -> None:
    generation = manager.experiment.generation_params
    assert generation is not None
    start = gaussian_random_state(
        manager.grid, manager.layouts, generation.initial_condition, (0, 3)
    )
    first = manager.load(3).fields["velocity"][0].numpy()
    assert np.array_equal(first, start["velocity"].astype(np.float32))


def test_pressure_is_half_the_square_of_the_velocity(raw: Path) -> None:
    velocity = np.array([3.0, 4.0]).reshape(1, 2, 1, 1) * np.ones((2, 2, 3, 5))
    pressure = dynamic_pressure(velocity)
    assert pressure.shape == (2, 1, 3, 5)
    assert np.array_equal(pressure, np.full((2, 1, 3, 5), 12.5))
    with xr.open_dataset(raw / "data/burgers_2d/sim_000000.nc") as file:
        expected = 0.5 * (file["velocity"] ** 2).sum("component")
        np.testing.assert_allclose(file["pressure"], expected, rtol=1e-6)


def test_interrupted_and_uninterrupted_shards_give_the_same_raw_files(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = parsed_in(tmp_path, diagnostics=["pressure"])
    folder = experiment.raw_dir
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed = killing(raw_simulations.write_raw_file, after=2)
        patch.setattr(raw_simulations, "write_raw_file", killed)
        RawSimulations(experiment, folder).make(range(4))
    kept = aged(folder, "*")
    assert set(kept) == {"sim_000000.nc", "sim_000001.nc"}
    manifest = RawSimulations(experiment, folder).make(range(4))
    assert manifest["simulations"] == [0, 1, 2, 3]
    assert kept.items() <= times(folder, "*.nc").items(), "existing files are not rewritten"
    assert contents(folder, "*.nc") == contents(raw / "data/burgers_2d", "*.nc")


def test_raw_files_of_other_settings_are_simulated_again(tmp_path: Path) -> None:
    experiment = parsed_in(tmp_path, steps=2)
    folder = experiment.raw_dir
    RawSimulations(experiment, folder).make([0, 1])
    kept = aged(folder, "*.nc")
    more = parsed_in(tmp_path, steps=2, num_simulations=50)
    RawSimulations(more, folder).make([0, 1])
    assert times(folder, "*.nc") == kept, "a simulation does not depend on their number"
    RawSimulations(parsed_in(tmp_path, steps=2, dt=0.005), folder).make([0, 1])
    assert not set(times(folder, "*.nc").values()) & {PAST}


def test_foreign_file_is_not_overwritten(tmp_path: Path) -> None:
    experiment = parsed_in(tmp_path, steps=2)
    foreign = experiment.raw_dir / "sim_000001.nc"
    foreign.parent.mkdir(parents=True)
    with netCDF4.Dataset(foreign, "w") as file:
        file.title = "measured in 1987"
    before = foreign.read_bytes()
    with pytest.raises(RawDataError, match=r"sim_000001\.nc: not written by this workflow"):
        RawSimulations(experiment, experiment.raw_dir).make(range(3))
    assert foreign.read_bytes() == before
    foreign.write_bytes(b"no NetCDF file at all")
    with pytest.raises(RawDataError, match=r"sim_000001\.nc: not written by this workflow"):
        RawSimulations(experiment, experiment.raw_dir).make(range(3))
    assert foreign.read_bytes() == b"no NetCDF file at all"


def exploding(start_of: Any, wrong: int) -> Any:
    """Initial states, one of which is unstable at any time step."""

    def draw(self: Any, index: int) -> Start:
        start = start_of(self, index)
        factor = 1e9 if index == wrong else 1
        return replace(start, state={name: v * factor for name, v in start.state.items()})

    return draw


def test_diverging_raw_simulation_is_an_error_that_names_it(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = exploding(RawSimulations._start, 1)
    monkeypatch.setattr(RawSimulations, "_start", wrong)
    experiment = parsed_in(tmp_path)
    with (
        pytest.raises(RawDataError, match=r"simulations \[1\] diverged"),
        pytest.warns(ResultWarning, match="simulation 1 is left out: "),
    ):
        RawSimulations(experiment, experiment.raw_dir).make(range(3))
    assert set(contents(experiment.raw_dir, "*.nc")) == {"sim_000000.nc", "sim_000002.nc"}


# -- generated simulations --------------------------------------------------------------------


def maker(manager: DataManager, folder: Path, viscosity: float = 0.01) -> Augmentation:
    mapping = manager.experiment.model_dump(mode="json")
    for parameter in mapping["trainer_params"]["physical"]["learnable_parameters"]:
        parameter["initial_guess"] = viscosity
    experiment: Experiment = parse_experiment(mapping)
    model = ModelFactory.create_physical_model(experiment)
    return Augmentation(experiment, model, manager, CacheManager(folder))


PATTERN = "*.safetensors"
COUNT = GROUP + 2  # one full and one partial group


@pytest.fixture(scope="module")
def generated(manager: DataManager, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Simulations generated in one run."""
    folder = tmp_path_factory.mktemp("generated")
    assert maker(manager, folder).make(range(COUNT)) == list(range(COUNT))
    yield folder


def test_generated_simulations_resemble_their_sources_but_differ(
    manager: DataManager, generated: Path
) -> None:
    store = CacheManager(generated)
    store.validate()
    assert store.grid == manager.grid
    assert store.layouts == manager.layouts
    assert store.dt == manager.dt
    scales = [manager.load(index).fields["velocity"][0].std().item() for index in (0, 1)]
    starts = [store.load(index).fields["velocity"][0] for index in range(COUNT)]
    for start in starts:
        assert min(abs(start.std().item() / scale - 1) for scale in scales) < 0.05
    distances = [(a - b).abs().max() for i, a in enumerate(starts) for b in starts[:i]]
    assert min(distances) > 0.1


def test_interrupted_and_uninterrupted_shards_generate_the_same_simulations(
    manager: DataManager, generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(CacheManager, "write", killing(CacheManager.write, after=3))
        maker(manager, tmp_path).make(range(COUNT))
    kept = aged(tmp_path, "*")
    assert len(kept) == 3
    (tmp_path / "sim_000001.safetensors").unlink()
    del kept["sim_000001.safetensors"]
    assert maker(manager, tmp_path).make(range(COUNT)) == list(range(COUNT))
    assert kept.items() <= times(tmp_path, PATTERN).items()
    assert contents(tmp_path, PATTERN) == contents(generated, PATTERN)


def test_simulations_of_other_parameters_are_generated_again(
    manager: DataManager, tmp_path: Path
) -> None:
    maker(manager, tmp_path).make(range(2))
    before = contents(tmp_path, PATTERN)
    kept = aged(tmp_path, PATTERN)
    maker(manager, tmp_path).make(range(2))
    assert times(tmp_path, PATTERN) == kept
    maker(manager, tmp_path, viscosity=0.011).make(range(2))
    assert not set(contents(tmp_path, PATTERN).values()) & set(before.values())


def test_only_the_diverging_simulation_of_a_group_is_left_out_and_named(
    manager: DataManager,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = exploding(Augmentation._start, 1)
    monkeypatch.setattr(Augmentation, "_start", wrong)
    named = "generated simulation 1 is left out: "
    with pytest.warns(ResultWarning, match=named):
        made = maker(manager, tmp_path).make(range(4))
    assert made == [0, 2, 3]
    assert set(contents(tmp_path, PATTERN)) == {f"sim_{i:06d}.safetensors" for i in made}
    with (
        pytest.raises(DivergenceError, match="all 1 generated simulations diverged"),
        pytest.warns(ResultWarning, match=named),
    ):
        maker(manager, tmp_path).make([1])


# -- the cache --------------------------------------------------------------------------------


def test_interrupted_and_uninterrupted_shards_give_the_same_cache(
    raw: Path, manager: DataManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = tiny_in(raw)
    mapping["data"]["cache_dir"] = str(tmp_path)
    experiment = parse_experiment(mapping)

    def again() -> DataManager:
        return DataManager(experiment.raw_dir, experiment.cache_root, experiment)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(DataManager, "_build", killing(DataManager._build, after=2))
        again().cache_shard(range(4))
    folder = tmp_path / "burgers_2d"
    kept = aged(folder, PATTERN)
    assert len(kept) == 2
    assert again().cache_shard(range(4)) == manager.manifest(range(4))
    assert kept.items() <= times(folder, PATTERN).items()
    assert contents(folder, PATTERN) == contents(manager.directory, PATTERN)


def test_bad_simulation_is_named_and_its_neighbours_are_cached(tmp_path: Path) -> None:
    experiment = parsed_in(tmp_path, steps=2)
    RawSimulations(experiment, experiment.raw_dir).make(range(4))
    with netCDF4.Dataset(experiment.raw_dir / "sim_000001.nc", "a") as file:
        file["velocity"][1, 0, 2, 3] = np.nan
    whole = (experiment.raw_dir / "sim_000002.nc").read_bytes()
    (experiment.raw_dir / "sim_000002.nc").write_bytes(whole[: len(whole) // 2])
    manager = DataManager(experiment.raw_dir, experiment.cache_root, experiment)
    with pytest.raises(RawDataError) as error:
        manager.write_manifest(range(4), manager.directory / "cached_000000-000003.json")
    message = str(error.value)
    assert "simulation 1: " in message and "sim_000001.nc" in message
    assert "simulation 2: " in message and "sim_000002.nc" in message
    assert "2 of 4 simulations are cached, these are not" in message
    assert manager.indices() == [0, 3]
    assert not (manager.directory / "cached_000000-000003.json").exists()


def test_a_generated_simulation_does_not_depend_on_its_shard(
    manager: DataManager, generated: Path, tmp_path: Path
) -> None:
    for index in (COUNT - 1, 1):
        maker(manager, tmp_path).make([index])
    single = contents(tmp_path, PATTERN)
    assert len(single) == 2
    assert single.items() <= contents(generated, PATTERN).items()


def test_simulations_of_other_code_are_generated_again(
    manager: DataManager, tmp_path: Path
) -> None:
    model = ModelFactory.create_physical_model(manager.experiment)

    def make(code: str) -> dict[str, Any]:
        store = CacheManager(tmp_path)
        Augmentation(manager.experiment, model, manager, store, code).make([0])
        return dict(store.header(0).source)

    assert make("one")["code"] == "one"
    assert make("two")["code"] == "two"
    assert make("")["code"] == "two", "without a code digest, existing files are kept"


def test_simulations_of_another_scheme_are_generated_again(
    manager: DataManager, tmp_path: Path
) -> None:
    model = ModelFactory.create_physical_model(manager.experiment)
    store = CacheManager(tmp_path)
    labels = []
    for order in (4, 6):
        model.discretization = Discretization(order=order)
        Augmentation(manager.experiment, model, manager, store).make([0])
        labels.append(store.header(0).source["discretization"])
    assert labels == ["finite_difference-4", "finite_difference-6"]


def test_raw_files_of_other_code_are_simulated_again(manager: DataManager, tmp_path: Path) -> None:
    def digest(code: str) -> Any:
        return RawSimulations(manager.experiment, tmp_path, code).make([0])["files"]

    first = digest("one")
    assert digest("") == first == digest("one")
    assert digest("two") != first
