"""Reading of HDF5 files in the layout of The Well."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hybrid_pde.data.raw_files.formats import open_raw
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.errors import RawDataError
from tests.unit.raw_files import cells, experiment

TIMES = np.arange(4) * 0.5
X, Y = cells(6, 3.0), cells(5)
A = np.random.default_rng(0).normal(size=(2, 4, 6, 5)).astype(np.float32)
V = np.stack([A, 3 * A], -1)
D = np.stack([A, 2 * A, 3 * A, 4 * A], -1).reshape(2, 4, 6, 5, 2, 2)
STATIC = {"sample_varying": False, "time_varying": False}
Edit = Callable[[h5py.File], Any]


def put(group: h5py.Group, name: str, values: np.ndarray, **attrs: Any) -> None:
    """A field, as the specification describes it."""
    group[name] = values
    whole = {"dim_varying": [True, True], "sample_varying": True, "time_varying": True}
    group[name].attrs.update({**whole, **attrs})


def condition(
    file: h5py.File, name: str, axis: str, kind: str, sides: tuple[int, ...] = (0, -1), **more: Any
) -> None:
    group = file.require_group("boundary_conditions").create_group(name)
    mask = np.zeros(len(file[f"dimensions/{axis}"]), bool)
    mask[list(sides)] = True
    values = more.pop("values", np.zeros(0, np.float32))
    fields = more.pop("associated_fields", np.array([], dtype="S1"))
    group.attrs.update(associated_dims=[axis], associated_fields=fields, bc_type=kind, **STATIC)
    group["mask"], group["values"] = mask, values


def write(path: Path, edit: Edit = lambda file: None, *, walls: bool = True) -> Path:
    """Two trajectories in two dimensions, with fields of every rank."""
    with h5py.File(path, "w") as file:
        file.attrs.update(dataset_name="made", grid_type="cartesian", n_spatial_dims=2)
        file.attrs.update(n_trajectories=2, simulation_parameters=["F"], F=0.04)
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        for name, points in {"time": TIMES, "x": X, "y": Y}.items():
            dimensions[name] = points.astype(np.float32)
            dimensions[name].attrs["sample_varying"] = False
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = ["nu", "one", "forcing"]
        for name, values, sample, time in (
            ("nu", [0.1, 0.2], True, False), ("one", [0.7], False, False),
            ("forcing", TIMES, False, True),
        ):  # fmt: skip
            scalars[name] = np.array(values, np.float32)
            scalars[name].attrs.update(sample_varying=sample, time_varying=time)
        t0, t1, t2 = (file.create_group(f"t{rank}_fields") for rank in range(3))
        put(t0, "A", A)
        put(t0, "height", A[0, 0], **STATIC)
        put(t0, "absent", A[0, 0, 0], dim_varying=[False, True], **STATIC)
        put(t0, "single", A[:, 0, :1, :, None], dim_varying=[False, True], time_varying=False)
        put(t1, "v", V)
        put(t2, "D", D, symmetric=False, antisymmetric=False)
        if walls:
            condition(file, "x_periodic", "x", "PERIODIC")
            condition(file, "y_wall", "y", "WALL")
        edit(file)
    return path


def read(path: Path, sample: int = 1, **data: Any) -> tuple[RawFileInfo, dict[str, np.ndarray]]:
    with open_raw(path, experiment(path.parent, **data).data) as raw:
        blocks = list(raw.frames(sample))
        found = {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}
        return raw.info, {**found, **raw.static(sample)}


def test_trajectories_and_fields_equal_a_plain_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5")
    info, fields = read(path, fields=["A", "v", "D_xy"], boundary="periodic")
    assert (info.num_samples, info.num_frames, info.dt) == (2, 4, 0.5)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(fields["A"][:, 0], file["t0_fields/A"][1])
        np.testing.assert_array_equal(fields["v"], np.moveaxis(file["t1_fields/v"][1], -1, 1))
        np.testing.assert_array_equal(fields["D_xy"][:, 0], file["t2_fields/D"][1, ..., 0, 1])
    assert info.layouts[1].components == ("x", "y")


def test_fields_that_do_not_vary_along_an_axis_are_repeated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5")
    _, fields = read(path, fields=["A", "height", "absent", "single"])
    np.testing.assert_array_equal(fields["height"][0], A[0, 0])
    np.testing.assert_array_equal(fields["absent"][0], np.broadcast_to(A[0, 0, 0], (6, 5)))
    np.testing.assert_array_equal(fields["single"][0], np.broadcast_to(A[1, 0, :1], (6, 5)))
    select = {"crop": {"x": [0.5, None], "y": [0.3, None]}}
    info, cropped = read(path, fields=["A", "absent", "single"], select=select, boundary=0.0)
    assert info.grid.shape == (5, 4)
    np.testing.assert_array_equal(cropped["absent"][0], fields["absent"][0, 1:, 1:])
    np.testing.assert_array_equal(cropped["single"][0], fields["single"][0, 1:, 1:])


def test_components_follow_the_order_of_the_axes(tmp_path: Path) -> None:
    def swap(file: h5py.File) -> None:
        file["dimensions"].attrs["spatial_dims"] = ["y", "x"]
        del file["t0_fields"], file["t1_fields/v"], file["t2_fields"]
        put(file["t1_fields"], "v", V.swapaxes(2, 3))

    _, fields = read(write(tmp_path / "a.hdf5", swap), fields=["v"], boundary="periodic")
    np.testing.assert_array_equal(fields["v"], np.moveaxis(V[1][..., ::-1], -1, 1))


def test_scalars_and_root_parameters_can_be_known_parameters(tmp_path: Path) -> None:
    known = {"viscosity": "nu", "feed": "F", "one": "one", "forcing": "forcing"}
    data = experiment(tmp_path, fields=["A"], known_parameters=known).data
    with open_raw(write(tmp_path / "a.hdf5"), data) as raw:
        for sample, nu in enumerate((0.1, 0.2)):
            values = [each.values for each in raw.known(sample)]
            assert values[:3] == pytest.approx([nu, 0.04, 0.7])
            assert values[3] == tuple(TIMES)


@pytest.mark.parametrize(
    ("fields", "edit", "expected"),
    [
        (["A"], lambda file: None, ("zero-gradient", "zero-gradient")),
        (["v"], lambda file: None, (0.0, 0.0)),
        (["A"], lambda f: f["boundary_conditions/y_wall"].attrs.update(bc_type="OPEN"),
         ("zero-gradient", "zero-gradient")),
        (["A", "v"], lambda f: f["boundary_conditions/y_wall"].attrs.update(bc_type="periodic"),
         ("periodic", "periodic")),
    ],
)  # fmt: skip
def test_boundaries_are_taken_from_the_file(
    tmp_path: Path, fields: list[str], edit: Edit, expected: tuple[Any, Any]
) -> None:
    info, _ = read(write(tmp_path / "a.hdf5", edit), fields=fields)
    assert info.grid.boundary == (("periodic", "periodic"), expected)
    assert info.boundary_stated


def test_walls_with_values_on_each_side(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        condition(file, "x", "x", "OPEN")
        condition(file, "low", "y", "WALL", (0,), values=[1.5], associated_fields=["A"])
        condition(file, "high", "y", "WALL", (-1,), values=[-0.5], associated_fields=["A"])
        condition(file, "other", "y", "WALL", values=[9.0], associated_fields=["v"])

    info, _ = read(write(tmp_path / "a.hdf5", edit, walls=False), fields=["A"])
    assert info.grid.boundary == (("zero-gradient", "zero-gradient"), (1.5, -0.5))


def test_a_file_without_conditions_is_announced_as_periodic(tmp_path: Path) -> None:
    info, _ = read(write(tmp_path / "a.hdf5", walls=False), fields=["A"])
    assert info.grid.is_periodic
    assert not info.boundary_stated


def obstacle(file: h5py.File) -> None:
    mask = np.zeros(5, bool)
    mask[2] = True
    file["boundary_conditions/y_wall/mask"][:] = mask


@pytest.mark.parametrize(
    ("fields", "edit", "message"),
    [
        (["A"], lambda f: f.attrs.update(grid_type="spherical"), "only cartesian grids are read"),
        (["A", "v"], lambda f: None, "a wall without values is 0 for vectors"),
        (["A"], obstacle, "y_wall: holds inside the domain"),
        (["A"], lambda f: condition(f, "again", "y", "WALL", values=[2.0]),
         "all fields of an experiment have one condition there"),
        (["A"], lambda f: f["boundary_conditions"].pop("x_periodic"),
         "no condition for the lower side of x"),
        (["A"], lambda f: f["boundary_conditions/x_periodic"].attrs.update(bc_type="SLIP"),
         "bc_type is 'slip'; known: PERIODIC, WALL, OPEN"),
        (["A"], lambda f: f["t0_fields/A"].attrs.update(sample_varying=False), "t0_fields/A: its"),
        (["A"], lambda f: f["dimensions"].pop("x"), "dimensions/x: absent"),
        (["A"], lambda f: f["dimensions"].pop("time"), "dimensions/time: absent"),
        (["A"], lambda f: f.attrs.pop("n_trajectories"), "no attribute n_trajectories"),
        (["B"], lambda f: None, "data.fields: no variable 'B'"),
        (["A"], lambda f: f["t0_fields"].__setitem__("link", h5py.ExternalLink("b.h5", "/u")),
         "t0_fields/link: a link to another file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    tmp_path: Path, fields: list[str], edit: Edit, message: str
) -> None:
    path = write(tmp_path / "a.hdf5", edit)
    with pytest.raises(RawDataError, match=message) as error:
        read(path, fields=fields)
    assert str(error.value).startswith(f"{path}: ")
