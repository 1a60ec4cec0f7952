"""Coverage of the standard deviations: repeated calibrations with different noise."""

from pathlib import Path

import numpy as np
import xarray as xr

from benchmarks.calibration.fit import fit
from benchmarks.calibration.targets import say

REPETITIONS = 100
NOISE = 0.05
_POINTS, _FRAMES, _LENGTH = 48, 13, 3.0
TRUTH = {"diffusivity": 0.05, "velocity": 0.8}
_GUESS = {"diffusivity": 0.1, "velocity": 0.5}


def standard_deviation(scratch: Path, data: Path) -> None:
    """Share of noisy repetitions with the truth within two standard deviations.

    Advection and diffusion of three modes, in closed form; the first frame is as noisy as the
    others, and estimated.
    """
    raw = scratch / "coverage"
    _write(raw / "waves.nc")
    inside = {name: 0 for name in TRUTH}
    scores: dict[str, list[float]] = {name: [] for name in TRUTH}
    for seed in range(REPETITIONS):
        found = fit(
            raw,
            {"fields": ["concentration"], "observations": {"noise": NOISE, "seed": seed}},
            {"name": "AdvectionDiffusionPDE", "numerics": "spectral"},
            {
                "num_predict_steps": _FRAMES - 1,
                "initial_state": "estimate",
                "check_discretization": False,
                "learnable_parameters": [
                    {"name": name, "initial_guess": guess} for name, guess in _GUESS.items()
                ],
            },
        )
        for name, truth in TRUTH.items():
            value = float(np.ravel(found.value(name))[0])
            score = (value - truth) / float(np.ravel(found.std(name))[0])
            scores[name].append(score)
            inside[name] += abs(score) <= 2
    for name, count in inside.items():
        share = 100 * count / REPETITIONS
        say(
            f"std of {name}, {REPETITIONS} repetitions with {NOISE:.0%} noise, truth within 2 std "
            f"in {share:.0f} %, distance to the range 90-99 %",
            max(90 - share, share - 99, 0.0),
            0.0,
            f"rms of error/std {np.sqrt(np.mean(np.square(scores[name]))):.2f}",
        )


def _write(path: Path) -> None:
    x = (np.arange(_POINTS) + 0.5) * _LENGTH / _POINTS
    t = 0.1 * np.arange(_FRAMES)
    u = np.zeros((_FRAMES, _POINTS))
    for mode, amplitude in ((1, 1.0), (2, 0.6), (3, 0.4)):
        k = 2 * np.pi * mode / _LENGTH
        decay = amplitude * np.exp(-TRUTH["diffusivity"] * k**2 * t[:, None])
        u += decay * np.sin(k * (x - TRUTH["velocity"] * t[:, None]) + mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    field = xr.DataArray(u, coords={"time": t, "x": x}, dims=("time", "x"))
    dataset = field.to_dataset(name="concentration")
    dataset.attrs["boundary"] = "periodic"
    dataset.to_netcdf(path)
