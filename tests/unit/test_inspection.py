"""Inspection of raw files: equal to a plain read, with notes on what is odd."""

import json

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

import hybrid_pde
from hybrid_pde.command_line import app
from hybrid_pde.errors import RawDataError
from tests.unit import test_raw_well, test_raw_zarr
from tests.unit.raw_files import SHARED, cells, shared_file, write_file, write_simple

KEYS = {"format", "simulations", "fields", "axes", "time", "boundary", "parameters", "notes"}
TIMES = 0.1 * np.arange(5)


def inspected(capsys, *paths) -> dict:
    """Output of ``inspect --json``."""
    assert app.run(["inspect", "--json", *map(str, paths)]) == app.DONE
    found = json.loads(capsys.readouterr().out)
    assert {*found} == KEYS
    return found


def notes(path) -> str:
    return "\n".join(hybrid_pde.inspect(path).notes)


def test_plain_file_as_xarray_reads_it(tmp_path, capsys):
    x, y = cells(6, 3.0), cells(4, 1.0)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 4, 6))
    values[2, 1, 3] = np.nan
    units = {"u": {"units": "K"}, "x": {"units": "m"}, "y": {"units": "m"}, "time": {"units": "s"}}
    attrs = {**units, "": {"boundary": "zero-gradient", "nu": 0.25}}
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "y": y, "x": x},
        {"u": (("time", "y", "x"), values)},
        attrs=attrs,
    )
    found = inspected(capsys, path)
    assert found["format"] == "netcdf" and found["simulations"] == 1
    field = found["fields"]["u"]
    assert field["dims"] == ["time", "x", "y"] and field["shape"] == [5, 6, 4]
    assert field["unit"] == "K" and field["missing"] == 1
    assert (field["min"], field["max"]) == (np.nanmin(values), np.nanmax(values))
    assert field["mean"] == pytest.approx(np.nanmean(values), rel=1e-12)
    assert found["time"] == {"steps": 5, "dt": pytest.approx(0.1), "unit": "s"}
    axis = {"points": 6, "lower": 0.0, "upper": pytest.approx(3.0), "unit": "m", "nodes": False}
    assert found["axes"]["x"] == axis and [*found["axes"]] == ["x", "y"]
    assert found["boundary"] == "zero-gradient" and found["parameters"] == {"nu": 0.25}
    text = "\n".join(found["notes"])
    assert "u: 1 values are missing" in text
    assert "data.domain: {x: [0.25, 2.75]}" in text  # cell centres or nodes


@pytest.mark.parametrize("name", ["pdefind_burgers.nc", "netcdf/iris_A1B_north_america.nc"])
def test_shared_netcdf_equals_a_plain_read(name):
    path = shared_file(name)
    found = hybrid_pde.inspect(path).to_dict()
    with xr.open_dataset(path, decode_times=False) as plain:
        for field, each in found["fields"].items():
            values = plain[field].values
            assert sorted(each["shape"]) == sorted(values.shape)
            assert (each["min"], each["max"]) == (values.min(), values.max())
            assert each["mean"] == pytest.approx(values.mean(dtype=float), rel=1e-9)
            assert each["unit"].split() == plain[field].units.split()


def test_shared_hdf5_equals_a_plain_read():
    path = shared_file("2D_diff-react_official_params.h5")
    found = hybrid_pde.inspect(path).to_dict()
    with h5py.File(path) as file:
        values = np.stack([file[name]["data"][...] for name in sorted(file)])
    assert found["format"] == "hdf5-pdebench" and found["simulations"] == len(values)
    for channel in range(2):
        each = found["fields"][f"data[{channel}]"]
        assert each["shape"] == list(values.shape[1:4])
        assert (each["min"], each["max"]) == (
            values[..., channel].min(),
            values[..., channel].max(),
        )
    assert "single precision" in "\n".join(found["notes"])


@pytest.mark.parametrize(
    "name", sorted(p.name for p in (SHARED.parent / "cases").glob("*") if p.is_dir())
)
def test_shared_cases_are_inspected(name):
    found = hybrid_pde.inspect(SHARED.parent / "cases" / name / "raw")
    assert found.fields and not found.refused
    assert all(each["missing"] == 0 for each in found.fields.values())


