"""Fields that single precision would lose are kept in double, from the raw file to the models."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hybrid_pde.data.cache.cache_header import read_header
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.channel_statistics import RunningStatistics, lowest_precision
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.errors import RawDataError
from hybrid_pde.evaluation.measures.metrics import rollout_errors
from hybrid_pde.models.synthetic.normalization import normalization_of
from hybrid_pde.result_warnings import ResultWarning
from tests.unit.raw_files import cells, experiment, raw_path, wave, write_file

TIMES, X = np.arange(6) * 0.5, cells(8)
GRID = Grid(("x",), (8,), (0.0,), (1.0,), ((PERIODIC, PERIODIC),), (False,))
SMALL = np.sin(2 * np.pi * (X - TIMES[:, None]))
HARD = {
    "a small variation on an offset": 101325 + 0.02 * SMALL,
    "underflow": 1e-42 * SMALL,
    "overflow": 1e40 * SMALL,
    "small changes of a large pattern": np.sin(2 * np.pi * X) * (1 + 1e-7 * TIMES[:, None]),
}


def stored(root: Path, values: np.ndarray, **more: np.ndarray) -> DataManager:
    variables = {"u": values, **more}
    write_file(
        raw_path(root), {"time": TIMES, "x": X},
        {name: (("time", "x"), each) for name, each in variables.items()},
    )  # fmt: skip
    fields = list(variables)
    return DataManager.from_experiment(experiment(root, boundary="periodic", fields=fields))


@pytest.mark.parametrize("kind", HARD)
def test_what_single_precision_loses_is_kept_in_double(tmp_path: Path, kind: str) -> None:
    store = stored(tmp_path, HARD[kind], v=SMALL)
    simulation = store.load(0)
    u, v = simulation.fields["u"], simulation.fields["v"]
    assert (u.dtype, v.dtype) == (torch.float64, torch.float32)
    np.testing.assert_array_equal(u[:, 0], HARD[kind])
    assert simulation.header.double == {"u"}
    assert simulation.statistics["u"].std[0] == pytest.approx(HARD[kind].std(), rel=1e-6)
    assert u.data_ptr() % 8 == 0


@pytest.mark.parametrize("values", [SMALL, 300 + SMALL, 1e20 * SMALL, np.full((6, 8), 101325.1)])
def test_other_fields_are_in_single_precision(tmp_path: Path, values: np.ndarray) -> None:
    assert stored(tmp_path, values).load(0).fields["u"].dtype == torch.float32


def test_precision_does_not_depend_on_blocks() -> None:
    values = HARD["small changes of a large pattern"][:, None]
    whole, parts = RunningStatistics(1), RunningStatistics(1)
    whole.add(values)
    for frame in range(len(values)):
        parts.add(values[frame : frame + 1])
    expected = whole.rounding(np.float32)
    assert parts.rounding(np.float32).of_steps == pytest.approx(expected.of_steps, rel=1e-6)
    assert expected.needs_double and not expected.of_values > 1e-4


def test_a_variation_that_the_file_has_lost_is_reported(tmp_path: Path) -> None:
    store = stored(tmp_path, (101325 + 0.02 * SMALL).astype(np.float32))
    with pytest.warns(ResultWarning, match=r"a\.nc: u: the file's own rounding is \d+ % of"):
        store.cache_shard([0])


def test_a_value_whose_square_overflows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match="u: a value is far beyond single precision, 1e\\+150"):
        stored(tmp_path, 1e200 * SMALL).load(0)


def test_windows_keep_double_precision(tmp_path: Path) -> None:
    values = HARD["a small variation on an offset"]
    store = stored(tmp_path, values, v=SMALL)
    dataset = HybridDataset(store, [0], ["u", "v"], num_predict_steps=2)
    state, targets = dataset[1]
    np.testing.assert_array_equal(state[0], values[1])
    np.testing.assert_array_equal(targets[:, 0], values[2:4])
    inputs, wanted = dataset.gather([0, 2])
    np.testing.assert_array_equal(inputs[1, 0], values[2])
    np.testing.assert_array_equal(wanted[1, :, 0], values[3:5])
    single = HybridDataset(store, [0], ["v"], num_predict_steps=2)
    assert {part.dtype for part in single.gather([0])} == {torch.float32}


def test_surrogates_normalise_before_they_round(tmp_path: Path) -> None:
    store = stored(tmp_path, HARD["a small variation on an offset"])
    dataset = HybridDataset(store, [0], ["u"], num_predict_steps=1)
    statistics = normalization_of(dataset, [0])
    expected = HARD["a small variation on an offset"][:-1].std()
    assert float(statistics["input_std"]) == pytest.approx(expected, rel=1e-5)
    steps = np.diff(HARD["a small variation on an offset"], axis=0)
    increment = float(np.sqrt(np.square(steps).mean()))
    assert float(statistics["increment_std"]) == pytest.approx(increment, rel=1e-5)


def test_generated_and_raw_simulations_are_written_in_the_lowest_precision(tmp_path: Path) -> None:
    hard = HARD["a small variation on an offset"][:, None]
    assert lowest_precision(hard) is np.float64
    assert lowest_precision(SMALL[:, None]) is np.float32
    manager = CacheManager(tmp_path / "made")
    manager.write(0, {"u": hard, "v": SMALL[:, None]}, GRID, 0.5, {})
    np.testing.assert_array_equal(manager.load(0).fields["u"], hard)
    assert read_header(manager.path(0)).double == {"u"}
    layouts = [FieldLayout("u"), FieldLayout("v")]
    path = raw_path(tmp_path)
    write_raw_file(path, {"u": hard, "v": SMALL[:, None]}, GRID, layouts, 0.5, {})
    store = DataManager.from_experiment(experiment(tmp_path, fields=["u", "v"]))
    np.testing.assert_array_equal(store.load(0).fields["u"], hard)


def test_errors_of_a_small_variation_are_counted() -> None:
    truth = {"u": HARD["a small variation on an offset"][:, None]}
    found = rollout_errors({"u": truth["u"] + 0.02}, truth)
    assert found.counted["vrmse"].all()
    assert found.values["vrmse"][0, 0] == pytest.approx(np.sqrt(2), rel=1e-6)


def test_single_precision_files_are_not_stored_twice_as_large(tmp_path: Path) -> None:
    store = stored(tmp_path, wave(TIMES, X).astype(np.float32))
    assert store.load(0).header.double == frozenset()
