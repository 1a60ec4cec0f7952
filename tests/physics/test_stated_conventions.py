"""Calibrations on files that state units, dates and directions, include both ends, or need double.

The fields are closed forms, and the parameters come out exactly and in the files' own unit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.stages.train_physical import CalibrationFiles, calibrate
from tests.unit.raw_files import raw_path, write_file

POINTS, FRAMES = 48, 7
Array = np.ndarray


@dataclass
class Case:
    """A calibration and its expected result."""

    equation: str
    parameter: str
    truth: float
    unit: str
    data: dict[str, Any] = field(default_factory=dict)


def waves(x: Array, t: Array, diffusivity: float, speed: float = 0.0, length: float = 1.0) -> Array:
    """Advected, decaying waves of period ``length``, ``[T, X]``."""
    total = np.zeros((len(t), len(x)))
    for n, amplitude, phase in ((1, 1.0, 0.3), (2, 0.5, 1.1), (3, 0.2, 2.0)):
        k = 2 * np.pi * n / length
        decay = np.exp(-diffusivity * k**2 * t)[:, None]
        total += amplitude * decay * np.cos(k * (x - speed * t[:, None]) + phase)
    return total


def modes(x: Array, t: Array, diffusivity: float, length: float) -> Array:
    """Decaying modes that vanish at 0 and ``length``, ``[T, X]``."""
    numbers = ((1, 1.0), (2, 0.6), (3, -0.3))
    return sum(
        a * np.exp(-diffusivity * (n * np.pi / length) ** 2 * t)[:, None]
        * np.sin(n * np.pi * x / length)
        for n, a in numbers
    )  # fmt: skip


def burgers(x: Array, t: Array, viscosity: float, length: float) -> Array:
    """Cole-Hopf solution that vanishes at 0 and ``length``, a period of ``2 length``."""
    k = np.pi / length
    decay = 0.7 * np.exp(-viscosity * k**2 * t)[:, None]
    return 2 * viscosity * k * decay * np.sin(k * x) / (1 + decay * np.cos(k * x))


def centres(length: float) -> Array:
    return (np.arange(POINTS) + 0.5) * length / POINTS


def write(root: Path, x: Array, t: Array, fields: dict[str, Any], attrs: dict[str, Any]) -> None:
    named = {name: each if isinstance(each, tuple) else (("time", "x"), each)
             for name, each in fields.items()}  # fmt: skip
    write_file(raw_path(root), {"time": t, "x": x}, named, attrs=attrs)


def write_sensors(root: Path, unit: str, t: Array, u: Callable[[Array], Array], x: Array) -> str:
    write_file(
        root / "sensors.nc",
        {"time": t, "sensor": len(x)},
        {"x": (("sensor",), x), "u": (("time", "sensor"), u(x))},
        attrs={"time": {"units": unit}},
    )
    return str(root / "sensors.nc")


# ---- reference dates


def sensors_of_diffusion(root: Path) -> Case:
    hours, x = np.arange(FRAMES) * 1.0, centres(100.0)
    true = 0.03
    write(root, x, hours, {"u": waves(x, 3600 * hours, true, length=100.0)},
          {"time": {"units": "hours since 2020-01-01"}, "x": {"units": "km"}})  # fmt: skip
    at = np.arange(0.5, 6, 0.5)
    file = write_sensors(
        root, "hours since 2019-12-31 22:00", at + 2,
        lambda places: waves(places, 3600 * at, true, length=100.0), np.array([7.0, 31.0, 62.0]),
    )  # fmt: skip
    return Case("DiffusionPDE", "diffusivity", true, "km²/s", {"observations": {"sensors": file}})


def sensors_of_advection(root: Path) -> Case:
    days, x, true = np.arange(FRAMES) * 0.1, centres(1.0), 2e-7
    speed = 1e-5
    write(root, x, days, {"u": waves(x, 86400 * days, true, speed), "c": ((), np.array(speed))},
          {"time": {"units": "days since 1999-01-01"}})  # fmt: skip
    at = 86400 * np.arange(0.05, 0.6, 0.05)
    file = write_sensors(
        root, "seconds since 1998-12-31T23:00:00 -01:00", at,
        lambda places: waves(places, at, true, speed), np.array([0.1, 0.35, 0.8]),
    )  # fmt: skip
    more = {"observations": {"sensors": file}, "known_parameters": {"velocity": "c"}}
    return Case("AdvectionDiffusionPDE", "diffusivity", true, "length²/s", more)


def sensors_of_burgers(root: Path) -> Case:
    t, x, true = np.arange(FRAMES) * 60.0, centres(2.0), 1e-4
    attrs = {"time": {"units": "seconds since 2001-02-03 04:05:06"}, "x": {"units": "m"}}
    write(root, x, t, {"u": burgers(x, t, true, 1.0)}, attrs)
    at = np.arange(15.0, 360, 15.0)
    file = write_sensors(
        root, "minutes since 2001-02-03 04:00:06", 5 + at / 60,
        lambda places: burgers(places, at, true, 1.0), np.array([0.2, 0.7, 1.4]),
    )  # fmt: skip
    return Case("BurgersPDE", "viscosity", true, "m²/s", {"observations": {"sensors": file}})


# ---- units and directions


def kilometres_and_centimetres(root: Path) -> Case:
    hours, x, true = np.arange(FRAMES) * 2.0, centres(20.0), 1e-4
    u = 1e5 * burgers(x, 3600 * hours, true, 10.0)
    write(root, x, hours, {"u": u},
          {"time": {"units": "hours"}, "x": {"units": "km"}, "u": {"units": "cm/s"}})  # fmt: skip
    return Case("BurgersPDE", "viscosity", true, "km²/s")


def a_known_velocity_in_other_units(root: Path) -> Case:
    t, x, true = np.arange(FRAMES) * 1.0, centres(1000.0), 800.0
    write(root, x, t, {"u": waves(x, t, true, 30.0, 1000.0), "c": ((), np.array(0.03))},
          {"time": {"units": "s"}, "x": {"units": "mm"}, "c": {"units": "m s-1"}})  # fmt: skip
    known = {"known_parameters": {"velocity": "c"}}
    return Case("AdvectionDiffusionPDE", "diffusivity", true, "mm²/s", known)


def an_upward_velocity_in_a_depth(root: Path) -> Case:
    t, z, true = np.arange(FRAMES) * 20.0, centres(100.0)[::-1], 0.3
    w = {"standard_name": "upward_sea_water_velocity", "units": "m s-1"}
    write_file(
        raw_path(root), {"time": t, "z": z},
        {"u": (("time", "z"), waves(z, t, true, 0.1, 100.0)), "w": ((), np.array(-0.1))},
        attrs={"time": {"units": "s"}, "z": {"units": "m", "positive": "down"}, "w": w},
    )  # fmt: skip
    known = {"known_parameters": {"velocity": "w"}}
    return Case("AdvectionDiffusionPDE", "diffusivity", true, "m²/s", known)


# ---- points that include both ends


def walls_of_burgers(root: Path) -> Case:
    t, x, true = np.arange(FRAMES) * 0.2, np.linspace(0, 1, POINTS), 0.05
    write(root, x, t, {"u": burgers(x, t, true, 1.0)}, {})
    return Case("BurgersPDE", "viscosity", true, "length²/time", {"boundary": 0.0})


def walls_of_two_values(root: Path) -> Case:
    t, x, true = np.arange(FRAMES) * 0.05, np.linspace(0, 2, POINTS), 0.2
    write(root, x, t, {"u": 1 + x + modes(x, t, true, 2.0)}, {})
    walls = {"boundary": {"x": {"lower": 1.0, "upper": 3.0}}}
    return Case("DiffusionPDE", "diffusivity", true, "length²/time", walls)


def a_repeated_point(root: Path) -> Case:
    t, x, true = np.arange(FRAMES) * 0.05, np.linspace(0, 1, POINTS), 0.02
    write(root, x, t, {"u": waves(x, t, true, 0.7), "c": ((), np.array(0.7))}, {})
    known = {"known_parameters": {"velocity": "c"}}
    return Case("AdvectionDiffusionPDE", "diffusivity", true, "length²/time", known)


# ---- double precision


def a_small_variation(root: Path) -> Case:
    t, x, true = np.arange(FRAMES) * 0.05, centres(1.0), 0.03
    write(root, x, t, {"u": 101325 + 0.01 * waves(x, t, true)}, {})
    return Case("DiffusionPDE", "diffusivity", true, "length²/time")


def a_small_variation_between_walls(root: Path) -> Case:
    t, x, true = np.arange(FRAMES) * 0.05, np.linspace(0, 2, POINTS), 0.2
    write(root, x, t, {"u": 300 + 1e-4 * modes(x, t, true, 2.0)}, {})
    return Case("DiffusionPDE", "diffusivity", true, "length²/time", {"boundary": 300.0})


def numbers_below_single_precision(root: Path) -> Case:
    t, x, true = np.arange(FRAMES) * 0.05, centres(1.0), 0.02
    write(root, x, t, {"u": 1e-42 * waves(x, t, true, 0.7), "c": ((), np.array(0.7))}, {})
    known = {"known_parameters": {"velocity": "c"}}
    return Case("AdvectionDiffusionPDE", "diffusivity", true, "length²/time", known)


ALWAYS = (
    sensors_of_diffusion, kilometres_and_centimetres, walls_of_burgers, a_small_variation,
)  # fmt: skip
NIGHTLY = (
    sensors_of_advection, sensors_of_burgers, a_known_velocity_in_other_units,
    an_upward_velocity_in_a_depth, walls_of_two_values, a_repeated_point,
    a_small_variation_between_walls, numbers_below_single_precision,
)  # fmt: skip


@pytest.mark.parametrize(
    "made", [*ALWAYS, *(pytest.param(case, marks=pytest.mark.nightly) for case in NIGHTLY)]
)
def test_the_parameter_comes_out_in_the_unit_of_the_file(
    tmp_path: Path, made: Callable[[Path], Case]
) -> None:
    case = made(tmp_path)
    learned = {"name": case.parameter, "initial_guess": 2 * case.truth}
    experiment = parse_experiment(
        {
            "project_root": str(tmp_path),
            "run_params": {"model_type": "physical"},
            "data": {"dset_name": "heat", "fields": ["u"], "boundary": "periodic", **case.data},
            "model": {"physical": {"name": case.equation, "numerics": {"order": 4}}},
            "trainer_params": {
                "train_sim": [0],
                "test_sim": [],
                "num_predict_steps": 3,
                "physical": {"check_discretization": False},
                "learnable_parameters": [learned],
            },
        }
    )
    store = DataManager.from_experiment(experiment)
    store.cache_shard([0])
    files = CalibrationFiles(tmp_path / "p.yaml", tmp_path / "h.csv", tmp_path / "checkpoints")
    found = calibrate(experiment, store, files, {})["parameters"][case.parameter]
    assert found["value"] == pytest.approx(case.truth, rel=5e-3)
    assert found["unit"] == case.unit
