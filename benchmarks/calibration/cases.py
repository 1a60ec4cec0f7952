"""Raw files of the calibration benchmark, in the layout described in ``docs/data.md``.

Each function writes NetCDF in double precision, completely or not at all. Random numbers depend on
the seed alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from benchmarks.calibration import heat
from benchmarks.calibration.reference import (
    GrayScott,
    burgers_reference,
    gray_scott_reference,
    gray_scott_start,
    wavenumbers,
)
from hybrid_pde.data.atomic import atomic_path

Array = np.ndarray

# Nodes of the heat problem that the calibrated model has.
WRITTEN_NODES = 100
# Solved on twice as many points along each axis as are written.
REFINE = 2
# Standard deviation and correlation length of the random velocity in a box of side 1: with
# ν = 0.01, n = 64 and 20 frames fronts steepen to 2 % of the box and stay resolved.
_AMPLITUDE, _LENGTH_SCALE = 0.5, 0.2
_BURGERS_SUBSTEPS = 5


@dataclass(frozen=True)
class HeatCase:
    """Temperatures and their sensor readings.

    Attributes:
        times: ``[T]``, from 0 to 1.
        frames: Temperature ``[T, X, Y]`` on 100² nodes.
        paths: Places of the sensors ``[T, S, 2]``; outside the box for 9 % of the readings.
        readings: Temperature there ``[T, S]``, NaN outside the box; the first row is at time 0.
    """

    times: Array
    frames: Array
    paths: Array
    readings: Array


def write_gray_scott(path: Path, points: int = 64, frames: int = 101, seed: int = 0) -> None:
    """Every second point of a solution on twice as many points, every 20 time units.

    The run starts without the waves of the square and of the noise that the points don't resolve,
    so the first frame states its start exactly. ``points`` may be 64 or less: the square is 10 of
    100 units of length.
    """
    equation = GrayScott()
    start = _resolved(gray_scott_start(REFINE * points, equation.length, seed), points)
    solved = gray_scott_reference(start, frame_dt=20.0, frames=frames)
    solved = solved[..., ::REFINE, ::REFINE]
    nodes = equation.length / points * np.arange(points)
    coordinates = {"time": 20.0 * np.arange(frames), "x": nodes, "y": nodes}
    values = {
        name: (("time", "x", "y"), solved[:, channel]) for channel, name in enumerate(("a", "b"))
    }
    _write(path, values, coordinates, boundary="periodic")


def _resolved(u: Array, points: int) -> Array:
    """``[…, X, Y]`` with only those modes that fewer points resolve."""
    kept = np.abs(np.fft.fftfreq(u.shape[-1], 1 / u.shape[-1])) < points / 2
    return np.fft.ifft2(np.fft.fft2(u) * kept[:, None] * kept).real


def heat_case(run_nodes: int = 200, noise: float = 0.0, seed: int = 0) -> HeatCase:
    """The heat problem with 100 sensors and their readings at 0, 0.01, …, 1.

    Args:
        run_nodes: Nodes of the run that is read: 200, or 100 for a model that can be exact.
        noise: Standard deviation of Gaussian noise as a share of that of the readings.
        seed: Its seed.
    """
    times = np.arange(101) / 100
    paths = heat.sensor_paths(times)
    solved = heat.heat_reference(run_nodes, times)
    readings = heat.read_sensors(solved, paths)
    deviations = np.random.default_rng(seed).standard_normal(readings.shape)
    readings = readings + noise * np.nanstd(readings[1:]) * deviations
    frames = solved
    if run_nodes != WRITTEN_NODES:
        start = heat.initial_temperature(*heat.mesh(WRITTEN_NODES))
        frames = np.concatenate([start[None], heat.resample(solved[1:], WRITTEN_NODES)])
    return HeatCase(times, frames, paths, readings)


def write_heat(case: HeatCase, raw: Path, sensors: Path) -> None:
    """Write the temperature to one file, and the readings after time 0 to another."""
    nodes = heat.nodes(case.frames.shape[1])
    coordinates = {"time": case.times, "x": nodes, "y": nodes}
    _write(raw, {"u": (("time", "x", "y"), case.frames)}, coordinates, boundary="0.0")
    dims = ("time", "sensor")
    values = {
        "u": (dims, case.readings[1:]),
        "x": (dims, case.paths[1:, :, 0]),
        "y": (dims, case.paths[1:, :, 1]),
    }
    _write(sensors, values, {"time": case.times[1:]})


def burgers_set(num: int = 16, frames: int = 20, n: int = 64, seed: int = 0) -> Array:
    """Burgers with ν = 0.01 in the unit square from smooth random velocities, dt 0.01.

    Returns:
        ``[sample, time, vector, X, Y]``.
    """
    points = REFINE * n
    kx, ky = wavenumbers(points, 1.0)
    smooth = np.exp(-(kx**2 + ky**2) * _LENGTH_SCALE**2 / 4)
    # One simulation after another, so that each is independent of their number.
    return np.stack([_burgers(points, smooth, frames, (seed, index)) for index in range(num)])


def write_burgers(path: Path, velocity: Array, dt: float = 0.01) -> None:
    """Write the arrays of :func:`burgers_set`, at the cell centres of the unit square."""
    frames, points = velocity.shape[1], velocity.shape[-1]
    centres = (np.arange(points) + 0.5) / points
    coordinates = {"time": dt * np.arange(frames), "vector": ["x", "y"], "x": centres, "y": centres}
    dims = ("sample", "time", "vector", "x", "y")
    _write(path, {"velocity": (dims, velocity)}, coordinates, boundary="periodic")


def write_pdefind(source: Path, target: Path, noise: float = 0.0, seed: int = 0) -> None:
    """``pdefind_burgers.nc`` with Gaussian noise, a share of the whole field's deviation."""
    with xr.open_dataset(source) as dataset:
        u = dataset["u"].transpose("time", "x").values
        coordinates = {axis: dataset[axis].values for axis in ("time", "x")}
    deviations = np.random.default_rng(seed).standard_normal(u.shape)
    noisy = u + noise * u.std() * deviations
    _write(target, {"u": (("time", "x"), noisy)}, coordinates, boundary="periodic")


