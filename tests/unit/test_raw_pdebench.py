"""Reading of HDF5 files in PDEBench's layouts."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hybrid_pde.data import DataManager, build_index
from hybrid_pde.data.raw_files.formats import open_raw
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError, RawDataError
from tests.unit.raw_files import cells, experiment, raw_path, shared_file, wave, write_simple

TIMES = np.arange(5) * 0.5
X = cells(6, 3.0, -1.0)
Y = cells(4, 1.0)
U = wave(TIMES, X, Y)
COORDINATES = {"t": TIMES, "x": X, "y": Y}


def write_groups(path: Path, data: dict[str, np.ndarray], **coordinates: np.ndarray) -> Path:
    """Groups with ``data`` ``[T, X, Y, C]`` and ``grid``."""
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[f"{name}/data"] = values.astype(np.float32)
            for axis, points in {**COORDINATES, **coordinates}.items():
                file[f"{name}/grid/{axis}"] = points.astype(np.float32)
    return path


def write_flat(path: Path, **arrays: np.ndarray) -> Path:
    """Write ``[N, T, X]`` and coordinates, with one time too many."""
    entries = {"t-coordinate": np.arange(6) * 0.5, "x-coordinate": X, **arrays}
    with h5py.File(path, "w") as file:
        for name, values in entries.items():
            file[name] = values
    return path


def read(path: Path, sample: int = 0, **data: Any) -> tuple[RawFileInfo, dict[str, np.ndarray]]:
    with open_raw(path, experiment(path.parent, **data).data) as raw:
        blocks = list(raw.frames(sample))
        return raw.info, {n: np.concatenate([b[n] for b in blocks]) for n in blocks[0]}


def test_groups_are_simulations_and_channels_fields(tmp_path: Path) -> None:
    samples = {f"{n:04d}": np.stack([(n + 1) * U, -(n + 1) * U - 7], -1) for n in range(3)}
    path = write_groups(tmp_path / "a.h5", samples)
    info, fields = read(path, 2, fields=["u", "v"], boundary="zero-gradient")
    assert info.layouts == (FieldLayout("u"), FieldLayout("v"))
    assert (info.num_samples, info.num_frames, info.dt) == (3, 5, 0.5)
    assert (info.grid.axes, info.grid.shape) == (("x", "y"), (6, 4))
    assert info.grid.lower == pytest.approx((-1, 0), abs=1e-6)
    assert info.grid.upper == pytest.approx((2, 1), abs=1e-6)
    np.testing.assert_allclose(fields["u"][:, 0], 3 * U, rtol=1e-6)
    np.testing.assert_allclose(fields["v"][:, 0], -3 * U - 7, rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "channels"),
    [
        ({"fields": ["u"]}, [0]),
        ({"fields": ["v", "u"], "variables": {"v": "data[1]"}}, [1, 0]),
        ({"fields": ["data[1]", "u"]}, [1, 0]),
        ({"fields": ["w"], "variables": {"w": ["data[0]", "data[1]"]}}, [0, 1]),
    ],
)
def test_channels_by_name_else_in_order(
    tmp_path: Path, data: dict[str, Any], channels: list[int]
) -> None:
    values = np.stack([U, -U], -1)
    _, fields = read(write_groups(tmp_path / "a.h5", {"0000": values}), **data)
    stacked = np.concatenate([fields[name] for name in data["fields"]], axis=1)
    np.testing.assert_allclose(stacked, np.moveaxis(values[..., channels], -1, 1), rtol=1e-6)


def test_selection_and_domain(tmp_path: Path) -> None:
    path = write_groups(tmp_path / "a.h5", {"0000": U[..., None]})
    select = {"stride": 2, "crop": {"x": [-0.5, None]}, "coarsen": {"y": 2}}
    info, fields = read(
        path, boundary=0.0, domain={"x": [-1, 2], "y": [0, 1]}, select=select
    )  # fmt: skip
    assert (info.grid.shape, info.grid.nodes_on_boundary) == ((5, 2), (False, False))
    np.testing.assert_allclose(
        fields["u"][:, 0], U[::2, 1:].reshape(3, 5, 2, 2).mean(-1), rtol=1e-6
    )
    nodes = write_groups(
        tmp_path / "b.h5", {"0000": U[..., None]}, x=np.linspace(0, 2, 6), y=np.linspace(0, 1, 4)
    )
    info, _ = read(nodes, boundary=0.0, domain={"x": [0, 2], "y": [0, 1]})
    assert info.grid.nodes_on_boundary == (True, True)
    assert info.grid.spacing == pytest.approx((0.4, 1 / 3))


def test_lengths_tell_transposed_axes(tmp_path: Path) -> None:
    path = write_groups(tmp_path / "a.h5", {"0000": U.swapaxes(1, 2)[..., None]})
    info, fields = read(path)
    assert info.grid.shape == (6, 4)
    np.testing.assert_allclose(fields["u"][:, 0], U, rtol=1e-6)


def test_flat_file_with_one_time_too_many(tmp_path: Path) -> None:
    tensor = np.stack([wave(TIMES, X), 2 * wave(TIMES, X)])
    info, fields = read(write_flat(tmp_path / "a.hdf5", tensor=tensor), 1)
    assert (info.num_samples, info.num_frames, info.dt) == (2, 5, 0.5)
    np.testing.assert_allclose(fields["u"][:, 0], tensor[1], rtol=1e-6)
    named = write_flat(tmp_path / "b.hdf5", Vx=tensor, density=tensor + 1, eta=np.zeros(2))
    _, fields = read(named, fields=["velocity", "density"], variables={"velocity": ["Vx"]})
    np.testing.assert_allclose(fields["density"][:, 0], tensor[0] + 1, rtol=1e-6)


def test_several_files_and_formats_in_one_folder(tmp_path: Path) -> None:
    samples = {name: U[..., None] + n for n, name in enumerate(("0000", "0001"))}
    write_groups(raw_path(tmp_path, "b.h5"), samples)
    write_groups(raw_path(tmp_path, "a.h5"), {"0000": U[..., None] + 9})
    config = experiment(tmp_path, format="hdf5-pdebench")
    index = build_index(config)
    listed = [(file.name, sample) for file, sample in index.simulations]
    assert listed == [("a.h5", 0), ("b.h5", 0), ("b.h5", 1)]
    manager = DataManager(config.raw_dir, config.cache_root, config)
    for simulation, shift in enumerate((9, 0, 1)):
        values = manager.load(simulation).fields["u"][:, 0]
        np.testing.assert_allclose(values, U + shift, rtol=1e-6)
    write_simple(raw_path(tmp_path, "c.nc"))
    assert build_index(config).num_simulations == 3
    with pytest.raises(RawDataError, match=r"c\.nc: axes: x here, x, y in a\.h5"):
        build_index(experiment(tmp_path))


def _drop(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


def _put(name: str, values: Any) -> Callable[[h5py.File], None]:
    def put(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = values

    return put


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_drop("0001/grid"), r"0001/grid/t: absent"),
        (_drop("0000/grid/x"), r"0000/grid/x: absent"),
        (_put("0000/grid/y", np.zeros((2, 2))), r"0000/grid/y: absent, empty, or not"),
        (_put("0001/grid/x", X + 0.1), r"0001/grid/x: differs from 0000/grid/x"),
        (_put("0001/data", U[:3, ..., None]), r"0001/data: has the shape \(3, 6, 4, 1\), 0000"),
        (_put("0000/data", U), r"0000/data: has the shape \(5, 6, 4\); .*\[t, x, y, channel\]"),
        (_put("0000/data", U[:, :5, :, None]), r"0000/data: its times and points are \[5, 5, 4\]"),
        (_put("0001/data", U[..., None] * np.nan), r"data\[0\]: missing or .* at sample 1, time"),
        (
            _put("0001/data", np.full((5, 6, 4, 1), b"a")),
            r"data\[0\]: holds \|S1, not real",
        ),
    ],
)
def test_invalid_files_are_rejected(
    tmp_path: Path, spoil: Callable[[h5py.File], None], message: str
) -> None:
    path = write_groups(tmp_path / "a.h5", dict.fromkeys(("0000", "0001"), U[..., None]))
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(RawDataError, match=rf"a\.h5: .*{message}"):
        read(path, 1)


def test_other_files_and_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with pytest.raises(RawDataError, match=r"a\.h5: not a file"):
        read(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(RawDataError, match=r"a\.h5: cannot be read"):
        read(path)
    whole = write_groups(tmp_path / "b.h5", {"0000": U[..., None]}).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RawDataError, match=r"a\.h5: cannot be read: .*truncated"):
        read(path)
    with pytest.raises(RawDataError, match=r"no variable 'u'; the file has data\[0\]\(sample"):
        read(tmp_path / "b.h5", fields=["u", "v"])
    with pytest.raises(ConfigError, match=r"select\.crop\.z: no such axis; .* \(file .*b\.h5\)"):
        read(tmp_path / "b.h5", select={"crop": {"z": [0, 1]}})
    with h5py.File(path, "w") as file:
        file["u"] = U
    with pytest.raises(RawDataError, match=r"unknown layout: PDEBench's .*; it holds u"):
        read(path)
    flat = write_flat(tmp_path / "c.h5", eta=np.zeros(2))
    with pytest.raises(RawDataError, match=r"no array \[sample, t, x\]; it holds eta\[2\]"):
        read(flat)


def test_frames_are_read_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_groups(tmp_path / "a.h5", dict.fromkeys(("0000", "0001"), U[..., None]))
    largest = 0
    get = h5py.Dataset.__getitem__

    def watched(stored: h5py.Dataset, key: Any) -> Any:
        nonlocal largest
        values = get(stored, key)
        largest = max(largest, np.size(values))
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    monkeypatch.setattr("hybrid_pde.data.raw_files.labelled_file.BLOCK_BYTES", 2 * 8 * 24)
    _, fields = read(path, 1)
    assert largest == 2 * 24
    np.testing.assert_allclose(fields["u"][:, 0], U, rtol=1e-6)


def test_indexing_imports_neither_torch_nor_phiflow(tmp_path: Path) -> None:
    write_groups(raw_path(tmp_path, "a.h5"), {"0000": U[..., None]})
    program = (
        "import sys; from hybrid_pde.data import build_index\n"
        f"config = {{'project_root': {str(tmp_path)!r}, 'data': {{'dset_name': 'heat', "
        "'fields': ['u']}}\n"
        "assert build_index(config).num_simulations == 1\n"
        "print([name for name in ('torch', 'phi', 'phiml') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_public_reaction_diffusion_file() -> None:
    path = shared_file("2D_diff-react_official_params.h5")
    domain = {"x": [-1, 1], "y": [-1, 1]}
    data = {"fields": ["u", "v"], "boundary": "zero-gradient", "domain": domain}
    info, fields = read(path, 1, **data)
    assert (info.num_samples, info.num_frames, info.dt) == (2, 101, pytest.approx(0.05))
    assert (info.grid.shape, info.grid.lower, info.grid.upper) == ((32, 32), (-1, -1), (1, 1))
    assert info.grid.spacing == (1 / 16, 1 / 16)
    with h5py.File(path) as file:
        expected = file["0001/data"][:]
    np.testing.assert_array_equal(fields["u"][:, 0], expected[..., 0])
    np.testing.assert_array_equal(fields["v"][:, 0], expected[..., 1])


def write_flow(path: Path, times: np.ndarray | None = None, **more: np.ndarray) -> Path:
    """Incompressible flow: two simulations."""
    flow = np.stack([np.stack([U, -U], -1), np.stack([2 * U, U], -1)])
    arrays = {
        "velocity": flow, "particles": np.stack([U, 3 * U])[..., None],
        "force": flow[:, 0], "t": np.stack([TIMES, TIMES]) if times is None else times, **more,
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def test_incompressible_flow(tmp_path: Path) -> None:
    path = write_flow(tmp_path / "ns.h5")
    fields = ["velocity", "particles", "force"]
    box = {"x": [-1, 2], "y": [0, 1]}
    with open_raw(path, experiment(tmp_path, fields=fields, domain=box).data) as raw:
        assert (raw.info.num_samples, raw.info.num_frames, raw.info.dt) == (2, 5, 0.5)
        block = next(iter(raw.frames(1)))
        with h5py.File(path) as file:
            stored = {name: file[name][1] for name in fields}
        np.testing.assert_array_equal(block["velocity"], np.moveaxis(stored["velocity"], -1, 1))
        np.testing.assert_array_equal(block["particles"][:, 0], stored["particles"][..., 0])
        force = raw.static(1)["force"]
        np.testing.assert_array_equal(force, np.moveaxis(stored["force"], -1, 0))


def test_incompressible_flow_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(RawDataError, match="no coordinate variable; give the ends of the domain"):
        read(write_flow(tmp_path / "a.h5"), fields=["velocity"])
    other = write_flow(tmp_path / "b.h5", np.stack([TIMES, 2 * TIMES]))
    with pytest.raises(RawDataError, match="the times of simulation 1 differ"):
        read(other, fields=["velocity"])
    flat = write_flow(tmp_path / "c.h5", velocity=U)
    with pytest.raises(RawDataError, match=r"velocity: its shape is .*\[N, T, X, Y, 2\]"):
        read(flat, fields=["velocity"])


@pytest.mark.parametrize("file_format", ["auto", "hdf5-pdeinvbench"])
def test_one_simulation_with_its_parameter_in_the_name(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / "delta=3.5_ic=42.h5"
    with h5py.File(path, "w") as file:
        file["tensor"], file["t-coordinate"], file["x-coordinate"] = U[..., 0], TIMES, X
    known = {"dispersion": {"from": "filename", "pattern": "delta={}_ic=*.h5"}}
    data = experiment(tmp_path, known_parameters=known, format=file_format).data
    with open_raw(path, data) as raw:
        assert raw.known(0)[0].values == 3.5
        np.testing.assert_array_equal(next(iter(raw.frames(0)))["u"][:, 0], U[..., 0])
