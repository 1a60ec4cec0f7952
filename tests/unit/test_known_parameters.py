"""Known per-simulation parameters, and missing values."""

import json
import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from phi.torch.flow import Field, math
from safetensors.torch import load_file

from hybrid_pde.config.checks.data import check_against_data
from hybrid_pde.config.schema import ModelParams, TrainerParams
from hybrid_pde.data import (
    DataManager,
    HybridDataset,
    build_index,
    reading_digest,
    reading_settings,
)
from hybrid_pde.data.cache.cache_header import read_header
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.field_conversion import from_field
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import CacheError, ConfigError, RawDataError
from tests.unit.raw_files import cells, experiment, raw_path, wave, write_file

TIMES = np.arange(5) * 0.5
X = cells(6, 3.0)
Y = cells(4, 1.0)
U = wave(TIMES, X, Y)
SPACE = ("x", "y")
KAPPA = 1 + U[1] ** 2
FLOW = np.stack([U, -U - 1], -1)
NUMBERS = {
    "nu": ((), np.array(0.1)),
    "r": (("time",), TIMES**2 + 0.1),
    "c": (("component",), np.array([1.5, -0.3])),
    "c_t": (("component", "time"), np.stack([TIMES, -TIMES])),
    "kappa": (SPACE, KAPPA),
    "flow": (("time", *SPACE, "component"), FLOW),
}


def write(path: Path, /, **variables: tuple[tuple[str, ...], Any]) -> Path:
    return write_file(
        path,
        {"time": TIMES, "x": X, "y": Y, "component": 2},
        {"u": (("time", *SPACE), U), **NUMBERS, **variables},
        attrs={"": {"D": 0.25, "text": "0.75", "both": np.array([1.0, 2.0]), "word": "a"}},
    )


def manager(root: Path, known: dict[str, str], **data: Any) -> DataManager:
    config = experiment(root, known_parameters=known, **data)
    return DataManager(config.raw_dir, config.cache_root, config)


def windows(store: SimulationStore, **settings: Any) -> HybridDataset:
    settings = {"num_predict_steps": 2, "return_fields": True, **settings}
    return HybridDataset(store, settings.pop("sims", [0]), ["u"], **settings)


def test_every_kind_is_stored(tmp_path: Path) -> None:
    write(raw_path(tmp_path))
    names = ("nu", "r", "c", "c_t", "kappa", "flow", "D", "text", "both")
    store = manager(tmp_path, {name: name for name in names})
    simulation = store.load(0)
    known = simulation.known
    assert list(known) == list(names)
    assert list(simulation.fields) == ["u"] == [layout.name for layout in store.layouts]
    assert known["nu"].dtype == torch.float64
    assert known["nu"] == 0.1
    np.testing.assert_array_equal(known["r"], TIMES**2 + 0.1)
    np.testing.assert_array_equal(known["c"], [1.5, -0.3])
    np.testing.assert_array_equal(known["c_t"], np.stack([TIMES, -TIMES], -1))
    np.testing.assert_allclose(known["kappa"], KAPPA[None], rtol=1e-7)
    np.testing.assert_allclose(known["flow"], np.moveaxis(FLOW, -1, 1), rtol=1e-7)
    assert (known["D"], known["text"]) == (0.25, 0.75)
    np.testing.assert_array_equal(known["both"], [1, 2])
    described = store.header(0).known_by_name
    assert described["nu"] == KnownParameter("nu", values=0.1)
    assert described["flow"] == KnownParameter("flow", SPACE, static=False, is_field=True)
    assert described["c_t"].components == SPACE
    assert list(simulation.statistics) == ["u"]
    plain = load_file(store.path(0))
    assert {name: tuple(tensor.shape) for name, tensor in plain.items()} == {
        "u": (5, 1, 6, 4),
        "known:kappa": (1, 6, 4),
        "known:flow": (5, 2, 6, 4),
    }
    kinds = {parameter.name: parameter for parameter in build_index(store.experiment).known}
    assert kinds["c"] == KnownParameter("c", SPACE)
    assert build_index(store.experiment).known == tuple(kinds.values())


def test_selection_applies_to_known_values(tmp_path: Path) -> None:
    write(raw_path(tmp_path))
    select = {"time": [0.5, None], "stride": 2, "coarsen": {"x": 3}}
    known = manager(tmp_path, {"r": "r", "kappa": "kappa"}, select=select).load(0).known
    np.testing.assert_array_equal(known["r"], (TIMES**2 + 0.1)[1::2])
    np.testing.assert_allclose(known["kappa"][0], KAPPA.reshape(2, 3, 4).mean(1), rtol=1e-6)


