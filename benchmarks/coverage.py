"""Coverage of ``interval_90``: repeated calibrations on data of an independent solver.

    python -m benchmarks.coverage [--repetitions 100] [--only noise-1 int16 ...]

Every repetition has its own initial states and noise. For each scenario it prints the share of true
parameters within ``interval_90`` with its Wilson interval, the Winkler score relative to the true
value, and the share within two ``uncertainty`` with the median width of the interval relative to
the median error.

Sources: Wilson (1927), J. Am. Stat. Assoc. 22, 209-212; Winkler (1972), J. Am. Stat. Assoc. 67,
187-191.
"""

import argparse
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from phi.torch.flow import math as phi_math

from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.factories import TrainerFactory

_POINTS, _FRAMES, _WINDOW = 48, 12, 6
# Steps per frame of the independent solver.
_STEPS = 40
_NORMAL_95 = 1.96

Noise = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Equation:
    """An equation u_t = L u + N(u) on a periodic line, with its true parameters.

    Attributes:
        name: Name of the built-in equation.
        truth: True parameters.
        length: Length of the domain.
        dt: Time between frames.
        linear: Symbol of L, from ik and −k² of the scheme.
        nonlinear: N(u), from u and a derivative ∂ₓ.
    """

    name: str
    truth: Mapping[str, float]
    length: float
    dt: float
    linear: Callable[[np.ndarray, np.ndarray], np.ndarray]
    nonlinear: Callable[[np.ndarray, Callable[[np.ndarray], np.ndarray]], np.ndarray]


