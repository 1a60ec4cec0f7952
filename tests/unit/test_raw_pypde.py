"""Reading of storages written by py-pde."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pde
import pytest

from hybrid_pde.data.raw_files.formats import open_raw
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.errors import RawDataError
from tests.unit.raw_files import experiment

BOX = pde.CartesianGrid([[0, 2], [-1, 1]], [6, 5], periodic=True)


def write(path: Path, field: Any, frames: int = 4, *, close: bool = True) -> Path:
    """Multiples of a field, by py-pde's own writer."""
    storage = pde.FileStorage(str(path), write_mode="truncate", info={"nu": 0.3})
    storage.start_writing(field)
    for number in range(frames):
        storage.append(field * (number + 1), number * 0.5)
    if close:
        storage.end_writing()
    storage.close()
    return path


def read(path: Path, **data: Any) -> tuple[RawFileInfo, dict[str, np.ndarray]]:
    with open_raw(path, experiment(path.parent, **data).data) as raw:
        blocks = list(raw.frames(0))
        return raw.info, {n: np.concatenate([b[n] for b in blocks]) for n in blocks[0]}


def scalar(grid: Any = BOX, label: str | None = None) -> Any:
    return pde.ScalarField(grid, np.random.default_rng(0).normal(size=grid.shape), label=label)


def vector(grid: Any = BOX, label: str | None = "w") -> Any:
    values = np.random.default_rng(1).normal(size=(len(grid.shape), *grid.shape))
    return pde.VectorField(grid, values, label=label)


def test_a_collection_equals_what_py_pde_reads(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", pde.FieldCollection([scalar(label="c"), vector()]))
    info, fields = read(path, fields=["c", "w"])
    assert (info.num_frames, info.dt, info.grid.is_periodic) == (4, 0.5, True)
    assert (info.grid.lower, info.grid.upper) == (pytest.approx((0, -1)), pytest.approx((2, 1)))
    for number, stored in enumerate(pde.FileStorage(str(path), write_mode="read_only")):
        np.testing.assert_array_equal(fields["c"][number, 0], stored[0].data)
        np.testing.assert_array_equal(fields["w"][number], stored[1].data)


def test_single_fields_and_fields_without_a_name(tmp_path: Path) -> None:
    line = pde.UnitGrid([8], periodic=True)
    info, fields = read(write(tmp_path / "a.hdf5", scalar(line)))
    assert (info.grid.lower, info.grid.upper) == ((0.0,), (8.0,))
    np.testing.assert_array_equal(fields["u"][1, 0], 2 * scalar(line).data)
    _, fields = read(write(tmp_path / "b.hdf5", vector()), fields=["w"])
    np.testing.assert_array_equal(fields["w"][2], 3 * vector().data)
    both = pde.FieldCollection([scalar(), vector(label=None)])
    _, fields = read(write(tmp_path / "c.hdf5", both), fields=["c", "flow"])
    np.testing.assert_array_equal(fields["flow"][0], both[1].data)


def test_numbers_of_the_storage_can_be_known_parameters(tmp_path: Path) -> None:
    data = experiment(tmp_path, known_parameters={"viscosity": "nu"}).data
    with open_raw(write(tmp_path / "a.h5", scalar()), data) as raw:
        assert raw.known(0)[0].values == 0.3


def test_walls_have_to_be_stated(tmp_path: Path) -> None:
    grid = pde.CartesianGrid([[0, 2], [0, 1]], [6, 5], periodic=[True, False])
    path = write(tmp_path / "a.h5", scalar(grid))
    with pytest.raises(RawDataError, match=r"not periodic along y.*\{x: periodic, y: zero-grad"):
        read(path)
    info, _ = read(path, boundary={"x": "periodic", "y": 0.0})
    assert info.grid.boundary == (("periodic", "periodic"), (0.0, 0.0))


def test_only_frames_that_were_written_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", scalar())
    with h5py.File(path, "a") as file:
        for name in ("data", "times"):
            file[name].resize(7, 0)
    assert read(path)[0].num_frames == 4


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", scalar(pde.PolarSymGrid(2.0, 8)))
    with pytest.raises(RawDataError, match=r"a\.h5: grid: a 'PolarSymGrid'; only Cartesian"):
        read(path)
    path = write(tmp_path / "b.h5", scalar())
    with h5py.File(path, "a") as file:
        del file.attrs["field_attributes"]
    with pytest.raises(RawDataError, match="the storage was not closed; call storage.end_writ"):
        read(path)
    path = write(tmp_path / "c.h5", scalar())
    with h5py.File(path, "a") as file:
        file.attrs["field_attributes"] = "[" * 10_000
    with pytest.raises(RawDataError, match=r"c\.h5: field_attributes: .* must be a mapping"):
        read(path)