def test_samples_and_component_labels(tmp_path: Path) -> None:
    write_file(
        raw_path(tmp_path),
        {"sample": 3, "time": TIMES, "x": X, "y": Y, "dir": np.array(["y", "x"])},
        {
            "u": (("sample", "time", *SPACE), np.stack([U, 2 * U, 3 * U])),
            "nu": (("sample",), np.array([1, 2, 3])),
            "c": (("dir", "sample"), np.arange(6.0).reshape(2, 3)),
        },
    )
    store = manager(tmp_path, {"viscosity": "nu", "velocity": "c"}, dims={"vector": "dir"})
    for sample in range(3):
        assert store.load(sample).known["viscosity"] == sample + 1
        np.testing.assert_array_equal(store.load(sample).known["velocity"], [sample + 3, sample])


def test_pdebench_groups_state_numbers(tmp_path: Path) -> None:
    with h5py.File(raw_path(tmp_path, "a.h5"), "w") as file:
        for number, name in enumerate(("0000", "0001")):
            file[f"{name}/data"] = U[..., None]
            for axis, points in {"t": TIMES, "x": X, "y": Y}.items():
                file[f"{name}/grid/{axis}"] = points
            file[name].attrs["D"] = 0.5 + number
            file[f"{name}/k"] = 5.0 - number
        file.attrs["F"] = 0.125
        del file["0001"].attrs["D"]
        file["0001"].attrs["D"] = 7
        file["0000"].attrs["lonely"] = 1.0
    store = manager(tmp_path, {"diffusivity": "D", "kill": "k", "feed": "F"})
    assert {n: float(v) for n, v in store.load(1).known.items()} == {
        "diffusivity": 7,
        "kill": 4,
        "feed": 0.125,
    }
    with pytest.raises(RawDataError, match=r"a\.h5: .*lonely: missing or infinite at sample 1"):
        manager(tmp_path, {"feed": "lonely"}).load(1)


def test_flat_pdebench_files_state_values(tmp_path: Path) -> None:
    tensor = np.stack([wave(TIMES, X), 2 * wave(TIMES, X)])
    with h5py.File(raw_path(tmp_path, "a.h5"), "w") as file:
        entries = {"t-coordinate": np.arange(6) * 0.5, "x-coordinate": X, "tensor": tensor}
        entries |= {"nu": np.array([0.1, 0.2]), "k": tensor[:, 1], "r": tensor[:, :, 0]}
        for name, values in entries.items():
            file[name] = values
    known = manager(tmp_path, {"viscosity": "nu", "potential": "k", "rate": "r"}).load(1).known
    assert known["viscosity"] == 0.2
    np.testing.assert_array_equal(known["rate"], tensor[1, :, 0])
    np.testing.assert_allclose(known["potential"], tensor[1, 1][None], rtol=1e-7)


def test_windows_contain_known_values(tmp_path: Path) -> None:
    write(raw_path(tmp_path))
    known = {name: name for name in ("nu", "r", "c_t", "kappa", "flow")}
    store = manager(tmp_path, known)
    initial, targets = windows(store)[1]
    assert list(initial) == ["u", *known]
    assert list(targets) == ["u", "r", "c_t", "flow"]
    assert not initial["nu"].shape
    assert initial["nu"].dtype.precision == 64
    with math.precision(64):
        assert float(initial["nu"]) == 0.1
        assert float(initial["r"]) == TIMES[1] ** 2 + 0.1
        assert [float(value) for value in targets["r"]] == [*(TIMES[2:4] ** 2 + 0.1)]
    assert initial["c_t"].shape.get_item_names("vector") == SPACE
    assert float(targets["c_t"][1].vector["y"]) == -TIMES[3]
    assert isinstance(initial["kappa"], Field)
    field = from_field(initial["kappa"], store.grid, FieldLayout("kappa"))
    np.testing.assert_allclose(field, KAPPA[None], rtol=1e-6)
    flow = from_field(targets["flow"][0], store.grid, FieldLayout("flow", SPACE))
    np.testing.assert_allclose(flow, np.moveaxis(FLOW[2], -1, 0), rtol=1e-6)
    product = math.sum(initial["kappa"].values * initial["nu"])
    assert float(product) == pytest.approx(0.1 * KAPPA.sum(), rel=1e-5)


def test_surrogate_windows_do_not_contain_known_values(tmp_path: Path) -> None:
    write(raw_path(tmp_path))
    store = manager(tmp_path, {"kappa": "kappa", "nu": "nu"})
    inputs, targets = windows(store, return_fields=False)[0]
    assert (inputs.shape, targets.shape) == ((1, 6, 4), (2, 1, 6, 4))
    without = windows(manager(tmp_path, {}), return_fields=False)[0]
    assert torch.equal(inputs, without[0])
    assert torch.equal(targets, without[1])


