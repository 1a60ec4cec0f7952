"""Errors and uncertainties of calibrations on data of other people's solvers.

    python -m benchmarks.other_solvers [--exponax PYTHON] [--only NAME ...]

Twelve data sets: four each by py-pde, by SciPy's integrators with differences written here, and by
exponax, in an environment of its own that ``--exponax`` names; without it these are left out.
Grids, boundaries, orders, tolerances and precisions differ; there is no noise. Each is calibrated
with ``scheme: auto`` from a guess 40 % too large. For each parameter it prints the relative error,
the relative ``uncertainty`` and their ratio; and the shares within two ``uncertainty`` and within
``interval_90``.
"""

import argparse
import logging
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from phi.torch.flow import math as phi_math
from scipy.integrate import solve_ivp

from benchmarks.coverage import wilson
from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, FieldLayout, Grid, Side
from hybrid_pde.factories import TrainerFactory

# Frames of a window.
_WINDOW = 6
_GUESS = 1.4

Frames = np.ndarray  # [T, C, *space]


@dataclass(frozen=True)
class DataSet:
    """Data of one solver.

    Attributes:
        equation: Name of the built-in equation.
        truth: True parameters.
        length: Length of the domain along every axis.
        dt: Time between frames.
        solve: The frames ``[T, C, *space]``; ``None`` for a data set that exponax makes.
        fields: Names of the fields.
        boundary: Condition on every side.
        single: Whether the frames are stored in single precision.
        fixed: Known parameters.
    """

    equation: str
    truth: Mapping[str, Any]
    length: float
    dt: float
    solve: Callable[[], Frames] | None = None
    fields: Sequence[str] = ("u",)
    boundary: Side = PERIODIC
    single: bool = True
    fixed: Mapping[str, Any] = field(default_factory=dict)