def write_allen_cahn(source: Path, target: Path) -> None:
    """``raissi_AC.h5`` as a raw file, less its last point where that repeats the first one."""
    with h5py.File(source) as file:
        t, x, u = (np.asarray(file[name]) for name in ("t", "x", "u"))
    if repeats_first_point(u, x):
        x, u = x[:-1], u[:, :-1]
    _write(target, {"u": (("time", "x"), u)}, {"time": t, "x": x}, boundary="periodic")


def repeats_first_point(u: Array, x: Array) -> bool:
    """True if the last point of ``u`` ``[T, X]`` is the periodic image of the first.

    Neighbours differ in a field that changes in space, the two ends of a closed period do not: the
    largest difference of the ends is compared with the usual one of the points beside them.
    """
    assert u.shape[1] == len(x), f"{u.shape} for {len(x)} points"
    beside = max(np.abs(u[:, 1] - u[:, 0]).max(), np.abs(u[:, -1] - u[:, -2]).max())
    return bool(np.abs(u[:, -1] - u[:, 0]).max() < 1e-6 * beside)


def _burgers(points: int, smooth: Array, frames: int, seed: tuple[int, int]) -> Array:
    noise = np.random.default_rng(seed).standard_normal((2, points, points))
    filtered = np.fft.rfft2(noise) * smooth
    filtered[:, 0, 0] = 0.0
    start = np.fft.irfft2(filtered, s=(points, points))
    start *= _AMPLITUDE / start.std(axis=(1, 2), keepdims=True)
    solved = burgers_reference(start, 0.01, 1.0, 0.01, (frames, _BURGERS_SUBSTEPS))
    return solved[..., ::REFINE, ::REFINE]


def _write(
    path: Path,
    values: Mapping[str, tuple[tuple[str, ...], Array]],
    coordinates: Mapping[str, Any],
    **attributes: str,
) -> None:
    dataset = xr.Dataset(dict(values), coords=dict(coordinates), attrs=attributes)
    with atomic_path(Path(path)) as temporary:
        dataset.to_netcdf(temporary)
