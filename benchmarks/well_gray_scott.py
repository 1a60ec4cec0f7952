"""Calibration of Gray-Scott on the six parameter sets of The Well, remade by a solver of its own.

    python -m benchmarks.well_gray_scott [--points 64] [--only gliders worms ...]

D_a = 2e-5, D_b = 1e-5, a frame every 10 time units, F and k as The Well lists them (Ohana et al.
2024). The box is periodic; its cells are as large as The Well's, 2/128, so with 64 points it is
[-1/2, 1/2]². NumPy solves it on twice as many points by ETDRK4, in steps of half a time unit, from
random bumps and after 100 time units, and every second point is written, in single precision.
All four parameters are calibrated on 20 frames with ``refine: 2``. From the last of these the
calibrated solver runs 31 frames; its VRMSE is printed at lead times 6-12 and 13-30.
"""

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from benchmarks.calibration.fit import Fit, fit
from benchmarks.calibration.reference import GrayScott, gray_scott_reference
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.models import ModelRegistry
from hybrid_pde.result_warnings import ResultWarning

# F and k
SETS = {
    "gliders": (0.014, 0.054),
    "bubbles": (0.098, 0.057),
    "maze": (0.029, 0.057),
    "worms": (0.058, 0.065),
    "spirals": (0.018, 0.051),
    "spots": (0.03, 0.062),
}
_DIFFUSIVITIES = (2e-5, 1e-5)
_SPACING = 2 / 128
_INTERVAL, _TRAINED, _SCORED, _SPIN_UP, _SUBSTEPS = 10.0, 20, 31, 10, 20
_LEADS = ((6, 12), (13, 30))
_ALLOWED_PERCENT, _ALLOWED_VRMSE = 0.05, 1e-3
# Standard deviation in space below which a field has no pattern.
_UNIFORM = 1e-6
_GUESS = {"diffusivity_a": 3e-5, "diffusivity_b": 2e-5}
_PHYSICAL = {"scheme": "spectral", "refine": 2}


def start(points: int, length: float, seed: int) -> np.ndarray:
    """Bumps of b in a = 1, ``[2, X, Y]``, as many a unit of area as The Well has in its box."""
    random = np.random.default_rng(seed)
    x = np.arange(points) * length / points
    b = np.zeros((points, points))
    for _ in range(max(4, round(20 * length**2 / 4))):
        (cx, cy), width = random.uniform(0, length, 2), random.uniform(0.03, 0.06)
        dx, dy = (np.abs(x - c) for c in (cx, cy))
        dx, dy = np.minimum(dx, length - dx), np.minimum(dy, length - dy)
        b = np.maximum(b, np.exp(-(dx[:, None] ** 2 + dy[None, :] ** 2) / (2 * width**2)))
    return np.stack([1 - 0.5 * b, 0.25 * b])


def frames_of(name: str, points: int) -> np.ndarray:
    """Frames ``[51, 2, X, Y]`` in single precision."""
    feed, kill = SETS[name]
    length = points * _SPACING
    equation = GrayScott(*_DIFFUSIVITIES, feed, kill, length)
    count = _SPIN_UP + _TRAINED + _SCORED
    seed = list(SETS).index(name)
    first = start(2 * points, length, seed)
    solved = gray_scott_reference(first, _INTERVAL, count, _SUBSTEPS, equation)
    return solved[_SPIN_UP:, :, ::2, ::2].astype(np.float32)


def calibrated(name: str, frames: np.ndarray, guess: Sequence[float], root: Path) -> Fit:
    """The fit of all four parameters to the first 20 frames."""
    points = frames.shape[-1]
    nodes = (np.arange(points)) * _SPACING
    coordinates = {"time": _INTERVAL * np.arange(_TRAINED), "x": nodes, "y": nodes}
    fields = {
        field: (("time", "x", "y"), frames[:_TRAINED, channel])
        for channel, field in enumerate(("a", "b"))
    }
    raw = root / name
    raw.mkdir(parents=True)
    dataset = xr.Dataset(fields, coordinates, attrs={"boundary": "periodic"})
    dataset.to_netcdf(raw / "frames.nc")
    starts = {"feed": guess[0], "kill": guess[1], **_GUESS}
    learnable = [{"name": key, "initial_guess": value} for key, value in starts.items()]
    training = {
        "learnable_parameters": learnable,
        "num_predict_steps": _TRAINED - 1,
        "check_discretization": False,  # it would use four times as many points
    }
    data = {"fields": ["a", "b"], "domain": dict.fromkeys(("x", "y"), [0.0, points * _SPACING])}
    return fit(raw, data, {"name": "GrayScottPDE", "numerics": _PHYSICAL}, training)


