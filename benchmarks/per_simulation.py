"""Calibration of a parameter for each simulation, on files of independent solvers.

    python -m benchmarks.per_simulation [--files 3] [--points 64] [--noise 0.05] [--only kdv ...]

The equations and parameter ranges are those of PDEInvBench, solved with NumPy and SciPy: reaction
and diffusion between walls (FitzHugh-Nagumo), Korteweg and de Vries, and the vorticity of plane
flow without and with a force. Each of three splits (in, out of, and extremely out of the
distribution of its training data) has its own range. For each parameter it prints the median and
the largest relative error, the share within ``interval_90``, and the median ``std``, which is the
information limit for independent errors; and the CPU seconds a file takes on one core.
"""

import argparse
import logging
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from scipy.integrate import solve_ivp

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical.per_simulation import SimulationCalibrator

SPLITS = ("in", "out", "extreme")
Ranges = Mapping[str, Sequence[tuple[float, float]]]
# Steps per frame of the spectral solvers.
_STEPS = 40


@dataclass(frozen=True)
class Case:
    """An equation with a parameter for each file.

    Attributes:
        equation: Name of the built-in equation.
        fixed: Known parameters.
        ranges: Range of each parameter in the three splits.
        fields: Names of the fields.
        box: Ends of the domain along each axis.
        boundary: Condition on every side.
        solve: Frames ``[T, C, *space]`` from parameters, points along an axis, and random numbers.
        dt: Time between frames.
    """

    equation: str
    fixed: Mapping[str, Any]
    ranges: Ranges
    fields: Sequence[str]
    box: tuple[float, float]
    boundary: str
    solve: Callable[[Mapping[str, float], int, np.random.Generator], np.ndarray]
    dt: float
    dims: int = 2
    steps: int = 20


def reaction_diffusion(
    values: Mapping[str, float], points: int, random: np.random.Generator
) -> np.ndarray:
    """u_t = D_u ∇²u + u − u³ − k − v, v_t = D_v ∇²v + u − v between walls, by finite volumes."""
    dx = 2.0 / points

    def laplacian(u: np.ndarray) -> np.ndarray:
        wide = np.pad(u, 1, mode="edge")
        ends = wide[2:, 1:-1] + wide[:-2, 1:-1] + wide[1:-1, 2:] + wide[1:-1, :-2]
        return (ends - 4 * u) / dx**2

    def rate(_: float, flat: np.ndarray) -> np.ndarray:
        u, v = flat.reshape(2, points, points)
        return np.concatenate(
            [
                (
                    values["diffusivity_u"] * laplacian(u) + u - u**3 - values["threshold"] - v
                ).ravel(),
                (values["diffusivity_v"] * laplacian(v) + u - v).ravel(),
            ]
        )

    start = random.standard_normal((2, points, points)).ravel()
    # PDEInvBench's frames start after the noise has been smoothed
    times = 1.0 + 0.05 * np.arange(41)
    found = solve_ivp(rate, (0, times[-1]), start, t_eval=times, rtol=1e-8, atol=1e-10)
    return found.y.T.reshape(len(times), 2, points, points)


def korteweg_de_vries(
    values: Mapping[str, float], points: int, random: np.random.Generator
) -> np.ndarray:
    """u_t + u u_x + δ u_xxx = 0 in a periodic box of length 128, by an integrating factor."""
    points, length = 4 * points, 128.0
    k = 2 * np.pi * np.fft.fftfreq(points, length / points)
    x = np.arange(points) * length / points
    start = np.zeros(points)
    for number in range(1, 6):
        phase = random.uniform(0, 2 * np.pi)
        start += random.uniform(-0.5, 0.5) * np.sin(2 * np.pi * number * x / length + phase)
    keep = np.abs(k) < (2 / 3) * np.abs(k).max()
    linear = 1j * values["dispersion"] * k**3

    def nonlinear(hat: np.ndarray) -> np.ndarray:
        return -0.5j * k * keep * np.fft.fft(np.fft.ifft(hat).real ** 2)

    return _frames(np.fft.fft(start), linear, nonlinear, 0.5, 40)[:, None]


