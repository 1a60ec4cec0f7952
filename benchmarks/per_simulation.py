"""Calibration of a parameter for each simulation, on files of independent solvers.

    python -m benchmarks.per_simulation [--files 3] [--points 64] [--noise 0.05] [--only kdv ...]
        [--named] [--unchecked] [--messages]

The equations and parameter ranges are those of PDEInvBench, solved with NumPy and SciPy: reaction
and diffusion between walls (FitzHugh-Nagumo), Korteweg and de Vries, and the vorticity of plane
flow without and with a force. Each of three splits (in, out of, and extremely out of the
distribution of its training data) has its own range. For each parameter it prints the median and
the largest relative error, the share within ``interval_90``, the median ``uncertainty`` and, with
noise, the information limit; and the CPU seconds a file takes on one core.

Noise is on every frame, the first included: the initial states are then unknowns, and each file is
one window.
"""

import argparse
import logging
import math
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from scipy.integrate import solve_ivp

from benchmarks.information_limit import information_limit
from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical.per_simulation import SimulationCalibrator

SPLITS = ("in", "out", "extreme")
Ranges = Mapping[str, Sequence[tuple[float, float]]]
# Steps per frame of the spectral solvers.
_STEPS = 40
# Largest median errors: without noise, and with 5 % unless the information limit is larger.
_CLEAN, _NOISY = 1e-4, 0.01
# More steps than any file has: one window a file.
_WHOLE_FILE = 1000


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
        dims: Number of axes.
        steps: Steps of a window without noise.
        numerics: The scheme with ``--named``, that of the solver.
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
    numerics: Mapping[str, Any] = field(default_factory=lambda: {"scheme": "spectral"})


@dataclass(frozen=True)
class Found:
    """A calibrated file.

    Attributes:
        estimate: Result of :meth:`SimulationCalibrator.calibrate`.
        truth: True parameters.
        seconds: CPU seconds.
        limits: Information limit of each parameter; empty without noise.
    """

    estimate: Mapping[str, Any]
    truth: Mapping[str, float]
    seconds: float
    limits: Mapping[str, float]


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
        numerics={"scheme": "finite_difference", "order": 2},
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


def experiment_of(case: Case, root: Path, options: argparse.Namespace) -> Any:
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
            "model": {
                "physical": {
                    "name": case.equation,
                    "pde_params": dict(case.fixed),
                    "numerics": case.numerics if options.named else "auto",
                }
            },
            "trainer_params": {
                "train_sim": list(range(len(SPLITS) * options.files)),
                "num_predict_steps": _WHOLE_FILE if options.noise else case.steps,
                "initial_state": "estimate" if options.noise else "known",
                "check_discretization": not options.unchecked,
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
        experiment = experiment_of(case, Path(root), options)
        store = DataManager.from_experiment(experiment)
        store.cache_shard(range(len(truths)))
        begin = time.process_time()
        calibrator = SimulationCalibrator(experiment, store)
        calibrator.select_scheme()
        choice = time.process_time() - begin
        found = []
        for index, truth in enumerate(truths):
            found.append(_calibrated(calibrator, index, truth, options.noise))
            _print_file(index, found[-1])
    used = (found[0].estimate.get("numerics") or {}).get("scheme")
    seconds = [each.seconds for each in found[1:]]
    print(
        f"{name}: {np.median(seconds):.1f} CPU s a file, at most {max(seconds):.1f}, {used}"
        + ("" if options.named else f", chosen with the first one in {choice:.1f}"),
        flush=True,
    )
    for number, split in enumerate(SPLITS):
        part = found[number * options.files : (number + 1) * options.files]
        for parameter in case.ranges:
            _print_errors(split, parameter, part)
        for text in dict.fromkeys(t for each in part for t in each.estimate.get("warnings", ())):
            print(f"    {text}" if options.messages else f"    {text[:96]} …")


def _print_file(index: int, found: Found) -> None:
    """One line to the error output: how long a file took, and how far its values are off."""
    values = found.estimate["parameters"]
    parts = [
        f"{name} {100 * (values[name]['value'] / truth - 1):+.2g} %"
        for name, truth in found.truth.items()
        if name in values and values[name]["value"] is not None
    ]
    text = ", ".join(parts) or found.estimate["status"]
    print(f"file {index}: {found.seconds:.1f} CPU s, {text}", file=sys.stderr, flush=True)


def _calibrated(
    calibrator: SimulationCalibrator, index: int, truth: Mapping[str, float], noise: float
) -> Found:
    begin = time.process_time()
    estimate = calibrator.calibrate(index)
    seconds = time.process_time() - begin
    limits: dict[str, float] = {}
    trainer = calibrator.trainer
    if noise and trainer is not None and trainer.calibration is not None:
        # the noise is a share of the deviation without it
        share = noise / math.sqrt(1 + noise**2)
        limit = information_limit(trainer.calibration, truth, share)
        limits = dict(zip(trainer.vector.parameters, limit.tolist(), strict=True))
    return Found(estimate, truth, seconds, limits)


def _print_errors(split: str, name: str, found: Sequence[Found]) -> None:
    errors, sizes, limits, inside = [], [], [], 0
    for each in found:
        entry, true = each.estimate["parameters"].get(name), each.truth[name]
        if entry is None or entry["value"] is None:
            errors.append(math.inf)
            continue
        errors.append(abs(entry["value"] / true - 1))
        sizes.append(entry["uncertainty"] / true)
        limits.append(each.limits.get(name, math.nan) / true)
        lower, upper = entry["interval_90"]
        inside += lower <= true <= upper
    median, limit = float(np.median(errors)), float(np.median(limits or [math.nan]))
    allowed = _CLEAN if math.isnan(limit) else max(_NOISY, 2 * limit)
    bound = "" if math.isnan(limit) else f", information limit {100 * limit:.2g} %"
    print(
        f"  {split:8}{name:15} median error {100 * median:.2g} % (at most {100 * allowed:.2g}: "
        f"{'reached' if median <= allowed else 'NOT REACHED'}), largest {100 * max(errors):.2g} %, "
        f"in interval_90 {inside}/{len(found)}, median uncertainty "
        f"{100 * np.median(sizes or [math.nan]):.2g} %{bound}",
        flush=True,
    )


def main() -> None:
    """Run the selected cases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.per_simulation")
    parser.add_argument("--files", type=int, default=2, help="files a split")
    parser.add_argument("--points", type=int, default=48, help="along an axis; four times in 1D")
    parser.add_argument("--noise", type=float, default=0.0, help="of the standard deviation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--named", action="store_true", help="the scheme is named, not chosen")
    parser.add_argument("--unchecked", action="store_true", help="no discretization check")
    parser.add_argument("--messages", action="store_true", help="whole warnings of the files")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore", ResultWarning)
    torch.set_num_threads(1)
    for name in options.only:
        run(name, options)


if __name__ == "__main__":
    main()