def test_boundary_values(tmp_path: Path) -> None:
    write(raw_path(tmp_path))
    boundary = {"x": {"lower": 0.0, "upper": "zero-gradient"}, "y": 0.0}
    known = {"boundary.x.lower": "r", "boundary.y.upper": "D"}
    store = manager(tmp_path, known, boundary=boundary)
    initial, targets = windows(store)[0]
    assert float(initial["boundary.y.upper"]) == 0.25
    with math.precision(64):
        assert [float(value) for value in targets["boundary.x.lower"]] == [0.35, 1.1]
    for name, message in (
        ("boundary.x.upper", "data.boundary is 'zero-gradient' there; give a number"),
        ("boundary.z.lower", "'boundary.z.lower' is unknown; did you mean 'boundary"),
        ("boundary.x", "did you mean 'boundary.x.upper'"),
    ):
        with pytest.raises(ConfigError, match=message):
            manager(tmp_path, {name: "r"}, boundary=boundary).load(0)
    with pytest.raises(RawDataError, match=r"boundary\.x\.lower: kappa\(x: 6, y: 4\): it is a num"):
        manager(tmp_path, {"boundary.x.lower": "kappa"}, boundary=boundary).load(0)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("kapa", r"a\.nc: data\.known_parameters\.p: .*'kapa' is unknown; did you mean 'kappa'"),
        ("word", r"the attribute 'word' is 'a', no number"),
        ("row", r"p: row\(x: 6\): it is a number, one for each of the axes x, y \(data\.dims\.v"),
        ("wide", r"wide\(other: 3\): it is .* on the grid \(x, y\) of 6, 4 points, for each"),
        ("hole", r"p: hole: missing or infinite at sample 0, frame 3; every simulation"),
        ("torn", r"torn: missing or infinite value at x index 2 \(x = 1\.25\), y index 0"),
    ],
)
def test_invalid_known_parameters_are_rejected(tmp_path: Path, wanted: str, message: str) -> None:
    hole, torn = TIMES.copy(), KAPPA.copy()
    hole[3] = torn[2, 0] = np.nan
    write_file(
        raw_path(tmp_path),
        {"time": TIMES, "x": X, "y": Y, "other": 3},
        {
            "u": (("time", *SPACE), U),
            "kappa": (SPACE, KAPPA),
            "row": (("x",), X),
            "wide": (("other",), np.zeros(3)),
            "hole": (("time",), hole),
            "torn": (SPACE, torn),
        },
        attrs={"": {"word": "a"}},
    )
    observations = {"missing": "mask"}  # allowed in fields, never in parameters
    with pytest.raises(RawDataError, match=message):
        manager(tmp_path, {"p": wanted}, observations=observations).load(0)


def test_simulations_must_agree(tmp_path: Path) -> None:
    write(raw_path(tmp_path))
    write(raw_path(tmp_path, "b.nc"), nu=(("time",), TIMES))
    with pytest.raises(RawDataError, match=r"b\.nc: .*p: a number that changes in time here, a nu"):
        build_index(experiment(tmp_path, known_parameters={"p": "nu"}))
    write_file(
        raw_path(tmp_path, "b.nc"),
        {"time": TIMES, "x": X, "y": Y},
        {"u": (("time", *SPACE), U)},
    )
    with pytest.raises(RawDataError, match=r"b\.nc: data\.known_parameters\.p: no such variable"):
        build_index(experiment(tmp_path, known_parameters={"p": "nu"}))


def test_cached_simulations_must_agree(tmp_path: Path) -> None:
    write(raw_path(tmp_path))
    store = SimulationStore(manager(tmp_path, {}).ensure(0).parent)
    brought = manager(tmp_path, {"p": "nu"}).ensure(0)
    store.path(1).write_bytes(brought.read_bytes())
    message = r"sim_000001\.safetensors: data\.known_parameters\.p: a number here, absent in "
    with pytest.raises(CacheError, match=message):
        store.validate()
    with pytest.raises(CacheError, match=message):
        windows(store, sims=[0, 1])
    assert len(windows(store, sims=[0, 1], return_fields=False)) == 6


