"""Sensor files: fixed and moving sensors, and files that do not fit the simulation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.observations.sensors import SensorReadings, read_sensors
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.errors import ConfigError, RawDataError

GRID = Grid(
    ("x", "y"), (12, 9), (0.0, -1.0), (3.0, 1.0), ((PERIODIC, PERIODIC), (0.0, 0.0)), (False, True)
)  # fmt: skip
U, VELOCITY = FieldLayout("u"), FieldLayout("velocity", ("x", "y"))
TIMES = np.array([0.1, 0.25, 0.3, 0.9])
X = 1.5 + 0.4 * np.cos(np.arange(4)[:, None] + np.arange(3))
Y = np.array([-1.0, 0.2, 1.0])
READ = 10.0 * np.arange(4)[:, None] + np.arange(3)
ALONG = ("time", "sensor")
Variables = Mapping[str, tuple[tuple[str, ...], np.ndarray]]


def written(
    path: Path, variables: Variables, attrs: Mapping[str, Mapping[str, Any]] | None = None
) -> Path:
    """Write a sensor file; by default ``x`` moves and ``y`` is fixed."""
    whole: dict[str, Any] = {"time": (("time",), TIMES), "x": (ALONG, X), "y": (("sensor",), Y)}
    for name, (dims, values) in variables.items():
        whole[name] = (dims, values)
    dataset = xr.Dataset({name: entry for name, entry in whole.items() if entry[1] is not None})
    for name, own in (attrs or {}).items():
        dataset[name].attrs.update(own)
    dataset.to_netcdf(path, engine="netcdf4")
    return path


def read(path: Path, *layouts: FieldLayout, **options: Any) -> SensorReadings:
    return read_sensors(path, GRID, layouts or (U,), (0.0, 1.0), **options)


def test_moving_and_fixed_positions_and_values_are_read(tmp_path: Path) -> None:
    readings = read(written(tmp_path / "s.nc", {"u": (ALONG, READ)}))
    assert (readings.times == TIMES).all()
    assert readings.positions.shape == (4, 3, 2)
    assert (readings.positions[..., 0] == X).all()
    assert (readings.positions[..., 1] == Y).all()
    assert list(readings.values) == ["u"] and (readings.values["u"] == READ).all()
    assert readings.values["u"].dtype == readings.positions.dtype == np.float64


def test_dimensions_come_in_any_order(tmp_path: Path) -> None:
    turned = {"u": (("sensor", "time"), READ.T), "x": (("sensor", "time"), X.T)}
    readings = read(written(tmp_path / "s.nc", turned))
    assert (readings.values["u"] == READ).all()
    assert (readings.positions[..., 0] == X).all()


def test_missing_readings_are_nan_and_their_positions_do_not_matter(tmp_path: Path) -> None:
    values, x = READ.copy(), X.copy()
    values[1, 2] = -999.0
    x[1, 2] = np.nan
    values[2, 0], x[2, 0] = np.nan, 50.0  # the sensor has left the domain
    path = written(
        tmp_path / "s.nc", {"u": (ALONG, values), "x": (ALONG, x)}, {"u": {"missing_value": -999.0}}
    )
    readings = read(path)
    assert np.argwhere(np.isnan(readings.values["u"])).tolist() == [[1, 2], [2, 0]]
    assert readings.positions[1, 2].tolist() == readings.positions[2, 0].tolist() == [1.5, 0.0]
    assert (np.delete(readings.positions[..., 0], [5, 6]) == np.delete(X, [5, 6])).all()


def test_positions_beside_the_box_are_wrapped_along_a_periodic_axis(tmp_path: Path) -> None:
    """A box begins half a cell, here 0.125, before its first point."""
    x = X.copy()
    x[0, 0], x[1, 1] = -0.1, 3.1
    readings = read(written(tmp_path / "s.nc", {"u": (ALONG, READ), "x": (ALONG, x)}))
    assert readings.positions[0, 0, 0] == pytest.approx(2.9)
    assert readings.positions[1, 1, 0] == pytest.approx(0.1)


def test_packed_numbers_are_unpacked(tmp_path: Path) -> None:
    packed = (READ * 2).astype(np.int16)
    path = written(
        tmp_path / "s.nc", {"u": (ALONG, packed)}, {"u": {"scale_factor": 0.5, "add_offset": 7.0}}
    )
    assert read(path).values["u"] == pytest.approx(READ + 7)


def test_vectors_have_their_components_in_ascending_order(tmp_path: Path) -> None:
    both = np.stack([READ + 100, READ], axis=1)  # y first
    path = written(
        tmp_path / "axis.nc",
        {
            "velocity": (("time", "component", "sensor"), both),
            "component": (("component",), np.array(["y", "x"])),
        },
    )
    apart = {"velocity_y": (ALONG, READ + 100), "velocity_x": (ALONG, READ)}
    named = {"vy": (ALONG, READ + 100), "vx": (ALONG, READ)}
    data = DataParams(variables={"velocity": ["vx", "vy"]})
    for readings in (
        read(path, VELOCITY),
        read(written(tmp_path / "apart.nc", apart), VELOCITY),
        read(written(tmp_path / "named.nc", named), VELOCITY, data=data),
    ):
        assert readings.values["velocity"].shape == (4, 3, 2)
        assert (readings.values["velocity"][..., 0] == READ).all()
        assert (readings.values["velocity"][..., 1] == READ + 100).all()


def test_one_dimension_needs_no_component_axis(tmp_path: Path) -> None:
    grid = Grid(("x",), (12,), (0.0,), (3.0,), ((PERIODIC, PERIODIC),), (False,))
    path = written(tmp_path / "s.nc", {"u": (ALONG, READ)})
    readings = read_sensors(path, grid, [FieldLayout("u", ("x",))], (0.0, 1.0))
    assert (readings.values["u"][..., 0] == READ).all()
    assert (readings.positions[..., 0] == X).all()


def test_a_field_that_is_not_measured_may_be_absent(tmp_path: Path) -> None:
    path = written(tmp_path / "s.nc", {"u": (ALONG, READ)})
    assert list(read(path, U, VELOCITY).values) == ["u"]
    more = written(tmp_path / "t.nc", {"u": (ALONG, READ), "quality": (ALONG, READ)})
    assert list(read(more, U).values) == ["u"]  # additional variables are allowed


def test_every_simulation_has_its_own_sample(tmp_path: Path) -> None:
    sets = np.stack([READ, READ + 1000])
    variables = {
        "u": (("sample", *ALONG), sets),
        "x": (("sample", *ALONG), np.stack([X, X / 2])),
    }
    path = written(tmp_path / "s.nc", variables)
    for simulation in (0, 1):
        readings = read(path, simulation=simulation)
        assert (readings.values["u"] == sets[simulation]).all()
        assert (readings.positions[..., 0] == X / (simulation + 1)).all()
    with pytest.raises(ConfigError, match=r"no readings of simulation 2; .* first 2"):
        read(path, simulation=2)
    single = written(tmp_path / "t.nc", {"u": (ALONG, READ)})
    with pytest.raises(ConfigError, match=r"no readings of simulation 1; .* first 1.*'sample'"):
        read(single, simulation=1)


@pytest.mark.parametrize(
    ("attrs", "data"),
    [({"time": {"units": "hours since 2001-01-01"}}, None), ({}, DataParams(time_unit="h"))],
)
def test_times_are_converted_as_those_of_the_data(
    tmp_path: Path, attrs: dict[str, Any], data: DataParams | None
) -> None:
    path = written(tmp_path / "s.nc", {"u": (ALONG, READ)}, attrs)
    readings = read_sensors(path, GRID, [U], (0.0, 3600.0), data)
    assert readings.times == pytest.approx(TIMES * 3600, rel=1e-12)


def test_dimension_names_of_the_data_apply_to_sensor_files(tmp_path: Path) -> None:
    path = written(tmp_path / "s.nc", {"u": (ALONG, READ)})
    with xr.open_dataset(path) as dataset:
        dataset.rename({"time": "when"}).to_netcdf(tmp_path / "renamed.nc", engine="netcdf4")
    data = DataParams(dims={"time": "when", "x": "x"})
    assert (read(tmp_path / "renamed.nc", data=data).values["u"] == READ).all()


def test_rounding_of_single_precision_is_not_outside(tmp_path: Path) -> None:
    grid = Grid(("x",), (5,), (0.0,), (0.3,), ((0.0, 0.0),), (True,))
    x = np.full(3, 0.3, dtype=np.float32)
    assert float(x[0]) > 0.3
    times = np.array([0.1, 0.15, 0.2, 0.3], dtype=np.float32)
    variables = {"x": (("sensor",), x), "u": (ALONG, READ), "time": (("time",), times)}
    readings = read_sensors(written(tmp_path / "s.nc", variables), grid, [U], (0.1, 0.3))
    assert (readings.positions == 0.3).all()
    assert readings.times[-1] == 0.3


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"u": (ALONG, READ), "x": (ALONG, np.where(READ == 21, 4.1, X))},
            r"sensor 1 at t = 0.3: x = 4.1 lies outside the domain \[0, 3\].*periodic",
        ),
        (
            {"u": (ALONG, READ), "y": (("sensor",), Y - 0.5)},
            r"sensor 0 at t = 0.1: y = -1.5 lies outside the domain \[-1, 1\]",
        ),
        (
            {"u": (ALONG, READ), "x": (ALONG, np.where(READ == 21, np.nan, X))},
            r"sensor 1 at t = 0.3: x = nan lies outside",
        ),
        (
            {"u": (ALONG, READ), "time": (("time",), TIMES - 0.2)},
            r"a reading at t = -0.1, but the frames are at 0 … 1",
        ),
        (
            {"u": (ALONG, READ), "time": (("time",), TIMES + 0.2)},
            r"a reading at t = 1.1, but the frames are at 0 … 1",
        ),
        ({"u": (ALONG, READ), "time": (("time",), TIMES[::-1])}, r"the times must ascend"),
        ({"u": (ALONG, READ), "time": (("time",), None)}, r"'time' has no coordinate variable"),
        ({"u": (ALONG, READ), "y": (("sensor",), None)}, r"no positions along y; .*y\(sensor\)"),
        ({"U": (ALONG, READ)}, r"no variable 'u', but U; .*data.variables: \{u: …\}"),
        ({"x": (ALONG, X)}, r"no variable 'u', but no readings"),
        ({"u": (("time",), READ[:, 0])}, r"u\(time\): needs the dimensions time, sensor"),
        ({"u": (ALONG, READ * np.nan)}, r"all readings are missing"),
        ({"u": (("time", "station"), READ), "x": (("station",), Y), "y": (("station",), Y)},
         r"needs the dimensions 'time' and 'sensor', and has station, time"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_rejected(
    tmp_path: Path, variables: Variables, message: str
) -> None:
    path = written(tmp_path / "wrong.nc", variables)
    with pytest.raises(ConfigError, match=r"^data.observations.sensors: .*wrong\.nc") as raised:
        read(path)
    assert raised.match(message)


def test_a_second_misspelt_field_is_not_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / "s.nc", {"u": (ALONG, READ), "V": (ALONG, READ)})
    with pytest.raises(ConfigError, match=r"no variable 'v', but V;"):
        read(path, U, FieldLayout("v"))


def test_components_different_from_the_data_are_rejected(tmp_path: Path) -> None:
    path = written(tmp_path / "s.nc", {"velocity": (ALONG, READ)})
    with pytest.raises(ConfigError, match=r"velocity: has the components \[\], .*\['x', 'y'\]"):
        read(path, VELOCITY)


def test_files_that_are_absent_damaged_or_infinite_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file .*nowhere\.nc"):
        read(tmp_path / "nowhere.nc")
    (tmp_path / "text.nc").write_text("t,u\n")
    with pytest.raises(RawDataError, match=r"text\.nc: cannot be read"):
        read(tmp_path / "text.nc")
    values = READ.copy()
    values[0, 0] = np.inf
    path = written(tmp_path / "infinite.nc", {"u": (ALONG, values)})
    with pytest.raises(RawDataError, match=r"infinite\.nc: u: holds values that are not finite"):
        read(path)