def vorticity(force: bool) -> Callable[..., np.ndarray]:
    """w_t + u·∇w = ν ∇²w − α w − k cos(k y) in a periodic box of length 2π, pseudo-spectral."""

    def solve(values: Mapping[str, float], points: int, random: np.random.Generator) -> np.ndarray:
        k = np.fft.fftfreq(points, 1 / points)
        kx, ky = np.meshgrid(k, k, indexing="ij")
        square = kx**2 + ky**2
        inverse = np.where(square > 0, 1 / np.where(square > 0, square, 1), 0)
        keep = (np.abs(kx) < points / 3) & (np.abs(ky) < points / 3)
        noise = np.fft.fft2(random.standard_normal((points, points)))
        start = noise * np.sqrt(square) * np.exp(-square / 25) * keep
        start *= 4.0 / np.std(np.fft.ifft2(start).real)
        y = np.arange(points) * 2 * np.pi / points
        drag, wave = (0.1, -4 * np.cos(4 * y)) if force else (0.0, 0 * y)
        forcing = np.fft.fft2(np.broadcast_to(wave, (points, points)))

        def nonlinear(hat: np.ndarray) -> np.ndarray:
            psi = hat * inverse
            u, v = np.fft.ifft2(1j * ky * psi).real, np.fft.ifft2(-1j * kx * psi).real
            wx, wy = np.fft.ifft2(1j * kx * hat).real, np.fft.ifft2(1j * ky * hat).real
            return forcing - keep * np.fft.fft2(u * wx + v * wy)

        linear = -values["viscosity"] * square - drag
        return _frames(start, linear, nonlinear, 0.05, 20)[:, None]

    return solve


def _frames(
    hat: np.ndarray,
    linear: np.ndarray,
    nonlinear: Callable[[np.ndarray], np.ndarray],
    dt: float,
    count: int,
) -> np.ndarray:
    """The frames 0 … count of û_t = L û + N(û), Runge-Kutta of order 4 in exp(−L t) û."""
    step = dt / _STEPS
    half = np.exp(linear * step / 2)
    frames = [np.fft.ifftn(hat).real]
    for _ in range(count):
        for _ in range(_STEPS):
            a = nonlinear(hat)
            b = nonlinear(half * (hat + step / 2 * a))
            c = nonlinear(half * hat + step / 2 * b)
            d = nonlinear(half * (half * hat + step * c))
            hat = half**2 * hat + step / 6 * (half**2 * a + 2 * half * (b + c) + d)
        frames.append(np.fft.ifftn(hat).real)
    return np.stack(frames)


CASES = {
    "reaction-diffusion": Case(
        "FitzHughNagumoPDE", {},
        {
            "threshold": ((0.015, 0.06), (0.005, 0.015), (0.06, 0.1)),
            "diffusivity_u": ((0.005, 0.02), (0.02, 0.05), (0.05, 0.1)),
            "diffusivity_v": ((0.01, 0.05), (0.05, 0.1), (0.1, 0.2)),
        },
        ("u", "v"), (-1.0, 1.0), "zero-gradient", reaction_diffusion, 0.05,
    ),
    "kdv": Case(
        "KortewegDeVriesPDE", {"advection": 1.0},
        {"dispersion": ((0.8, 3.0), (3.0, 4.0), (4.0, 5.0))},
        ("u",), (0.0, 128.0), "periodic", korteweg_de_vries, 0.5, dims=1,
    ),
    "vorticity": Case(
        "VorticityPDE", {}, {"viscosity": ((1e-3, 5e-3), (5e-3, 1e-2), (1e-4, 1e-3))},
        ("vorticity",), (0.0, 2 * math.pi), "periodic", vorticity(force=False), 0.05,
    ),
    "forced-vorticity": Case(
        "VorticityPDE", {"drag": 0.1, "forcing": [1.0, 4.0]},
        {"viscosity": ((1e-3, 5e-3), (5e-3, 1e-2), (1e-4, 1e-3))},
        ("vorticity",), (0.0, 2 * math.pi), "periodic", vorticity(force=True), 0.05,
    ),
}  # fmt: skip


def write_files(case: Case, folder: Path, options: argparse.Namespace) -> list[dict[str, float]]:
    """Write ``files`` NetCDF files a split in single precision; returns their true parameters."""
    truths = []
    for number in range(len(SPLITS) * options.files):
        random = np.random.default_rng([options.seed, number])
        split = number // options.files
        drawn = {name: ranges[split] for name, ranges in case.ranges.items()}
        truth = {name: float(np.exp(random.uniform(*np.log(ends)))) for name, ends in drawn.items()}
        frames = case.solve(truth, options.points, random)
        for channel in range(frames.shape[1]):
            spread = options.noise * frames[:, channel].std()
            frames[:, channel] += spread * random.standard_normal(frames[:, channel].shape)
        _write(folder / f"{number:04d}.nc", case, frames, truth)
        truths.append(truth)
    return truths


