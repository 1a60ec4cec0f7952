"""Raw files of four calibrations, from independent pseudo-spectral solvers in plain numpy.

Fields are ``[..., X]`` or ``[..., X, Y]`` on the nodes of a periodic box, in double precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.calibration.cases import burgers_set, write_burgers
from benchmarks.calibration.reference import exponential_steps, wavenumbers
from hybrid_pde.data.atomic import atomic_path

Array = np.ndarray


@dataclass(frozen=True)
class Calibration:
    """A calibration and its data.

    Attributes:
        name: Its name in the table.
        simulations: Number of simulations.
        fields: Names of the fields.
        equation: Name of the equation.
        truth: The parameters to find.
        known: The other parameters.
    """

    name: str
    simulations: int
    fields: tuple[str, ...]
    equation: str
    truth: dict[str, float]
    known: dict[str, float]

    def settings(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Sections ``data``, ``model.physical`` and ``trainer_params``; guesses twice the truth."""
        learnable = [
            {"name": name, "initial_guess": 2 * value} for name, value in self.truth.items()
        ]
        physical: dict[str, Any] = {"name": self.equation, "pde_params": self.known}
        return (
            {"fields": list(self.fields)},
            physical,
            {"train_sim": list(range(self.simulations)), "learnable_parameters": learnable},
        )

    def write(self, folder: Path) -> None:
        """Write the raw files, unless they are there."""
        if folder.exists():
            return
        folder.mkdir(parents=True)
        if self.name == "burgers":
            write_burgers(folder / "burgers.nc", burgers_set(self.simulations, 21))
            return
        for number in range(self.simulations):
            with atomic_path(folder / f"sim_{number:03d}.nc") as temporary:
                _SOLVERS[self.name](number, self.truth | self.known).to_netcdf(temporary)


def _korteweg_de_vries(seed: int, values: dict[str, float]) -> xr.Dataset:
    """512 points, 201 frames: two cosines of random phases in a box of length 2."""
    points, length, dt = 512, 2.0, 0.005
    x = length / points * np.arange(points)
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, 2)
    start = np.cos(np.pi * x + phases[0]) + 0.3 * np.cos(2 * np.pi * x + phases[1])
    k = 2 * np.pi / length * np.fft.rfftfreq(points, 1 / points)
    return _line(start, 1j * k**3 * values["dispersion"], values["advection"], length, (201, dt))


def _kuramoto_sivashinsky(seed: int, values: dict[str, float]) -> xr.Dataset:
    """1 024 points, 251 frames in a box of length 32 π (Kassam and Trefethen 2005, section 4)."""
    points, length, dt = 1024, 32 * np.pi, 0.4
    x = length / points * np.arange(points)
    start = np.cos(x / 16 + seed) * (1 + np.sin(x / 16 + seed))
    k = 2 * np.pi / length * np.fft.rfftfreq(points, 1 / points)
    linear = values["second_order"] * k**2 - values["fourth_order"] * k**4
    return _line(start, linear.astype(complex), values["advection"], length, (251, dt))


def _line(
    start: Array, linear: Array, advection: float, length: float, times: tuple[int, float]
) -> xr.Dataset:
    """u_t = L u − a u u_x, with products dealiased by the 2/3 rule."""
    points, (frames, dt) = len(start), times
    k = 2 * np.pi / length * np.fft.rfftfreq(points, 1 / points)
    kept = k < 2 * np.pi / length * points / 3

    def nonlinear(hat: Array) -> Array:
        return -0.5j * advection * k * kept * np.fft.rfft(np.fft.irfft(hat, points) ** 2)

    substeps = 20
    steps = exponential_steps(nonlinear, linear, kept * np.fft.rfft(start), dt / substeps)
    u = np.stack([start, *(np.fft.irfft(hat, points) for hat in _every(steps, substeps, frames))])
    x = length / points * np.arange(points)
    return xr.Dataset(
        {"u": (("time", "x"), u)},
        {"time": dt * np.arange(frames), "x": x},
        {"boundary": "periodic"},
    )


def _navier_stokes(seed: int, values: dict[str, float]) -> xr.Dataset:
    """64² points, 33 frames of decaying turbulence in a box of side 2π, as velocities."""
    points, frames, dt, substeps = 64, 33, 0.1, 20
    kx, ky = wavenumbers(points, 2 * np.pi)
    square = kx**2 + ky**2
    inverse = np.where(square > 0, 1 / np.where(square > 0, square, 1), 0)
    kept = (np.abs(kx) < points / 3) & (np.abs(ky) < points / 3)

    def velocity(hat: Array) -> Array:
        stream = inverse * hat
        return np.stack([np.fft.irfft2(part) for part in (1j * ky * stream, -1j * kx * stream)])

    def advection(hat: Array) -> Array:
        u, v = velocity(hat)
        slopes = [np.fft.irfft2(1j * k * hat) for k in (kx, ky)]
        return -(kept * np.fft.rfft2(u * slopes[0] + v * slopes[1]))

    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal((points, points)))
    start = noise * kept * np.exp(-square / 18)
    start[0, 0] = 0
    start *= 1 / np.sqrt(np.mean(velocity(start) ** 2))
    steps = exponential_steps(advection, -values["viscosity"] * square, start, dt / substeps)
    u = np.stack([velocity(start), *map(velocity, _every(steps, substeps, frames))])
    nodes = 2 * np.pi / points * np.arange(points)
    return xr.Dataset(
        {"velocity": (("time", "vector", "x", "y"), u)},
        {"time": dt * np.arange(frames), "vector": ["x", "y"], "x": nodes, "y": nodes},
        {"boundary": "periodic"},
    )


def _every(steps: Iterator[Array], substeps: int, frames: int) -> Iterator[Array]:
    """The state after each ``substeps`` steps."""
    for _ in range(frames - 1):
        for _ in range(substeps - 1):
            next(steps)
        yield next(steps)


_SOLVERS = {
    "navier_stokes": _navier_stokes,
    "korteweg_de_vries": _korteweg_de_vries,
    "kuramoto_sivashinsky": _kuramoto_sivashinsky,
}

CALIBRATIONS = (
    Calibration("burgers", 3, ("velocity",), "BurgersPDE", {"viscosity": 0.01}, {}),
    Calibration("navier_stokes", 2, ("velocity",), "NavierStokesPDE", {"viscosity": 0.01}, {}),
    Calibration(
        "korteweg_de_vries",
        1,
        ("u",),
        "KortewegDeVriesPDE",
        {"advection": 1.0, "dispersion": 4.84e-4},
        {},
    ),
    Calibration(
        "kuramoto_sivashinsky",
        1,
        ("u",),
        "KuramotoSivashinskyPDE",
        {"advection": 1.0, "second_order": 1.0, "fourth_order": 1.0},
        {},
    ),
)