@pytest.mark.parametrize(
    "name", ["netcdf/iris_SOI_Darwin.nc", "netcdf/iris_orca2_votemper.nc", "absent.nc"]
)
def test_file_without_a_field_is_one_sentence_with_its_name(name, capsys):
    path = shared_file(name) if name != "absent.nc" else name
    assert app.run(["inspect", str(path)]) == app.MENDABLE
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and str(path) in shown.err


def test_damaged_file_is_one_sentence_with_its_name(tmp_path, capsys):
    (tmp_path / "a.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    assert app.run(["inspect", str(tmp_path)]) == app.MENDABLE
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(tmp_path / "a.nc") in error


def test_folder_pattern_and_list_are_one_data_set(tmp_path):
    for number in range(3):
        write_simple(tmp_path / f"run_{number}.nc", shift=0.1 * number)
    (tmp_path / "notes.txt").write_text("a companion")
    of_folder = hybrid_pde.inspect(tmp_path)
    assert of_folder.simulations == 3
    assert hybrid_pde.inspect(str(tmp_path / "run_*.nc")) == of_folder
    assert hybrid_pde.inspect(sorted(tmp_path.glob("*.nc"))) == of_folder


def test_file_with_another_grid_is_noted_and_left_out(tmp_path):
    write_simple(tmp_path / "a.nc")
    write_simple(tmp_path / "b.nc", points=9)
    found = hybrid_pde.inspect(tmp_path)
    assert found.simulations == 1
    assert len(found.refused) == 1 and "b.nc" in found.refused[0]


def test_ensemble_with_parameters_of_its_members(tmp_path):
    x = cells(8)
    values = np.arange(3.0)[:, None, None] + np.cos(2 * np.pi * x) + TIMES[:, None]
    path = write_file(
        tmp_path / "a.nc",
        {"sample": 3, "time": TIMES, "x": x},
        {"u": (("sample", "time", "x"), values), "nu": (("sample",), np.array([0.1, 0.2, 0.4]))},
    )
    found = hybrid_pde.inspect(path)
    assert found.simulations == 3 and found.fields["u"]["shape"] == [5, 8]
    assert found.parameters == {"nu": [0.1, 0.2, 0.4]}
    assert found.fields["u"]["max"] == values.max()
    assert "3 simulations in one file" in notes(path)


def test_components_are_one_vector_field(tmp_path):
    x, y = cells(4), cells(5)
    dims, values = ("time", "x", "y"), np.random.default_rng(1).normal(size=(5, 4, 5))
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": x, "y": y},
        {"velocity_x": (dims, values), "velocity_y": (dims, 2 * values), "c": (dims, values)},
    )
    fields = hybrid_pde.inspect(path).fields
    assert [*fields] == ["velocity", "c"]
    assert fields["velocity"]["dims"] == ["time", "vector", "x", "y"]
    assert fields["velocity"]["shape"] == [5, 2, 4, 5]
    assert fields["velocity"]["max"] == (2 * values).max()


def test_dimensions_with_other_names_are_recognised_and_noted(tmp_path):
    path = write_file(
        tmp_path / "a.nc",
        {"member": 2, "time": TIMES, "lon": cells(4), "lat": cells(5)},
        {"u": (("member", "time", "lat", "lon"), np.random.default_rng(2).random((2, 5, 5, 4)))},
    )
    found = hybrid_pde.inspect(path)
    assert found.simulations == 2 and found.fields["u"]["shape"] == [5, 4, 5]
    assert found.settings.dims == {"x": "lon", "y": "lat", "sample": "member"}
    assert "set data.dims: {sample: member}" in notes(path)


def test_axes_and_times_that_are_not_uniform_are_noted(tmp_path):
    times = np.array([0.0, 0.1, 0.3, 0.4, 0.5])
    x = cells(8) ** 2
    path = write_file(
        tmp_path / "a.nc", {"time": times, "x": x}, {"u": (("time", "x"), np.ones((5, 8)))}
    )
    found = hybrid_pde.inspect(path)
    assert found.time["dt"] is None and found.axes["x"]["lower"] is None
    assert len(found.refused) == 2
    text = notes(path)
    assert "not usable as it is: a.nc: time: " in text and "the grid is not uniform" in text
    assert "u: constant, all values are 1" in text