EQUATIONS = {
    "burgers": Equation(
        "BurgersPDE", {"viscosity": 0.02, "advection": 1.0}, 2.0, 0.05,
        lambda ik, kk: 0.02 * kk, lambda u, d: -0.5 * d(u**2),
    ),
    "advection-diffusion": Equation(
        "AdvectionDiffusionPDE", {"diffusivity": 0.05, "velocity": 0.8}, 3.0, 0.1,
        lambda ik, kk: 0.05 * kk - 0.8 * ik, lambda u, d: 0 * u,
    ),
    "allen-cahn": Equation(
        "AllenCahnPDE", {"diffusivity": 0.004, "reaction_rate": 3.0}, 2.0, 0.05,
        lambda ik, kk: 0.004 * kk, lambda u, d: 3.0 * (u - u**3),
    ),
    "kdv": Equation(
        "KortewegDeVriesPDE", {"advection": 1.0, "dispersion": 0.02}, 4.0, 0.05,
        lambda ik, kk: -0.02 * ik * kk, lambda u, d: -0.5 * d(u**2),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """Kind of data.

    Attributes:
        noise: Adds what the measurement adds.
        equations: Names of the equations, in turn.
        order: Order of the data's differences; ``None`` for a spectral solver.
        finer: Grid of the data's solver relative to that of the data.
        numerics: ``model.physical.numerics``.
    """

    noise: Noise
    equations: Sequence[str] = ("burgers",)
    order: int | None = None
    finer: int = 4
    numerics: Mapping[str, str] = field(default_factory=lambda: _SPECTRAL)


def independent(size: float) -> Noise:
    """Independent normal noise, relative to the standard deviation of the data."""
    return lambda u, random: u + size * u.std() * random.standard_normal(u.shape)


def correlated(size: float) -> Noise:
    """Noise correlated over about three cells and three frames."""

    def add(u: np.ndarray, random: np.random.Generator) -> np.ndarray:
        raw = random.standard_normal((len(u) + 20, u.shape[1]))
        for number in range(1, len(raw)):
            raw[number] = 0.5 * raw[number - 1] + 0.75**0.5 * raw[number]
        k = np.fft.rfftfreq(u.shape[1])
        smooth = np.fft.irfft(np.fft.rfft(raw) * np.exp(-0.5 * (2 * np.pi * k) ** 2), u.shape[1])
        noise = smooth[20:]
        return np.asarray(u + size * u.std() * noise / noise.std())

    return add


def packed(u: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Values packed to 16-bit integers, as in NetCDF files with ``scale_factor``."""
    step = float(np.ptp(u)) / 65_000
    return (np.round((u - u.min()) / step) * step + u.min()).astype(np.float32).astype(float)


def single(u: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Values in single precision."""
    return u.astype(np.float32).astype(float)


_SPECTRAL = {"scheme": "spectral"}
_AUTO = {"scheme": "auto"}
SCENARIOS = {
    "noise-1": Scenario(independent(0.01)),
    "noise-5": Scenario(independent(0.05)),
    "correlated": Scenario(correlated(0.02)),
    "int16": Scenario(packed),
    "other-scheme": Scenario(independent(0.01), order=2, finer=2, numerics=_AUTO),
    "coarse-other-scheme": Scenario(independent(0.01), order=2, finer=1, numerics=_AUTO),
    "float32": Scenario(single, equations=tuple(EQUATIONS), numerics=_AUTO),
}


def frames_of(equation: Equation, scenario: Scenario, random: np.random.Generator) -> np.ndarray:
    """Frames ``[T, X]`` at cell centres by Runge-Kutta steps with an integrating factor."""
    finer = scenario.finer
    count = finer * _POINTS
    dx = equation.length / count
    k = 2 * np.pi * np.fft.fftfreq(count, dx)
    ik, kk = 1j * k, -(k**2)
    if scenario.order == 2:
        ik, kk = 1j * np.sin(k * dx) / dx, -4 * np.sin(k * dx / 2) ** 2 / dx**2
    x = dx * np.arange(count)
    if finer == 1:
        x = x + dx / 2
    u = np.zeros(count)
    for mode in (1, 2, 3):
        phase, size = random.uniform(0, 2 * np.pi), random.uniform(0.5, 1.0) / mode
        u += size * np.sin(2 * np.pi * mode * x / equation.length + phase)
    u *= 0.5 / u.std()
    step = equation.dt / _STEPS
    half = np.exp(equation.linear(ik, kk) * step / 2)

    def rate(state: np.ndarray) -> np.ndarray:
        values = np.fft.ifft(state).real

        def derivative(w: np.ndarray) -> np.ndarray:
            return np.fft.ifft(ik * np.fft.fft(w)).real

        return np.fft.fft(equation.nonlinear(values, derivative))

    state, found = np.fft.fft(u), [u]
    for _ in range(_FRAMES):
        for _ in range(_STEPS):
            a = step * rate(state)
            b = step * rate(half * (state + a / 2))
            c = step * rate(half * state + b / 2)
            d = step * rate(half**2 * state + half * c)
            state = half**2 * state + (half**2 * a + 2 * half * (b + c) + d) / 6
        found.append(np.fft.ifft(state).real)
    return np.array(found)[:, finer // 2 :: finer]


class Windows:
    """Consecutive windows of frames ``[T, X]``, as the trainer reads them."""

    def __init__(self, frames: np.ndarray, equation: Equation) -> None:
        self.dt = equation.dt
        self.grid = Grid(
            axes=("x",), shape=(frames.shape[1],), lower=(0.0,), upper=(equation.length,),
            boundary=((PERIODIC, PERIODIC),), nodes_on_boundary=(False,),
        )  # fmt: skip
        self._frames = frames

    def __iter__(self) -> Iterator[Any]:
        with phi_math.precision(64):
            fields = [
                to_field(torch.from_numpy(frame[None].copy()), self.grid, FieldLayout("u"))
                for frame in self._frames
            ]
        for start in range(0, len(fields) - _WINDOW, _WINDOW):
            yield {"u": fields[start]}, {"u": fields[start + 1 : start + 1 + _WINDOW]}


def calibrate(scenario: Scenario, number: int) -> tuple[Equation, dict[str, Any]]:
    """One repetition: the equation, and the parameters found."""
    random = np.random.default_rng(number)
    equation = EQUATIONS[scenario.equations[number % len(scenario.equations)]]
    data = scenario.noise(frames_of(equation, scenario, random), random)
    learnable = [
        {"name": name, "initial_guess": [1.4 * value] if name == "velocity" else 1.4 * value}
        for name, value in equation.truth.items()
    ]
    settings = {
        "run_params": {"model_type": "physical"},
        "model": {"physical": {"name": equation.name, "numerics": scenario.numerics}},
        "trainer_params": {"learnable_parameters": learnable},
    }
    trainer = TrainerFactory.create_physical_trainer(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return equation, trainer.train(Windows(data, equation), 1)["parameters"]


@dataclass(frozen=True)
class Coverage:
    """Errors and intervals of a scenario, relative to the true values, ``[n]``."""

    errors: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    uncertainty: np.ndarray
    std: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """True if each true value lies in its interval."""
        return (self.lower <= 0) & (self.upper >= 0)

    @property
    def winkler(self) -> float:
        """Mean width plus 20 times the distance of true values outside."""
        outside = np.maximum(self.lower, 0) + np.maximum(-self.upper, 0)
        return float(np.mean(self.upper - self.lower + 2 / 0.1 * outside))


def coverage(scenario: Scenario, repetitions: int) -> Coverage:
    """Calibrate repeatedly."""
    rows = []
    for number in range(repetitions):
        equation, found = calibrate(scenario, number)
        for name, truth in equation.truth.items():
            entry = found[name]
            lower, upper = (float(np.ravel(limit)[0]) for limit in entry["interval_90"])
            value, total, std = (
                float(np.ravel(entry[key])[0]) for key in ("value", "uncertainty", "std")
            )
            row = (value - truth, lower - truth, upper - truth, total, std)
            rows.append([each / abs(truth) for each in row])
    return Coverage(*np.array(rows).T)


def wilson(inside: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, square = inside / count, _NORMAL_95**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    reach = _NORMAL_95 * np.sqrt(share * (1 - share) / count + square / (4 * count**2))
    reach /= 1 + square / count
    return float(centre - reach), float(centre + reach)


def main() -> None:
    """Run the selected scenarios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    for name in arguments.only:
        begin = time.perf_counter()
        found = coverage(SCENARIOS[name], arguments.repetitions)
        seconds = (time.perf_counter() - begin) / arguments.repetitions
        count, inside = len(found.errors), int(found.inside.sum())
        low, high = wilson(inside, count)
        sizes = np.abs(found.errors)
        width = float(np.median(found.upper - found.lower))
        print(
            f"{name}: {inside}/{count} in interval_90 ({100 * low:.0f}-{100 * high:.0f} %), "
            f"Winkler score {found.winkler:.2g}; within 2 uncertainty "
            f"{100 * np.mean(sizes <= 2 * found.uncertainty):.0f} %, within 2 std "
            f"{100 * np.mean(sizes <= 2 * found.std):.0f} %; median error {np.median(sizes):.2g}, "
            f"median width / median error {width / np.median(sizes):.2g}; {seconds:.1f} s a run",
            flush=True,
        )


if __name__ == "__main__":
    main()