def test_settings_and_equation(tmp_path: Path) -> None:
    write(raw_path(tmp_path))
    without = experiment(tmp_path)
    assert "known_parameters" not in reading_settings(without)
    digests = [
        reading_digest(each)
        for each in (
            without,
            experiment(tmp_path, known_parameters={"p": "nu"}),
            experiment(tmp_path, known_parameters={"p": "r"}),
            experiment(tmp_path, observations={"missing": "mask"}),
        )
    ]
    assert len(set(digests)) == 4
    assert reading_digest(experiment(tmp_path, observations={"every": 2})) == digests[0]
    with pytest.raises(ConfigError, match=r"known_parameters\.u: also in data\.fields"):
        build_index(experiment(tmp_path, known_parameters={"u": "nu"}))


def test_kind_must_be_that_of_the_equation(tmp_path: Path) -> None:
    write(raw_path(tmp_path))
    known = {"diffusivity": "kappa", "reaction_rate": "c"}
    config = experiment(tmp_path, known_parameters=known)
    index = build_index(config)
    physical = {"train_sim": [0], "num_predict_steps": 2}
    typed = config.model_copy(
        update={
            "run_params": config.run_params.model_copy(update={"model_type": "physical"}),
            "model": ModelParams.model_validate({"physical": {"name": "AllenCahnPDE"}}),
            "trainer_params": TrainerParams.model_validate({"physical": physical}),
        }
    )
    with pytest.raises(ConfigError) as caught:
        check_against_data(typed, "a.yaml", index.layouts, [5], index.grid, index.known)
    assert "known_parameters.diffusivity: a field: must be a number" in str(caught.value)
    assert "known_parameters.reaction_rate: numbers (x, y): must be a number" in str(caught.value)
    check_against_data(typed, "a.yaml", index.layouts, [5], index.grid)


def masked_file(path: Path) -> np.ndarray:
    """A file of packed values, some missing, with one completely missing frame."""
    values = np.ma.masked_array(np.round(U), mask=np.zeros(U.shape, bool))
    values[1, 2:4, 1] = np.ma.masked
    values[3] = np.ma.masked
    write_file(
        path,
        {"time": TIMES, "x": X, "y": Y},
        {"u": (("time", *SPACE), values.filled(-999).astype(np.int16))},
        attrs={"u": {"_FillValue": np.int16(-999)}},
    )
    return values.filled(np.nan)


def test_missing_values_are_errors_or_masked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = masked_file(raw_path(tmp_path))
    with pytest.raises(RawDataError, match=r"u: missing .*time index 1 .* \{missing: mask\}"):
        manager(tmp_path, {}).load(0)
    store = manager(tmp_path, {}, observations={"missing": "mask"})
    with caplog.at_level(logging.WARNING):
        simulation = store.load(0)
    assert "simulation 0: u: 26 values (21.7 %) are missing; they count as uno" in caplog.text
    np.testing.assert_array_equal(simulation.fields["u"][:, 0], values)
    statistics = simulation.statistics["u"]
    assert statistics.missing == (26,)
    assert statistics.mean[0] == pytest.approx(np.nanmean(values), rel=1e-12)
    assert statistics.std[0] == pytest.approx(np.nanstd(values), rel=1e-12)
    assert (statistics.min[0], statistics.max[0]) == (np.nanmin(values), np.nanmax(values))
    assert json.loads(json.dumps(statistics.to_dict(), allow_nan=False))["missing"] == [26]
    assert read_header(simulation.path).statistics == {"u": statistics}


def test_errors_that_remain_with_masked_values(tmp_path: Path) -> None:
    mask = {"observations": {"missing": "mask"}}
    write(raw_path(tmp_path), u=(("time", *SPACE), np.where(U > 100, np.inf, U)))
    with pytest.raises(RawDataError, match=r"a\.nc: u: infinite value at time index 2"):
        manager(tmp_path, {}, **mask).load(0)
    write(raw_path(tmp_path), u=(("time", *SPACE), U * np.nan))
    with pytest.raises(CacheError, match=r"a\.nc: u: every value of channel 0 is missing"):
        manager(tmp_path, {}, **mask).load(0)
    write(raw_path(tmp_path), kappa=(SPACE, KAPPA * np.nan))
    with pytest.raises(RawDataError, match="kappa: missing or infinite value at x index 0"):
        manager(tmp_path, {}, fields=["u", "kappa"], **mask).load(0)


def test_a_partly_missing_coarse_cell_is_missing(tmp_path: Path) -> None:
    values = masked_file(raw_path(tmp_path))
    select = {"coarsen": {"x": 2}}
    store = manager(tmp_path, {}, observations={"missing": "mask"}, select=select)
    expected = values.reshape(5, 3, 2, 4).mean(2)
    np.testing.assert_allclose(store.load(0).fields["u"][:, 0], expected, rtol=1e-6)
    assert np.isnan(expected).sum() == 12 + 1
