"""Reading of NetCDF files in different layouts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_pde.data.raw_files.formats import open_raw
from hybrid_pde.data.raw_files.guards import MAX_ENTRIES_AT_ONCE
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.domain.grid import FieldLayout, axis_points
from hybrid_pde.errors import ConfigError, RawDataError
from tests.unit.raw_files import cells, experiment, shared_file, wave, write_file

TIMES = np.arange(4) * 0.5
X = cells(6, 3.0)
Y = cells(4, 1.0)
U = wave(TIMES, X, Y)


def read(path: Path, sample: int = 0, **data: Any) -> tuple[RawFileInfo, dict[str, np.ndarray]]:
    with open_raw(path, experiment(path.parent, **data).data) as raw:
        blocks = list(raw.frames(sample))
        fields = {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}
        return raw.info, {**fields, **raw.static(sample)}


def test_a_long_series_is_read_in_pieces(tmp_path: Path) -> None:
    times = np.arange(MAX_ENTRIES_AT_ONCE + 5) * 0.5
    path = write_file(
        tmp_path / "a.nc", {"time": times, "x": X}, {"u": (("time", "x"), wave(times, X))}
    )
    with open_raw(path, experiment(tmp_path).data) as raw:
        blocks = [block["u"] for block in raw.frames(0)]
        np.testing.assert_array_equal(raw.times, times)
    assert [len(block) for block in blocks] == [MAX_ENTRIES_AT_ONCE, 5]
    expected = wave(times, X).astype(np.float32)
    np.testing.assert_array_equal(np.concatenate(blocks)[:, 0], expected)


@pytest.mark.parametrize("file_format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_DATA", "NETCDF4"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_any_order_of_dimensions_and_version(
    tmp_path: Path, order: tuple[int, ...], file_format: str
) -> None:
    dims = [("time", "x", "y")[place] for place in order]
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "y": Y, "x": X},
        {"u": (dims, U.transpose(order))},
        file_format=file_format,
        unlimited=["time"] if dims[0] == "time" else [],
    )
    info, fields = read(path)
    assert info.grid.axes == ("x", "y")
    assert info.grid.shape == (6, 4)
    assert info.grid.lower == pytest.approx((0, 0), abs=1e-12)
    assert info.grid.upper == pytest.approx((3, 1))
    assert (info.num_frames, info.dt, info.num_samples) == (4, 0.5, 1)
    np.testing.assert_allclose(fields["u"][:, 0], U, rtol=1e-6)


def test_descending_axes_are_flipped(tmp_path: Path) -> None:
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": X[::-1], "y": Y[::-1]},
        {"u": (("time", "x", "y"), U[:, ::-1, ::-1])},
    )
    info, fields = read(path)
    assert info.grid.upper == pytest.approx((3, 1))
    np.testing.assert_allclose(fields["u"][:, 0], U, rtol=1e-6)


@pytest.mark.parametrize("names", [["u", "v"], ["velocity_x", "velocity_y"]])
def test_vector_from_component_variables(tmp_path: Path, names: list[str]) -> None:
    dims = ("time", "x", "y")
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": X, "y": Y},
        {names[1]: (dims, -U), names[0]: (dims, U), "other": (("time",), TIMES)},
    )
    variables = {"velocity": names} if names[0] == "u" else {}
    info, fields = read(path, fields=["velocity"], variables=variables)
    assert info.layouts == (FieldLayout("velocity", ("x", "y")),)
    np.testing.assert_allclose(fields["velocity"], np.stack([U, -U], 1), rtol=1e-6)


def test_named_components_are_sorted(tmp_path: Path) -> None:
    dims = ("time", "x", "y")
    variables = {"wy": (dims, -U), "wx": (dims, U)}
    path = write_file(tmp_path / "a.nc", {"time": TIMES, "x": X, "y": Y}, variables)
    _, fields = read(path, fields=["w"], variables={"w": ["wy", "wx"]})
    np.testing.assert_allclose(fields["w"][:, 0], U, rtol=1e-6)


@pytest.mark.parametrize("labels", [["x", "y"], ["y", "x"], None])
@pytest.mark.parametrize("name", ["vector", "component", "channel", "dir"])
def test_vector_from_component_axis(tmp_path: Path, name: str, labels: list[str] | None) -> None:
    components = [U, -U] if labels != ["y", "x"] else [-U, U]
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": X, "y": Y, name: np.array(labels) if labels else 2},
        {"velocity": (("time", "x", "y", name), np.stack(components, -1))},
    )
    dims = {"vector": name} if name == "dir" else {}
    info, fields = read(path, fields=["velocity"], dims=dims)
    assert info.layouts[0].components == ("x", "y")
    np.testing.assert_allclose(fields["velocity"], np.stack([U, -U], 1), rtol=1e-6)


def test_samples_and_static_fields(tmp_path: Path) -> None:
    path = write_file(
        tmp_path / "a.nc",
        {"sample": 3, "time": TIMES, "x": X, "y": Y},
        {
            "u": (("sample", "time", "x", "y"), np.stack([U, 2 * U, 3 * U])),
            "k": (("x", "y"), U[1]),
            "m": (("y", "sample", "x"), np.stack([U[0].T, U[1].T, U[2].T], 1)),
        },
    )
    info, fields = read(path, sample=2, fields=["k", "u", "m"])
    assert info.num_samples == 3
    assert [layout.static for layout in info.layouts] == [True, False, True]
    np.testing.assert_allclose(fields["u"][:, 0], 3 * U, rtol=1e-6)
    np.testing.assert_allclose(fields["k"][0], U[1], rtol=1e-6)
    np.testing.assert_allclose(fields["m"][0], U[2], rtol=1e-6)


def test_packed_masked_and_valid_range(tmp_path: Path) -> None:
    packed = np.arange(4 * 6, dtype=np.int16).reshape(4, 6)
    attrs = {"scale_factor": 0.5, "add_offset": 10.0, "_FillValue": np.int16(-1)}
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": X},
        {"u": (("time", "x"), packed)},
        attrs={"u": attrs},
    )
    _, fields = read(path)
    np.testing.assert_array_equal(fields["u"][:, 0], packed * 0.5 + 10)
    hole = packed.copy()
    hole[2, 3] = -1
    for values, extra in ((hole, attrs), (packed, {"valid_range": np.int16([0, 14])})):
        write_file(
            path,
            {"time": TIMES, "x": X},
            {"u": (("time", "x"), values)},
            attrs={"u": extra},
        )
        with pytest.raises(RawDataError, match=r"a\.nc: u: missing .* time index 2 \(t = 1\), x "):
            read(path)


def test_values_never_written_are_missing(tmp_path: Path) -> None:
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": X},
        {"u": (("time", "x"), wave(TIMES[:3], X)), "w": (("time", "x"), wave(TIMES, X))},
        unlimited=["time"],
    )
    with pytest.raises(RawDataError, match="time index 3"):
        read(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_missing_value_names_place_in_the_file(tmp_path: Path, bad: float) -> None:
    values = U.copy()
    values[3, 1, 2] = bad
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": X[::-1], "y": Y},
        {"u": (("time", "x", "y"), values)},
    )
    place = r"single precision" if bad == 1e300 else r"index 3 .*x index 1 \(x = 2.25\), y index 2"
    with pytest.raises(RawDataError, match=place):
        read(path)
    _, fields = read(path, select={"time": [0.0, 1.0]})
    assert len(fields["u"]) == 3


@pytest.mark.parametrize(
    ("unit", "calendar", "seconds"),
    [
        ("hours since 1970-01-01", "360_day", 3600),
        ("days since 2000-02-30", "360_day", 86400),
        ("months since 2000-01-01", "360_day", 30 * 86400),
        ("years since 2000-01-01", "noleap", 365 * 86400),
        ("s", "standard", 1),
        ("msec", "standard", 1e-3),
        ("min", "standard", 60),
    ],
)
def test_time_units(tmp_path: Path, unit: str, calendar: str, seconds: float) -> None:
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": X},
        {"u": (("time", "x"), U[..., 0])},
        attrs={"time": {"units": unit, "calendar": calendar}},
    )
    if unit == "msec":
        with pytest.raises(RawDataError, match="no unit of time"):
            read(path)
        return
    assert read(path)[0].dt == pytest.approx(0.5 * seconds)


def test_time_unit_of_the_experiment(tmp_path: Path) -> None:
    variables = {"u": (("time", "x"), U[..., 0])}
    path = write_file(tmp_path / "a.nc", {"time": TIMES, "x": X}, variables)
    assert read(path)[0].dt == 0.5
    assert read(path, time_unit="hours")[0].dt == 1800
    with pytest.raises(ConfigError, match=r"data\.time_unit: 'parsec'"):
        read(path, time_unit="parsec")
    attrs = {"time": {"units": "days since 2000-01-01"}}
    write_file(path, {"time": TIMES, "x": X}, variables, attrs=attrs)
    with pytest.raises(RawDataError, match="time_unit is 'hours'"):
        read(path, time_unit="hours")
    attrs = {"time": {"units": "months since 2000-01-01"}}
    write_file(path, {"time": TIMES, "x": X}, variables, attrs=attrs)
    with pytest.raises(RawDataError, match="month has no fixed length .* data.time_unit"):
        read(path)
    assert read(path, time_unit="s")[0].dt == 0.5


def test_single_precision_times(tmp_path: Path) -> None:
    times = (1000 + 0.01 * np.arange(50)).astype(np.float32)
    path = write_file(
        tmp_path / "a.nc",
        {"time": times, "x": X},
        {"u": (("time", "x"), np.zeros((50, 6)))},
    )
    assert read(path)[0].dt == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0, 0.5, 1.0, 1.51], r"not uniform: from index 2 \(t = 1\) to index 3 \(t = 1.51\)"),
        ([0, 0.5, 0.5, 1.0], "duplicate times: from index 1"),
        ([0, 0.5, 0.25, 1.0], "decreasing times: from index 1"),
        ([3.0, 2.0, 1.0, 0.0], r"decreasing times: from 3 to 0; .*\(xarray: sortby\(\"time\"\)\)"),
        ([0, 0.5, np.nan, 1.0], "time: missing value at index 2"),
    ],
)
def test_times_that_are_not_uniform(tmp_path: Path, times: list[float], message: str) -> None:
    path = write_file(
        tmp_path / "a.nc",
        {"time": np.array(times), "x": X},
        {"u": (("time", "x"), U[..., 0])},
    )
    with pytest.raises(RawDataError, match=message):
        read(path)


def test_grid_that_is_not_uniform(tmp_path: Path) -> None:
    x = X.copy()
    x[4] += 0.01
    path = write_file(tmp_path / "a.nc", {"time": TIMES, "x": x}, {"u": (("time", "x"), U[..., 0])})
    with pytest.raises(RawDataError, match=r"x \(x\): the grid is not uniform: from index 3"):
        read(path)


def test_select(tmp_path: Path) -> None:
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": X[::-1], "y": Y},
        {"u": (("time", "x", "y"), U[:, ::-1])},
        attrs={"": {"boundary": "zero-gradient"}},
    )
    select = {"time": [0.5, None], "stride": 2, "crop": {"x": [0.5, 2.5]}, "coarsen": {"y": 2}}
    info, fields = read(path, select=select)
    assert (info.start, info.dt, info.num_frames) == (0.5, 1.0, 2)
    assert info.grid.shape == (4, 2)
    assert info.grid.lower == pytest.approx((0.5, 0))
    assert info.grid.upper == pytest.approx((2.5, 1))
    expected = U[1::2, 1:5].reshape(2, 4, 2, 2).mean(-1)
    np.testing.assert_allclose(fields["u"][:, 0], expected, rtol=1e-6)
    with pytest.raises(ConfigError, match=r"coarsen\.y: 3: 4 selected points"):
        read(path, select={"coarsen": {"y": 3}})
    with pytest.raises(ConfigError, match=r"crop\.x: \[7\.0, 9\.0\]: leaves 0"):
        read(path, select={"crop": {"x": [7, 9]}})
    with pytest.raises(ConfigError, match=r"crop\.z: no such axis"):
        read(path, select={"crop": {"z": [7, 9]}})
    with pytest.raises(RawDataError, match=r"1 frame\(s\) of 4"):
        read(path, select={"stride": 4})
    with pytest.raises(ConfigError, match="part of a periodic axis"):
        read(path, select={"crop": {"x": [0.5, 2.5]}}, boundary="periodic")


def test_streaming_gives_the_same_in_small_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_file(
        tmp_path / "a.nc", {"time": TIMES, "x": X, "y": Y}, {"u": (("time", "x", "y"), U)}
    )
    _, whole = read(path)
    monkeypatch.setattr("hybrid_pde.data.raw_files.labelled_file.BLOCK_BYTES", 3 * 8 * 24)
    with open_raw(path, experiment(tmp_path).data) as raw:
        blocks = [block["u"] for block in raw.frames(0)]
    assert [len(block) for block in blocks] == [3, 1]
    np.testing.assert_array_equal(np.concatenate(blocks), whole["u"])


def test_dimension_names(tmp_path: Path) -> None:
    path = write_file(
        tmp_path / "a.nc",
        {"t": TIMES, "dim0": X, "level": 1},
        {"u": (("t", "level", "dim0"), U[:, None, :, 0])},
    )
    with pytest.raises(RawDataError, match=r"u: its dimension 'dim0' .*data\.dims: {x: dim0}"):
        read(path)
    info, fields = read(path, dims={"x": "dim0"})
    assert info.grid.axes == ("x",)
    np.testing.assert_allclose(fields["u"][:, 0], U[..., 0], rtol=1e-6)
    with pytest.raises(ConfigError, match=r"data\.dims\.w: 'w' is unknown; allowed: time, x"):
        read(path, dims={"w": "dim0"})


def test_incomplete_files_are_rejected(tmp_path: Path) -> None:
    coordinates = {"time": TIMES, "x": X, "y": 4}
    variables: dict[str, Any] = {
        "u": (("time", "x"), U[..., 0]),
        "k": (("x",), X),
        "w": (("time", "x", "y"), U),
        "s": (("time", "x"), np.full((4, 6), "a")),
    }
    path = write_file(tmp_path / "a.nc", coordinates, variables)
    with pytest.raises(RawDataError, match=r"no variable 'q'; the file has .*u\(time, x\)"):
        read(path, fields=["q"])
    with pytest.raises(RawDataError, match=r"data\.variables\.u: no variable 'q'"):
        read(path, variables={"u": "q"})
    with pytest.raises(RawDataError, match="k: no time axis"):
        read(path, fields=["k"])
    with pytest.raises(RawDataError, match=r"y \(y\): no coordinate variable"):
        read(path, fields=["w"])
    with pytest.raises(RawDataError, match="u: has no y axis, which other"):
        read(path, fields=["w", "u"], domain={"y": [0, 1]})
    with pytest.raises(RawDataError, match="s: holds .*not real numbers"):
        read(path, fields=["s"])
    info, _ = read(path, fields=["w"], domain={"y": [0, 2]})
    assert info.grid.spacing == pytest.approx((0.5, 0.5))


def damage(path: Path, kind: str) -> None:
    content = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(content[: len(content) - 40])
    elif kind == "header only":
        path.write_bytes(content[:50])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "foreign":
        path.write_bytes(b"time,x,u\n0,1,2\n" * 50)
    else:
        path.unlink()
        path.mkdir() if kind == "directory" else path.symlink_to(path.name)


@pytest.mark.parametrize("file_format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_DATA", "NETCDF4"])
@pytest.mark.parametrize(
    "kind", ["truncated", "header only", "empty", "foreign", "directory", "loop"]
)
def test_damaged_files(tmp_path: Path, file_format: str, kind: str) -> None:
    path = write_file(
        tmp_path / "a.nc",
        {"time": TIMES, "x": X},
        {"u": (("time", "x"), U[..., 0])},
        file_format=file_format,
        unlimited=["time"],
    )
    read(path)
    damage(path, kind)
    with pytest.raises(RawDataError, match=r"a\.nc: "):
        read(path)


def test_real_burgers_file() -> None:
    info, fields = read(shared_file("pdefind_burgers.nc"))
    assert (info.num_frames, info.grid.shape, info.boundary_stated) == (101, (256,), False)
    assert info.dt == pytest.approx(0.1)
    assert info.grid.lower[0] == pytest.approx(-8.03125)
    assert info.grid.spacing[0] == pytest.approx(1 / 16)
    assert fields["u"].max() == pytest.approx(1.0, abs=1e-3)
    info, _ = read(shared_file("pdefind_burgers.nc"), domain={"x": [-8, 8]})
    assert axis_points(info.grid)["x"][0] == pytest.approx(-8), "the coordinate of the file"
    assert info.grid.upper[0] - info.grid.lower[0] == 16


def test_real_climate_file() -> None:
    path = shared_file("netcdf/iris_A1B_north_america.nc")
    settings = {"fields": ["air_temperature"], "dims": {"x": "longitude", "y": "latitude"}}
    info, fields = read(path, **settings, boundary="zero-gradient")
    assert info.dt == 360 * 86400
    assert (info.grid.shape, info.num_frames) == ((49, 37), 240)
    assert info.grid.spacing == pytest.approx((1.875, 1.25))
    assert 250 < fields["air_temperature"].min() < fields["air_temperature"].max() < 320


@pytest.mark.parametrize(
    ("name", "field", "message"),
    [
        ("iris_orca2_votemper.nc", "votemper", "dimension 'dim0'"),
        ("iris_atlantic_profiles.nc", "salinity", "dimension 'depth'|no time axis"),
        ("iris_rotated_pole.nc", "air_pressure_at_sea_level", "no time axis"),
        ("iris_SOI_Darwin.nc", "SOI_Darwin", "no spatial axis"),
    ],
)
def test_real_files_that_are_no_simulations(name: str, field: str, message: str) -> None:
    with pytest.raises(RawDataError, match=message):
        read(shared_file(f"netcdf/{name}"), fields=[field])