def test_without_coordinates_the_ends_are_unknown(tmp_path):
    values = np.random.default_rng(3).random((5, 8))
    path = write_file(tmp_path / "a.nc", {"time": 5, "x": 8}, {"u": (("time", "x"), values)})
    found = hybrid_pde.inspect(path)
    assert found.time == {"steps": 5, "dt": None, "unit": ""}
    assert found.axes["x"]["upper"] is None and found.axes["x"]["points"] == 8
    assert "no coordinate variable" in notes(path)


def test_infinite_values_are_noted(tmp_path):
    values = np.ones((5, 8))
    values[3, 2] = np.inf
    path = write_file(
        tmp_path / "a.nc", {"time": TIMES, "x": cells(8)}, {"u": (("time", "x"), values)}
    )
    assert "infinite value at time index 3" in notes(path)


def test_boundary_that_is_none_is_noted(tmp_path):
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": cells(8)},
        {"u": (("time", "x"), np.eye(5, 8))},
        attrs={"": {"boundary": "reflecting"}},
    )
    assert "not usable as it is: a.nc: attribute boundary: 'reflecting'" in notes(path)


def test_variables_in_groups_only_are_named(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        group = file.createGroup("run_1")
        group.createDimension("x", 4)
        group.createVariable("u", "f8", ("x",))[:] = 1.0
    with pytest.raises(RawDataError, match=r"a\.nc: .*groups: run_1"):
        hybrid_pde.inspect(tmp_path / "a.nc")


def test_the_well_is_inspected_with_its_boundary(tmp_path):
    path = test_raw_well.write(tmp_path / "a.hdf5")
    found = hybrid_pde.inspect(path)
    assert (found.format, found.simulations) == ("hdf5-well", 2)
    assert found.boundary == {"x": "periodic", "y": "zero-gradient"}
    assert found.fields["v"]["dims"] == ["time", "vector", "x", "y"]
    assert {"D_xx", "D_yy"} <= {*found.fields}  # a tensor is no vector
    assert {*found.parameters} == {"nu", "F"}


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
def test_zarr_store_is_inspected(tmp_path):
    test_raw_zarr.labelled().to_zarr(tmp_path / "a.zarr")
    found = hybrid_pde.inspect(tmp_path / "a.zarr")
    assert (found.format, found.simulations) == ("zarr", 1)
    assert found.fields["u"]["max"] == float(test_raw_zarr.U.max())
    assert found.parameters == {"nu": 0.1} and found.boundary == "zero-gradient"
    assert hybrid_pde.inspect(tmp_path).fields == found.fields  # a folder of stores


def test_table_for_people(tmp_path, capsys):
    assert app.run(["inspect", str(write_simple(tmp_path / "a.nc"))]) == app.DONE
    shown = capsys.readouterr().out
    assert "netcdf: 1 simulation of 5 frame(s), " in shown
    assert "u      time, x  5 × 8" in shown and "cell centres" in shown
    assert "notes:\n- no boundary stated; taken as periodic" in shown


def test_ends_that_do_not_meet_are_noted(tmp_path):
    """A cosine between walls in x, periodic in y; the same in a box that is periodic in both."""
    x, y = ((np.arange(16) + 0.5) / 16, (np.arange(12) + 0.5) / 12)
    for name, waves in (("walls", 1), ("box", 2)):
        field = np.cos(np.pi * waves * x)[:, None] * np.cos(2 * np.pi * y - 0.3)
        values = np.stack([field, 0.9 * field])
        coordinates = {"time": [0.0, 0.1], "x": x, "y": y}
        xr.Dataset({"u": (("time", "x", "y"), values)}, coordinates).to_netcdf(
            tmp_path / f"{name}.nc"
        )
    said = "the values at the two ends of x do not meet"
    walls, box = (hybrid_pde.inspect(tmp_path / f"{name}.nc") for name in ("walls", "box"))
    assert walls.open_axes == ("x",) and box.open_axes == ()
    assert [said in note for note in walls.notes].count(True) == 1
    assert not any("do not meet" in note for note in box.notes)
    assert "open_axes" not in walls.to_dict()