def smooth_start(points: int, dims: int, seed: int, walls: bool = False) -> np.ndarray:
    """Sum of long waves with random phases, of slope zero at walls; ``[*space]``, std 0.5."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[(np.arange(points) + 0.5) / points] * dims, indexing="ij")
    total = np.zeros((points,) * dims)
    for number in (1, 2, 3):
        for axis in axes:
            size, phase = random.uniform(0.5, 1) / number, random.uniform(0, 2 * np.pi)
            wave = np.cos(np.pi * number * axis) * np.sign(np.cos(phase))
            total += size * (wave if walls else np.sin(2 * np.pi * number * axis + phase))
    return np.asarray(0.5 * total / total.std())


def by_lines(
    rate: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    dt: float,
    method: str = "RK45",
    tolerance: float = 1e-6,
) -> Frames:
    """Method of lines with SciPy: du/dt = rate(u), ``start`` and the rate ``[C, *space]``."""
    found = solve_ivp(
        lambda _, u: rate(u.reshape(start.shape)).ravel(),
        (0, 12 * dt), start.ravel(), method, dt * np.arange(13),
        rtol=tolerance, atol=tolerance / 100,
    )  # fmt: skip
    return found.y.T.reshape(13, *start.shape)


def scipy_burgers() -> Frames:
    """Flux form of order 2 on a grid twice as fine; every cell of the data is the mean of two."""
    dx, start = 2.0 / 192, smooth_start(192, 1, 10)[None]

    def rate(u: np.ndarray) -> np.ndarray:
        ahead, behind = np.roll(u, -1, 1), np.roll(u, 1, 1)
        return -(ahead**2 - behind**2) / (4 * dx) + 0.02 * (ahead - 2 * u + behind) / dx**2

    fine = by_lines(rate, start, 0.05)
    return fine.reshape(13, 1, 96, 2).mean(axis=3)


def scipy_advection_diffusion() -> Frames:
    """Differences of order 4."""
    dx, start = 3.0 / 64, smooth_start(64, 1, 11)[None]

    def rate(u: np.ndarray) -> np.ndarray:
        b2, b1, a1, a2 = (np.roll(u, shift, 1) for shift in (2, 1, -1, -2))
        slope = (b2 - 8 * b1 + 8 * a1 - a2) / (12 * dx)
        curvature = (-b2 + 16 * b1 - 30 * u + 16 * a1 - a2) / (12 * dx**2)
        return -0.8 * slope + 0.05 * curvature

    return by_lines(rate, start, 0.1, tolerance=1e-8)


def scipy_fitzhugh_nagumo() -> Frames:
    """Finite volumes between walls, implicit time steps."""
    dx = 2.0 / 24

    def laplacian(u: np.ndarray) -> np.ndarray:
        wide = np.pad(u, 1, mode="edge")
        ends = wide[2:, 1:-1] + wide[:-2, 1:-1] + wide[1:-1, 2:] + wide[1:-1, :-2]
        return np.asarray((ends - 4 * u) / dx**2)

    def rate(state: np.ndarray) -> np.ndarray:
        u, v = state
        reaction = u - u**3 - 0.05 - v
        return np.stack([0.02 * laplacian(u) + reaction, 0.04 * laplacian(v) + u - v])

    start = np.stack([smooth_start(24, 2, seed, walls=True) for seed in (12, 13)])
    return by_lines(rate, start, 0.1, "LSODA")


def scipy_diffusion() -> Frames:
    """Finite volumes between walls held at 0, with the default tolerance of the integrator."""
    dx = 1.0 / 48
    x = (np.arange(48) + 0.5) * dx
    start = (np.sin(np.pi * x) + 0.4 * np.sin(3 * np.pi * x))[None]

    def rate(u: np.ndarray) -> np.ndarray:
        wide = np.concatenate([-u[:, :1], u, -u[:, -1:]], axis=1)
        return np.asarray(0.1 * (wide[:, 2:] - 2 * u + wide[:, :-2]) / dx**2)

    return by_lines(rate, start, 0.02, tolerance=1e-3)


def py_pde(
    rates: Mapping[str, str],
    starts: Sequence[np.ndarray],
    length: float,
    interval: float,
    *,
    periodic: bool = True,
    **solver: Any,
) -> Frames:
    """Solution of py-pde, of second order in space."""
    import pde

    shape = starts[0].shape
    grid = pde.CartesianGrid([[0, length]] * len(shape), shape, periodic=periodic)
    state: Any = pde.FieldCollection([pde.ScalarField(grid, start) for start in starts])
    if len(starts) == 1:
        state = state[0]
    bc = "auto_periodic_neumann"
    storage = pde.MemoryStorage()
    pde.PDE(dict(rates), bc=bc).solve(
        state, 12 * interval, tracker=[storage.tracker(interval)], backend="numpy", **solver
    )
    return np.array(storage.data).reshape(13, len(starts), *shape)


DATA_SETS = {
    "scipy-burgers": DataSet(
        "BurgersPDE", {"viscosity": 0.02, "advection": 1.0}, 2.0, 0.05, scipy_burgers
    ),
    "scipy-advection-diffusion": DataSet(
        "AdvectionDiffusionPDE", {"diffusivity": 0.05, "velocity": [0.8]}, 3.0, 0.1,
        scipy_advection_diffusion, single=False,
    ),
    "scipy-fitzhugh-nagumo": DataSet(
        "FitzHughNagumoPDE", {"threshold": 0.05, "diffusivity_u": 0.02, "diffusivity_v": 0.04},
        2.0, 0.1, scipy_fitzhugh_nagumo, ("u", "v"), ZERO_GRADIENT,
    ),
    "scipy-diffusion": DataSet(
        "DiffusionPDE", {"diffusivity": 0.1}, 1.0, 0.02, scipy_diffusion, boundary=0.0,
        single=False,
    ),
    "py-pde-diffusion": DataSet(
        "DiffusionPDE", {"diffusivity": 0.05}, 2.0, 0.1,
        lambda: py_pde(
            {"u": "0.05 * laplace(u)"}, [smooth_start(24, 2, 20, walls=True)], 2.0, 0.1,
            periodic=False, dt=1e-3,
        ),
        boundary=ZERO_GRADIENT, single=False,
    ),
    "py-pde-allen-cahn": DataSet(
        "AllenCahnPDE", {"diffusivity": 0.01, "reaction_rate": 2.0}, 2.0, 0.05,
        lambda: py_pde(
            {"u": "0.01 * laplace(u) + 2 * u - 2 * u**3"}, [smooth_start(32, 2, 21)], 2.0, 0.05,
            solver="runge-kutta", dt=1e-3,
        ),
    ),
    "py-pde-burgers": DataSet(
        "BurgersPDE", {"viscosity": 0.03, "advection": 1.0}, 2.0, 0.05,
        lambda: py_pde(
            {"u": "0.03 * laplace(u) - u * d_dx(u)"}, [smooth_start(96, 1, 22)], 2.0, 0.05,
            solver="scipy",
        ),
    ),
    "py-pde-brusselator": DataSet(
        "BrusselatorPDE", {"diffusivity_u": 0.02, "diffusivity_v": 0.1, "a": 1.0, "b": 2.5},
        4.0, 0.2,
        lambda: py_pde(
            {
                "u": "0.02 * laplace(u) + 1 - 3.5 * u + u**2 * v",
                "v": "0.1 * laplace(v) + 2.5 * u - u**2 * v",
            },
            [1 + 0.3 * smooth_start(24, 2, 23), 2.5 + 0.3 * smooth_start(24, 2, 24)], 4.0, 0.2,
            solver="scipy",
        ),
        ("u", "v"), single=False,
    ),
    "exponax-burgers": DataSet("BurgersPDE", {"viscosity": 0.02, "advection": 1.0}, 2.0, 0.05),
    "exponax-kdv": DataSet("KortewegDeVriesPDE", {"advection": 1.0, "dispersion": 0.02}, 4.0, 0.05),
    "exponax-advection-diffusion": DataSet(
        "AdvectionDiffusionPDE", {"diffusivity": 0.05, "velocity": [0.8, -0.3]}, 3.0, 0.1
    ),
    "exponax-fisher-kpp": DataSet(
        "FisherKPPPDE", {"diffusivity": 0.02, "growth_rate": 1.5}, 4.0, 0.1
    ),
}  # fmt: skip


class Windows:
    """Consecutive windows of frames, as the trainer reads them."""

    def __init__(self, data: DataSet, frames: Frames) -> None:
        self.dt = data.dt
        axes = ("x", "y", "z")[: frames.ndim - 2]
        self._fields, self._frames = data.fields, frames
        self.grid = Grid(
            axes, frames.shape[2:], (0.0,) * len(axes), (data.length,) * len(axes),
            ((data.boundary, data.boundary),) * len(axes), (False,) * len(axes),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Any]:
        with phi_math.precision(64):
            fields = [
                {
                    name: to_field(
                        torch.from_numpy(frame[None, channel].copy()), self.grid, FieldLayout(name)
                    )
                    for channel, name in enumerate(self._fields)
                }
                for frame in self._frames
            ]
        for start in range(0, len(fields) - _WINDOW, _WINDOW):
            later = fields[start + 1 : start + 1 + _WINDOW]
            yield fields[start], {name: [each[name] for each in later] for name in self._fields}


def calibrate(data: DataSet, frames: Frames) -> dict[str, Any]:
    """The result of a calibration with ``scheme: auto``."""
    if data.single:
        frames = frames.astype(np.float32)
    learnable = [
        {"name": name, "initial_guess": (_GUESS * np.array(value)).tolist()}
        for name, value in data.truth.items()
    ]
    physical = {
        "name": data.equation, "pde_params": dict(data.fixed), "numerics": {"scheme": "auto"}
    }  # fmt: skip
    settings = {
        "run_params": {"model_type": "physical"},
        "model": {"physical": physical},
        "trainer_params": {"learnable_parameters": learnable},
    }
    trainer = TrainerFactory.create_physical_trainer(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trainer.train(Windows(data, frames.astype(float)), 1)


@dataclass(frozen=True)
class Row:
    """Error, uncertainty and limits of one number, relative to its true value."""

    label: str
    error: float
    uncertainty: float
    lower: float
    upper: float

    @property
    def is_inside(self) -> bool:
        """True if the true value lies in ``interval_90``."""
        return self.lower <= 0 <= self.upper


def rows(data: DataSet, result: Mapping[str, Any]) -> Iterator[Row]:
    """The numbers of a result."""
    for name, truth in data.truth.items():
        entry, true = result["parameters"][name], np.atleast_1d(truth)
        found = [
            np.atleast_1d(np.array(each, dtype=float))
            for each in (entry["value"], entry["uncertainty"], *entry["interval_90"])
        ]
        for position, value in enumerate(true):
            at, spread, low, high = (float(each[position]) for each in found)
            lower, upper = sorted(((low - value) / value, (high - value) / value))
            label = name if len(true) == 1 else f"{name}[{position}]"
            yield Row(label, at / value - 1, spread / abs(value), lower, upper)


def exponax_frames(python: Path) -> dict[str, Frames]:
    """The data sets that exponax makes, by name."""
    program = Path(__file__).with_name("exponax_data.py")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.npz"
        subprocess.run([str(python), str(program), str(path)], check=True)
        with np.load(path) as found:
            return {f"exponax-{name}": found[name] for name in found.files}


def main() -> None:
    """Run the selected data sets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.other_solvers")
    parser.add_argument("--exponax", type=Path, help="interpreter of an environment with exponax")
    parser.add_argument("--only", nargs="+", choices=DATA_SETS, default=list(DATA_SETS))
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    chosen = {name: DATA_SETS[name] for name in options.only}
    given: dict[str, Frames] = {}
    if any(each.solve is None for each in chosen.values()):
        if options.exponax is None:
            print("without --exponax PYTHON, its data sets are left out", flush=True)
        else:
            given = exponax_frames(options.exponax)
    every: list[Row] = []
    for name, data in chosen.items():
        frames = given.get(name) if data.solve is None else data.solve()
        if frames is None:
            continue
        begin = time.process_time()
        result = calibrate(data, frames)
        used, seconds = result["numerics"], time.process_time() - begin
        print(f"{name}: {used['scheme']}, order {used['order']}, {seconds:.0f} CPU s", flush=True)
        for row in rows(data, result):
            every.append(row)
            print(
                f"  {row.label:16} error {row.error:+.1e}, uncertainty {row.uncertainty:.1e}, "
                f"ratio {abs(row.error) / row.uncertainty:.2g}, in interval_90: {row.is_inside}",
                flush=True,
            )
    near = sum(abs(row.error) <= 2 * row.uncertainty for row in every)
    inside = sum(row.is_inside for row in every)
    low, high = wilson(near, len(every))
    print(
        f"within 2 uncertainty {near}/{len(every)} ({100 * low:.0f}-{100 * high:.0f} %), in "
        f"interval_90 {inside}/{len(every)}; median error "
        f"{np.median([abs(row.error) for row in every]):.1e}, median width of interval_90 "
        f"{np.median([row.upper - row.lower for row in every]):.1e}"
    )


if __name__ == "__main__":
    main()