def _write(path: Path, case: Case, frames: np.ndarray, truth: Mapping[str, float]) -> None:
    axes, (lower, upper) = ("x", "y")[: case.dims], case.box
    dims = ("time", *axes)
    variables: dict[str, Any] = {
        name: (dims, frames[:, channel].astype(np.float32))
        for channel, name in enumerate(case.fields)
    }
    variables |= {f"true_{name}": ((), value) for name, value in truth.items()}
    spacing = (upper - lower) / frames.shape[2]
    shift = 0.5 if case.boundary != "periodic" else 0.0
    points = lower + (np.arange(frames.shape[2]) + shift) * spacing
    coordinates = {"time": case.dt * np.arange(len(frames)), **dict.fromkeys(axes, points)}
    xr.Dataset(variables, coordinates).to_netcdf(path)


def experiment_of(case: Case, root: Path, count: int) -> Any:
    """The experiment on all files; each parameter starts in the middle of its first range."""
    learnable = [
        {
            "name": name,
            "per_simulation": True,
            "initial_guess": math.sqrt(ranges[0][0] * ranges[0][1]),
        }
        for name, ranges in case.ranges.items()
    ]
    data = {
        "dset_name": "files",
        "fields": list(case.fields),
        "boundary": case.boundary,
        "domain": dict.fromkeys(("x", "y")[: case.dims], list(case.box)),
        "known_parameters": {name: f"true_{name}" for name in case.ranges},
    }
    return parse_experiment(
        {
            "project_root": str(root),
            "run_params": {"model_type": "physical"},
            "data": data,
            "model": {"physical": {"name": case.equation, "pde_params": dict(case.fixed)}},
            "trainer_params": {
                "train_sim": list(range(count)),
                "num_predict_steps": case.steps,
                "learnable_parameters": learnable,
            },
        }
    )


def run(name: str, options: argparse.Namespace) -> None:
    """Calibrate all files of a case and print the errors by split."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "data" / "files"
        folder.mkdir(parents=True)
        truths = write_files(case, folder, options)
        experiment = experiment_of(case, Path(root), len(truths))
        store = DataManager.from_experiment(experiment)
        store.cache_shard(range(len(truths)))
        begin = time.process_time()
        calibrator = SimulationCalibrator(experiment, store)
        calibrator.select_scheme()
        found = [calibrator.calibrate(index) for index in range(len(truths))]
        seconds = (time.process_time() - begin) / len(found)
    used = (found[0].get("numerics") or {}).get("scheme")
    print(f"{name}: {seconds:.1f} CPU s a file, scheme {used}", flush=True)
    for number, split in enumerate(SPLITS):
        part = range(number * options.files, (number + 1) * options.files)
        for parameter in case.ranges:
            _print_errors(split, parameter, [found[i] for i in part], [truths[i] for i in part])


def _print_errors(
    split: str, name: str, found: Sequence[Mapping[str, Any]], truths: Sequence[Mapping[str, float]]
) -> None:
    errors, stds, inside = [], [], 0
    for estimate, truth in zip(found, truths, strict=True):
        entry, true = estimate["parameters"].get(name), truth[name]
        if entry is None or entry["value"] is None:
            errors.append(math.inf)
            continue
        errors.append(abs(entry["value"] / true - 1))
        stds.append(entry["std"] / true)
        lower, upper = entry["interval_90"]
        inside += lower <= true <= upper
    spread = f"{100 * np.median(stds):.2g} %" if stds else "–"
    print(
        f"  {split:8}{name:15} median error {100 * np.median(errors):.2g} %, largest "
        f"{100 * max(errors):.2g} %, in interval_90 {inside}/{len(found)}, median std {spread}",
        flush=True,
    )


def main() -> None:
    """Run the selected cases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.per_simulation")
    parser.add_argument("--files", type=int, default=2, help="files a split")
    parser.add_argument("--points", type=int, default=48, help="along an axis; four times in 1D")
    parser.add_argument("--noise", type=float, default=0.0, help="of the standard deviation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore", ResultWarning)
    torch.set_num_threads(1)
    for name in options.only:
        run(name, options)


if __name__ == "__main__":
    main()
