"""Files of cached simulations: a file is complete or an error."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hybrid_pde.data.cache.cache_file import open_simulation, simulation_writer, write_simulation
from hybrid_pde.data.cache.cache_header import CacheHeader, read_header
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.channel_statistics import RunningStatistics
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CacheError, DivergenceError

GRID = Grid(
    axes=("x", "y"),
    shape=(6, 4),
    lower=(0.0, -1.0),
    upper=(3.0, 1.0),
    boundary=(("periodic", "periodic"), (0.5, "zero-gradient")),
    nodes_on_boundary=(False, True),
)
LAYOUTS = (
    FieldLayout("velocity", ("x", "y")),
    FieldLayout("k", (), static=True),
    FieldLayout("ρ"),
)
TIMES = (0.1, 1e-300, 1 / 3, 1e17, 5.0)
HEADER = CacheHeader(GRID, LAYOUTS, 0.1, TIMES, {"file": "ä.nc", "sha256": "00"}, "abc", {})


def fields() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        layout.name: random.normal(300, 0.01, HEADER.shape(layout)).astype(np.float32)
        for layout in LAYOUTS
    }


def write(path: Path) -> dict[str, np.ndarray]:
    values = fields()
    static = {"k": values["k"]}
    dynamic = [
        {name: values[name][first : first + 2] for name in ("velocity", "ρ")}
        for first in range(0, 5, 2)
    ]
    write_simulation(path, HEADER, [*dynamic, static])
    return values


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "sim_000000.safetensors"
    values = write(path)
    simulation = open_simulation(path)
    for name, expected in values.items():
        np.testing.assert_array_equal(simulation.fields[name].numpy(), expected)
        assert simulation.fields[name].data_ptr() % 64 == 0 or name != "velocity"
    assert (simulation.grid, simulation.layouts, simulation.times) == (GRID, LAYOUTS, TIMES)
    assert simulation.header.source == HEADER.source
    plain = load_file(path)
    assert {name: list(tensor.shape) for name, tensor in plain.items()} == {
        "velocity": [5, 2, 6, 4],
        "k": [1, 6, 4],
        "ρ": [5, 1, 6, 4],
    }
    for name, statistics in simulation.statistics.items():
        exact = values[name].astype(np.float64)
        axes = (1, 2) if name == "k" else (0, 2, 3)
        np.testing.assert_allclose(statistics.mean, exact.mean(axes), rtol=1e-14)
        np.testing.assert_allclose(statistics.std, exact.std(axes), rtol=1e-9)
        np.testing.assert_array_equal(statistics.max, exact.max(axes))


def test_statistics_are_free_of_cancellation() -> None:
    running = RunningStatistics(1)
    for block in (1e8 + np.arange(6.0).reshape(2, 1, 3), 1e8 + np.arange(6.0, 9).reshape(1, 1, 3)):
        running.add(block)
    assert running.result().std[0] == pytest.approx(np.arange(9.0).std(), rel=1e-12)
    assert running.result().mean == (1e8 + 4,)


def test_bytes_depend_on_content_alone(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_failed_write_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "sim_000000.safetensors"
    with pytest.raises(RuntimeError), simulation_writer(path, HEADER) as writer:
        writer.write({"k": fields()["k"]})
        raise RuntimeError
    with pytest.raises(AssertionError, match="0 of 5 frames"), simulation_writer(path, HEADER):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [0, 3, 8, 100, -1, -200])
def test_truncated_file(tmp_path: Path, length: int) -> None:
    path = tmp_path / "sim_000000.safetensors"
    write(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CacheError, match=r"sim_000000\.safetensors: .*; delete the file"):
        open_simulation(path)


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "sim_000000.safetensors"
    with pytest.raises(CacheError, match="cannot be read: No such file"):
        open_simulation(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    with pytest.raises(CacheError, match="truncated or no cached simulation"):
        open_simulation(path)
    save_file({"velocity": torch.zeros(3)}, path)
    with pytest.raises(CacheError, match="not a cached simulation"):
        open_simulation(path)
    write(path)
    path.write_bytes(path.read_bytes() + b"0000")
    with pytest.raises(CacheError, match="too long"):
        open_simulation(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('schema_version\\": 3', 'schema_version\\": 9', "schema version 9, this program reads 3"),
        ('"shape": [5, 2, 6, 4]', '"shape": [5, 2, 4, 6]', "'velocity' is not what the header"),
        ('"dtype": "F32"', '"dtype": "I32"', "'velocity' is not what the header"),
        ('\\"dt\\"', '\\"td\\"', "'dt'"),
        ('{"__metadata__"', '["__metadata__"', "Expecting"),
    ],
)
def test_altered_header(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "sim_000000.safetensors"
    write(path)
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))
    with pytest.raises(CacheError, match=message):
        open_simulation(path)


def test_nothing_is_read_before_use(tmp_path: Path) -> None:
    """Memory-mapped values follow later changes of the file."""
    path = tmp_path / "sim_000000.safetensors"
    values = write(path)
    tensor = open_simulation(path).fields["velocity"]
    with open(path, "rb+") as file:
        content = file.read()
        begin = content.index(values["velocity"].tobytes())
        file.seek(begin + 4 * 48)
        file.write(np.float32(7).tobytes())
    assert tensor[1, 0, 0, 0] == 7


def test_cache_manager(tmp_path: Path) -> None:
    manager = CacheManager(tmp_path / "generated")
    assert (manager.indices(), manager.num_simulations) == ([], 0)
    values = {name: torch.from_numpy(array) for name, array in fields().items()}
    for index in (3, 0):
        manager.write(index, values, GRID, 0.25, {"seed": index, "parameters": {"viscosity": 0.1}})
    assert manager.indices() == [0, 3]
    assert (manager.exists(3), manager.exists(1)) == (True, False)
    simulation = manager.load(3)
    assert simulation.layouts == LAYOUTS
    assert simulation.times == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert simulation.header.source == {"seed": 3, "parameters": {"viscosity": 0.1}}
    torch.testing.assert_close(simulation.fields["velocity"], values["velocity"], rtol=0, atol=0)
    manifest = manager.manifest([0, 3])
    assert list(manifest["files"]) == ["sim_000000.safetensors", "sim_000003.safetensors"]
    assert json.loads(json.dumps(manifest)) == manifest
    assert manager.disk_usage() == 2 * manager.path(0).stat().st_size > 2 * 4 * 24 * 16
    manager.validate()
    with pytest.raises(CacheError, match="simulation 1 is not there"):
        manager.load(1)


def test_cache_manager_refuses(tmp_path: Path) -> None:
    manager = CacheManager(tmp_path)
    good = {"u": np.zeros((5, 1, 6, 4))}
    with pytest.raises(DivergenceError, match="simulation 2: u is not finite"):
        manager.write(2, {"u": np.full((5, 1, 6, 4), np.nan)}, GRID, 0.1, {})
    with pytest.raises(CacheError, match=r"u has the shape \(5, 1, 6, 5\)"):
        manager.write(2, {"u": np.zeros((5, 1, 6, 5))}, GRID, 0.1, {})
    with pytest.raises(CacheError, match=r"fields of \[4, 5\] frames"):
        manager.write(2, {**good, "w": np.zeros((4, 1, 6, 4))}, GRID, 0.1, {})
    with pytest.raises(CacheError, match="3 channels on 2 axes"):
        manager.write(2, {"u": np.zeros((5, 3, 6, 4))}, GRID, 0.1, {})
    assert manager.indices() == []
    manager.write(0, good, GRID, 0.1, {})
    manager.write(1, {"u": np.zeros((5, 1, 4, 6))}, replace(GRID, shape=(4, 6)), 0.1, {})
    with pytest.raises(CacheError, match=r"sim_000001.*: x: shape 4 here, 6 in the first"):
        manager.validate()


def test_header_is_read_without_torch(tmp_path: Path) -> None:
    write(tmp_path / "a")
    header = read_header(tmp_path / "a")
    assert replace(header, statistics={}) == HEADER
