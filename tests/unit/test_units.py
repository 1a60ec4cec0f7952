"""Units, reference dates and directions of raw files: one system for all numbers of a data set."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_pde.config.checks.data import check_against_data
from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.data.cache.announcements import warn_of_conversions
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.cache.raw_index import RawIndex, build_index
from hybrid_pde.data.initial_states.states_from_file import StatesFromFile
from hybrid_pde.data.observations.sensors import read_sensors
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import ConfigError, RawDataError
from hybrid_pde.result_warnings import ResultWarning
from tests.unit.raw_files import cells, experiment, raw_path, wave, write_file

TIMES, X = np.arange(5) * 0.5, cells(8)
VALUES = wave(TIMES, X)
Attributes = dict[str, dict[str, Any]]


def written(
    root: Path, name: str = "a.nc", *, attrs: Attributes | None = None, **more: Any
) -> Path:
    """A file of the field ``u(time, x)`` with attributes, times from ``more['time']``."""
    times, axis = more.pop("time", TIMES), more.pop("axis", "x")
    along = more.pop("along", X)
    variables = {"u": (("time", axis), wave(times, along)), **more}
    return write_file(raw_path(root, name), {"time": times, axis: along}, variables, attrs=attrs)


def loaded(root: Path, **data: Any) -> DataManager:
    return DataManager.from_experiment(experiment(root, boundary="zero-gradient", **data))


def index_of(root: Path, **data: Any) -> RawIndex:
    return build_index(experiment(root, boundary="zero-gradient", **data))


def check(root: Path, equation: str = "DiffusionPDE", **data: Any) -> None:
    """Check an experiment with an equation against its data."""
    index = index_of(root, **data)
    section = {"dset_name": "heat", "fields": ["u"], "boundary": "zero-gradient", **data}
    learned = {"DiffusionPDE": "diffusivity", "AdvectionDiffusionPDE": "diffusivity"}
    whole = parse_experiment(
        {
            "project_root": str(root),
            "run_params": {"model_type": "physical"},
            "data": section,
            "model": {"physical": {"name": equation}},
            "trainer_params": {
                "train_sim": [0],
                "test_sim": [],
                "num_predict_steps": 2,
                "learnable_parameters": [{"name": learned[equation], "initial_guess": 0.1}],
            },
        }
    )
    frames = [index.num_frames(i) for i in range(index.num_simulations)]
    check_against_data(
        whole, "exp.yaml", index.layouts, frames, index.grid, index.known, index.units
    )


# ---- one unit of length and of time


@pytest.mark.parametrize(
    ("axis", "unit", "time", "factor", "target"),
    [
        ("km", "m/s", "s", 1e-3, "km s-1"),
        ("m", "km/h", "hours", 1 / 3.6, "m s-1"),
        ("mm", "cm2 s-1", "s", 100.0, "mm2 s-1"),
        ("km", "m day-1", "days since 2000-01-01", 1e-3 / 86400, "km s-1"),
        ("m", "m s-1", "s", 1.0, "m s-1"),
        ("m", "K", "s", 1.0, "K"),
        ("km", "hPa", "s", 1.0, "hPa"),
        ("km", "mm", "s", 1.0, "mm"),  # a thickness, without a velocity beside it
        ("km", "years", "s", 1.0, "years"),  # an age
        ("km", "day-1", "s", 1 / 86400, "s-1"),
        ("km", "no unit at all", "s", 1.0, "no unit at all"),
    ],
)
def test_fields_of_lengths_and_times_are_in_the_units_of_the_axes(
    tmp_path: Path, axis: str, unit: str, time: str, factor: float, target: str
) -> None:
    attrs = {"x": {"units": axis}, "u": {"units": unit}, "time": {"units": time}}
    written(tmp_path, attrs=attrs)
    store = loaded(tmp_path)
    np.testing.assert_allclose(store.load(0).fields["u"][:, 0], factor * VALUES, rtol=1e-6)
    assert store.grid.upper == (1.0,)
    units = store.header(0).units
    assert (units.length, units.time, units.of("u")) == (axis, "s", target)
    assert units.concrete("length²/time") == f"{axis}²/s"
    of_file = {"hours": "hour", "days since 2000-01-01": "day"}.get(time, "")
    shown = units.in_files("length²/time")
    assert (shown[0] if shown else "") == (f"{axis}²/{of_file}" if of_file else "")


@pytest.mark.parametrize(
    ("unit", "shown", "factor"),
    [
        ("length²/time", "km²/day", 86400.0),
        ("length/time²", "km/day²", 86400.0**2),
        ("1/(time·n)", "1/(day·n)", 86400.0),
        ("time", "day", 1 / 86400),
    ],
)
def test_numbers_with_the_files_unit_of_time(unit: str, shown: str, factor: float) -> None:
    units = StatedUnits(length="km", time="s", time_of_files="day", seconds_of_files=86400.0)
    assert units.in_files(unit) == (shown, pytest.approx(factor))
    assert units.in_files("length") is None
    assert units.shown_time == ("day", pytest.approx(1 / 86400))
    assert StatedUnits(length="km", time="s").in_files(unit) is None


def test_axes_are_in_the_unit_of_the_first_one(tmp_path: Path) -> None:
    values = wave(TIMES, X, cells(4, 2000.0))
    write_file(
        raw_path(tmp_path),
        {"time": TIMES, "x": X, "y": cells(4, 2000.0)},
        {"u": (("time", "x", "y"), values)},
        attrs={"x": {"units": "km"}, "y": {"units": "m"}},
    )
    grid = index_of(tmp_path).grid
    assert (grid.lower, grid.upper) == ((0.0, 0.0), (1.0, 2.0))


def test_without_units_nothing_is_converted(tmp_path: Path) -> None:
    written(tmp_path)
    assert index_of(tmp_path).units == StatedUnits()
    assert StatedUnits().concrete("length²/time") == "length²/time"


def test_components_of_different_units(tmp_path: Path) -> None:
    values = wave(TIMES, X, cells(4))
    dims = ("time", "x", "y")
    write_file(
        raw_path(tmp_path),
        {"time": TIMES, "x": X, "y": cells(4)},
        {"v_x": (dims, values), "v_y": (dims, 100 * values)},
        attrs={"x": {"units": "m"}, "v_x": {"units": "m/s"}, "v_y": {"units": "cm/s"}},
    )
    found = loaded(tmp_path, fields=["v"]).load(0).fields["v"]
    np.testing.assert_allclose(found[:, 1], found[:, 0], rtol=1e-6)


def test_known_parameters_are_converted(tmp_path: Path) -> None:
    written(
        tmp_path,
        attrs={"x": {"units": "m"}, "nu": {"units": "cm2 s-1"}, "time": {"units": "s"}},
        nu=((), np.array(300.0)),
    )
    store = loaded(tmp_path, known_parameters={"viscosity": "nu"})
    assert float(store.load(0).known["viscosity"]) == pytest.approx(0.03, rel=1e-12)


def test_known_boundary_values_are_in_the_unit_of_the_field(tmp_path: Path) -> None:
    attrs = {"u": {"units": "K"}, "wall": {"units": "degC"}, "flow": {"units": "m/s"}}
    written(tmp_path, attrs=attrs, wall=((), np.array(20.0)), flow=((), np.array(1.0)))
    data = {"boundary": 293.0, "known_parameters": {"boundary.x.lower": "wall"}}
    store = DataManager.from_experiment(experiment(tmp_path, **data))
    assert float(store.load(0).known["boundary.x.lower"]) == pytest.approx(293.15)
    data["known_parameters"] = {"boundary.x.lower": "flow"}
    with pytest.raises(RawDataError, match=r"boundary\.x\.lower: in 'm/s' here, in 'K'"):
        build_index(experiment(tmp_path, **data))


def test_a_direction_of_nothing(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(ConfigError, match=r"data\.directions: 'v'"):
        index_of(tmp_path, directions={"v": "up"})


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"u": {"units": "degC"}}, None),
        ({"u": {"units": "m/s"}}, "u: in 'm/s' here, in 'K' in the data set's first file"),
        ({"u": {}}, None),
    ],
)
def test_files_are_in_the_units_of_the_first(
    tmp_path: Path, second: Attributes, message: str | None
) -> None:
    written(tmp_path, attrs={"x": {"units": "m"}, "u": {"units": "K"}})
    written(tmp_path, "b.nc", attrs={"x": {"units": "m"}, **second})
    if message is not None:
        with pytest.raises(RawDataError, match=rf"b\.nc: {message}"):
            index_of(tmp_path)
        return
    store = loaded(tmp_path)
    offset = 273.15 if second["u"] else 0.0
    np.testing.assert_allclose(store.load(1).fields["u"][:, 0], VALUES + offset, rtol=1e-6)


def test_lengths_of_another_file_are_converted(tmp_path: Path) -> None:
    written(tmp_path, attrs={"x": {"units": "km"}, "u": {"units": "m/s"}})
    written(tmp_path, "b.nc", along=1000 * X, attrs={"x": {"units": "m"}, "u": {"units": "m/s"}})
    store = loaded(tmp_path)
    assert store.header(1).grid == store.header(0).grid
    assert store.header(1).units.of("u") == "km s-1"
    raw_path(tmp_path).unlink()  # now b.nc is the first one, and in its own system
    assert index_of(tmp_path).units.length == "m"
    assert loaded(tmp_path).load(0).grid.upper == (1000.0,)


def test_a_field_without_a_unit_among_converted_ones(tmp_path: Path) -> None:
    written(tmp_path, attrs={"x": {"units": "km"}, "u": {"units": "m/s"}})
    written(tmp_path, "b.nc", attrs={"x": {"units": "km"}})
    with pytest.raises(RawDataError, match=r"b\.nc: u: without a unit here, in 'km s-1' in"):
        index_of(tmp_path)


def test_fixed_values_in_the_file_are_converted(tmp_path: Path) -> None:
    attrs = {"x": {"units": "km"}, "u": {"units": "m/s"}, "": {"boundary": '{"x": 2.0}'}}
    written(tmp_path, attrs=attrs)
    assert build_index(experiment(tmp_path)).grid.boundary == ((0.002, 0.002),)
    given = experiment(tmp_path, boundary=2.0)
    index = build_index(given)
    with pytest.warns(ResultWarning, match=r"data\.boundary: 2\.0: .* are taken in km s-1"):
        warn_of_conversions(index.units, index.grid, given)


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"x": {"units": "degrees_east"}}, "x is in 'degrees_east'.*project the grid to lengths"),
        ({"x": {"units": "hPa"}}, "x is in 'hPa', which is no length"),
        ({"u": {"units": "m/day"}}, "u is in 'm/day', and the times have no unit; set data.time"),
    ],
)
def test_numbers_that_an_equation_cannot_use(
    tmp_path: Path, attrs: Attributes, message: str
) -> None:
    written(tmp_path, attrs=attrs)
    assert loaded(tmp_path).load(0).num_frames == 5  # a surrogate may
    with pytest.raises(ConfigError, match=message):
        check(tmp_path)


@pytest.mark.parametrize("name", ["lon", "Latitude"])
def test_longitudes_and_latitudes_without_a_unit_are_degrees(tmp_path: Path, name: str) -> None:
    written(tmp_path, axis=name)
    with pytest.raises(ConfigError, match="the axis x is in 'degrees', and derivatives need leng"):
        check(tmp_path, dims={"x": name})


def test_a_converted_initial_state(tmp_path: Path) -> None:
    written(tmp_path, attrs={"x": {"units": "km"}, "u": {"units": "m/s"}})
    index = index_of(tmp_path)
    path = written(
        tmp_path / "other", along=1000 * X,
        attrs={"x": {"units": "m"}, "u": {"units": "cm/s"}, "time": {"units": "s since 1999-1-1"}},
    )  # fmt: skip
    data = experiment(tmp_path, boundary="zero-gradient").data
    states = StatesFromFile(path, data, index.grid, index.layouts, index.units)
    np.testing.assert_allclose(states.state(0)["u"][0], 1e-2 * VALUES[0], rtol=1e-6)


# ---- one reference date

DATE = {"time": {"units": "hours since 2020-01-01"}}


@pytest.mark.parametrize(
    ("unit", "calendar", "start"),
    [
        ("hours since 2019-12-31 22:00:00", "standard", -7200.0),
        ("days since 2020-01-02", "proleptic_gregorian", 86400.0),
        ("seconds since 2020-01-01T01:00:00+01:00", "gregorian", 0.0),
        ("hours since 2020-01-01", "", 0.0),
    ],
)
def test_times_count_from_the_first_files_reference_date(
    tmp_path: Path, unit: str, calendar: str, start: float
) -> None:
    written(tmp_path, attrs=DATE)
    factor = {"h": 1.0, "d": 1 / 24, "s": 3600.0}[unit[0]]
    attrs = {"time": {"units": unit, "calendar": calendar}}
    written(tmp_path, "b.nc", time=factor * TIMES, attrs=attrs)
    store = loaded(tmp_path)
    assert store.header(1).times[0] == pytest.approx(start)
    assert store.header(1).dt == pytest.approx(1800.0)
    again = index_of(tmp_path)  # from the index file
    assert [info.start for info in again.infos.values()] == [0.0, pytest.approx(start)]


@pytest.mark.parametrize(
    ("attrs", "message"),
    [  # the first file's calendar is the standard one
        ({}, "count from no reference date, those of .* first file from 2020-01-01"),
        (
            {"units": "hours since 2020-01-01", "calendar": "360_day"},
            r"count from 2020-01-01 \(calendar 360_day\), those .* \(calendar standard\)",
        ),
        ({"units": "hours since the start"}, "count from the start .* one is no date"),
    ],
)
def test_times_without_a_common_axis(tmp_path: Path, attrs: Any, message: str) -> None:
    written(tmp_path, attrs=DATE)
    written(tmp_path, "b.nc", attrs={"time": attrs})
    with pytest.raises(RawDataError, match=rf"b\.nc: time: the times {message}"):
        index_of(tmp_path, **({} if attrs else {"time_unit": "hours"}))


def sensors(path: Path, unit: str, times: np.ndarray, **attrs: Any) -> Path:
    return write_file(
        path,
        {"time": times, "sensor": 2},
        {"x": (("sensor",), np.array([0.2, 0.4])), "u": (("time", "sensor"), np.ones((3, 2)))},
        attrs={"time": {"units": unit} if unit else {}, **attrs},
    )


def test_sensors_count_from_the_reference_date_of_the_data(tmp_path: Path) -> None:
    written(tmp_path, attrs=DATE)
    index = index_of(tmp_path)
    data, span = experiment(tmp_path).data, (0.0, 7200.0)
    times = np.array([2.0, 2.5, 3.0])
    path = sensors(tmp_path / "s.nc", "hours since 2019-12-31 22:00", times)
    readings = read_sensors(path, index.grid, index.layouts, span, data, 0, index.units)
    assert readings.times == pytest.approx([0.0, 1800.0, 3600.0])
    early = sensors(tmp_path / "t.nc", "hours since 2019-12-31 12:00", times)
    with pytest.raises(ConfigError, match="at t = -36000, .* s since 2020-01-01; .*reference date"):
        read_sensors(early, index.grid, index.layouts, span, data, 0, index.units)
    undated = sensors(tmp_path / "v.nc", "hours", times / 2)
    with pytest.warns(ResultWarning, match="count from no date, those of the data from 2020-01-01"):
        read_sensors(undated, index.grid, index.layouts, span, data, 0, index.units)


def test_sensors_are_converted_to_the_units_of_the_data(tmp_path: Path) -> None:
    written(tmp_path, attrs={"x": {"units": "km"}, "u": {"units": "m/s"}})
    index, data = index_of(tmp_path), experiment(tmp_path).data
    times = np.array([0.0, 0.5, 1.0])
    path = sensors(tmp_path / "s.nc", "", times, x={"units": "km"}, u={"units": "cm/s"})
    readings = read_sensors(path, index.grid, index.layouts, (0.0, 2.0), data, 0, index.units)
    assert readings.values["u"] == pytest.approx(np.full((3, 2), 1e-5))
    metres = sensors(tmp_path / "m.nc", "", times, x={"units": "m"}, u={"units": "m/s"})
    readings = read_sensors(metres, index.grid, index.layouts, (0.0, 2.0), data, 0, index.units)
    assert readings.positions[0, :, 0] == pytest.approx([2e-4, 4e-4])
    bare = sensors(tmp_path / "b.nc", "", times, x={"units": "km"})
    with pytest.raises(ConfigError, match="u: no unit, and the data are converted from 'm/s' to"):
        read_sensors(bare, index.grid, index.layouts, (0.0, 2.0), data, 0, index.units)


# ---- directions

DOWN = {"z": {"units": "m", "positive": "down"}}
UPWARD = {"w": {"units": "m s-1", "standard_name": "upward_sea_water_velocity"}}


@pytest.mark.parametrize("along", [X, X[::-1]])
@pytest.mark.parametrize(
    ("attrs", "directions", "sign"),
    [
        ({**DOWN, **UPWARD}, {}, -1),
        ({**DOWN, "w": {"positive": "down", "units": "m s-1"}}, {}, 1),
        (DOWN, {"velocity": "up"}, -1),
        (DOWN, {"velocity": "down"}, 1),
        ({"z": {"positive": "up"}, **UPWARD}, {}, 1),
        (UPWARD, {}, 1),
    ],
)
def test_vertical_components_are_positive_along_their_axis(
    tmp_path: Path, attrs: Attributes, directions: dict[str, str], sign: int, along: np.ndarray
) -> None:
    w = (("time",), np.linspace(0.1, 0.5, 5))
    written(tmp_path, axis="z", along=along, attrs=attrs, w=w)
    data = {"known_parameters": {"velocity": "w"}, "directions": directions}
    simulation = loaded(tmp_path, **data).load(0)
    assert simulation.known["velocity"].tolist() == pytest.approx(sign * w[1])
    assert simulation.grid.axes == ("z",)
    np.testing.assert_allclose(simulation.fields["u"][0, 0], np.sort(along), rtol=1e-6)
    check(tmp_path, "AdvectionDiffusionPDE", **data)


def test_a_global_attribute_with_a_direction(tmp_path: Path) -> None:
    written(tmp_path, axis="z", attrs={**DOWN, "": {"w": -0.1}})
    known = {"known_parameters": {"velocity": "w"}}
    with pytest.raises(ConfigError, match=r"counts downwards.*data\.directions: {velocity: up}"):
        check(tmp_path, "AdvectionDiffusionPDE", **known)
    store = loaded(tmp_path, **known, directions={"velocity": "up"})
    assert float(store.load(0).known["velocity"]) == 0.1


def test_only_the_vertical_component_of_a_vector_changes_sign(tmp_path: Path) -> None:
    both = np.stack([wave(TIMES, X, cells(4))] * 2, axis=1)
    write_file(
        raw_path(tmp_path),
        {"time": TIMES, "component": 2, "x": X, "z": cells(4)},
        {"v": (("time", "component", "x", "z"), both)},
        attrs={"z": {"positive": "down"}},
    )
    found = loaded(tmp_path, fields=["v"], directions={"v": "up"}).load(0).fields["v"]
    np.testing.assert_allclose(found[:, 1], -found[:, 0])
    assert float(found[:, 0].max()) > 0


# ---- messages


def test_hourly_times_in_single_precision_days_are_uniform(tmp_path: Path) -> None:
    hours = np.arange(48)
    times = (45000 + hours / 24).astype(np.float32)
    for kind in (np.float32, np.float64):
        written(tmp_path, time=times.astype(kind), attrs={"time": {"units": "days since 1900-1-1"}})
        header = loaded(tmp_path).header(0)
        assert header.dt == pytest.approx(3600.0, rel=1e-3)
        np.testing.assert_allclose(np.diff(header.times), header.dt, rtol=1e-9)
    gap = np.delete(times, 20)
    written(tmp_path, time=gap, attrs={"time": {"units": "days since 1900-1-1"}})
    with pytest.raises(RawDataError, match="not uniform: from index 19"):
        index_of(tmp_path)


@pytest.mark.parametrize("calendar", ["360", "THIRTY_DAY_MONTHS", "360_day"])
def test_spellings_of_calendars(tmp_path: Path, calendar: str) -> None:
    attrs = {"time": {"units": "months since 2000-01-01", "calendar": calendar}}
    written(tmp_path, attrs=attrs)
    assert index_of(tmp_path).dt == pytest.approx(15 * 86400)
    attrs["time"]["calendar"] = "standard"
    written(tmp_path, attrs=attrs)
    with pytest.raises(RawDataError, match=r"month has no fixed length .* \(it has one in 360_day"):
        index_of(tmp_path)
    assert index_of(tmp_path, time_unit="s").units.time == "months"


def test_a_frame_repeated_at_a_restart(tmp_path: Path) -> None:
    written(tmp_path, time=np.array([0.0, 0.5, 1.0, 1.0, 1.5, 2.0]))
    message = r"a\.nc: time: duplicate times: from index 2 .*drop_duplicates.*time: \[null, 0\.8\]"
    with pytest.raises(RawDataError, match=message):
        index_of(tmp_path)
    assert index_of(tmp_path, select={"time": [None, 0.8]}).num_frames(0) == 2
    assert index_of(tmp_path, select={"time": [1.2, None]}).num_frames(0) == 2


def test_conversions_are_announced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written(tmp_path, attrs={"x": {"units": "km"}, "u": {"units": "m/s"}})
    with caplog.at_level(logging.INFO):
        index_of(tmp_path)
    assert "u is converted from m/s to km s-1" in caplog.text


def test_a_vorticity_where_a_velocity_is_needed(tmp_path: Path) -> None:
    values = wave(TIMES, X, cells(4))
    write_file(
        raw_path(tmp_path), {"time": TIMES, "x": X, "y": cells(4)},
        {"velocity": (("time", "x", "y"), values)},
    )  # fmt: skip
    index = build_index(experiment(tmp_path, fields=["velocity"], boundary="periodic"))
    whole = parse_experiment(
        {
            "run_params": {"model_type": "physical"},
            "data": {"dset_name": "heat", "fields": ["velocity"], "boundary": "periodic"},
            "model": {"physical": {"name": "BurgersPDE"}},
            "trainer_params": {
                "train_sim": [0],
                "test_sim": [],
                "num_predict_steps": 2,
                "learnable_parameters": [{"name": "viscosity", "initial_guess": 0.1}],
            },
        }
    )
    with pytest.raises(ConfigError, match=r"is a scalar \(a vorticity, say\), choose an equation"):
        check_against_data(whole, "e.yaml", index.layouts, [5], index.grid)