def vrmse(found: Fit, frames: np.ndarray) -> np.ndarray:
    """VRMSE of the calibrated solver by lead time, mean over both fields, ``[30]``."""
    values = {name: each["value"] for name, each in found.result["parameters"].items()}
    physical = {"name": "GrayScottPDE", "pde_params": values, "numerics": _PHYSICAL}
    config = {"run_params": {"model_type": "physical"}, "model": {"physical": physical}}
    model = ModelRegistry(config).get_physical_model()
    model.precision = "double"
    points = frames.shape[-1]
    length, sides = points * _SPACING, ((PERIODIC, PERIODIC),) * 2
    grid = Grid(("x", "y"), (points,) * 2, (0.0,) * 2, (length,) * 2, sides, (False,) * 2)
    state = {
        name: torch.from_numpy(frames[_TRAINED - 1, channel : channel + 1]).double()
        for channel, name in enumerate(("a", "b"))
    }
    errors = []
    with torch.no_grad():
        rollout = model.rollout(state, grid, _SCORED - 1, _INTERVAL)
        for truth, predicted in zip(frames[_TRAINED:], rollout, strict=False):
            each = []
            for channel, name in enumerate(("a", "b")):
                off = predicted[name][0].numpy() - truth[channel]
                each.append(np.sqrt(np.mean(off**2) / np.var(truth[channel])))
            errors.append(np.mean(each))
    return np.array(errors)


def run(name: str, points: int) -> None:
    """Calibrate one set and print errors of the parameters and of the rollout."""
    frames = frames_of(name, points)
    feed, kill = SETS[name]
    with tempfile.TemporaryDirectory() as root:
        found = calibrated(name, frames, (0.7 * feed, 1.2 * kill), Path(root))
    truth = {"feed": feed, "kill": kill}
    truth |= dict(zip(("diffusivity_a", "diffusivity_b"), _DIFFUSIVITIES, strict=True))
    parts, worst = [], 0.0
    for key, true in truth.items():
        entry = found.result["parameters"][key]
        off = 100 * abs(entry["value"] / true - 1)
        worst = max(worst, off)
        apart = abs(entry["value"] - true) / entry["uncertainty"]
        sources = entry["uncertainty_parts"]
        largest = max(sources, key=lambda source: sources[source] or 0.0)
        parts.append(f"{key} {off:.2g} % ({apart:.1f} uncertainty, most of it {largest})")
    if frames[_TRAINED:].std(axis=(2, 3)).min() <= _UNIFORM:
        print(f"{name}: {', '.join(parts)}; the pattern has died out before the end", flush=True)
        return
    errors = vrmse(found, frames)
    leads = [float(np.mean(errors[first - 1 : last])) for first, last in _LEADS]
    reached = worst <= _ALLOWED_PERCENT and max(leads) <= _ALLOWED_VRMSE
    print(
        f"{name}: {', '.join(parts)}; VRMSE at lead times 6-12 {leads[0]:.2g}, 13-30 "
        f"{leads[1]:.2g}: {'reached' if reached else 'NOT REACHED'}; {found.result['status']}, "
        f"{found.cpu_seconds:.0f} CPU s",
        flush=True,
    )


def main() -> None:
    """Run the selected sets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.well_gray_scott")
    parser.add_argument("--points", type=int, default=64, help="along an axis; The Well has 128")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    warnings.simplefilter("ignore", ResultWarning)
    torch.set_num_threads(1)
    for name in options.only:
        run(name, options.points)


if __name__ == "__main__":
    main()
