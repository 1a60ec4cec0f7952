"""Times rollouts: milliseconds for each case, beside exponax where its interpreter is given.

python -m benchmarks.rollouts [--rounds 7] [--exponax PYTHON] [--precision single] [CASE …]

The runs of both alternate; the ratio is that of the medians, above 1 where this library is faster.
exponax runs in a process of its own, with the same grid, initial state, time step, order and
precision. Navier-Stokes flows are velocities here and vorticities there.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import torch
from phi.torch.flow import math

from hybrid_pde.data.field_conversion import from_field, to_field
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.models.registry import ModelRegistry

AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Case:
    """An equation in a periodic box: points along each axis, simulations, frames."""

    shape: tuple[int, ...]
    simulations: int
    frames: int
    equation: str = "BurgersPDE"
    length: float = 1.0
    dt: float = 1e-3

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters of the equation."""
        return {
            "BurgersPDE": {"viscosity": 0.01},
            "NavierStokesPDE": {"viscosity": 0.01},
            "KortewegDeVriesPDE": {"advection": 1.0, "dispersion": 4.84e-4},
            "KuramotoSivashinskyPDE": {},
        }[self.equation]

    @property
    def layout(self) -> FieldLayout:
        """Layout of the field: a velocity or a scalar."""
        if self.equation in ("BurgersPDE", "NavierStokesPDE"):
            return FieldLayout("velocity", AXES[: len(self.shape)])
        return FieldLayout("u", ())


CASES = {
    "burgers-1d-256": Case((256,), 1, 200),
    "burgers-1d-1024-16": Case((1024,), 16, 100),
    "burgers-2d-64": Case((64, 64), 1, 20),
    "burgers-2d-64-16": Case((64, 64), 16, 20),
    "burgers-2d-128": Case((128, 128), 1, 20),
    "burgers-2d-256": Case((256, 256), 1, 10),
    "burgers-3d-32": Case((32, 32, 32), 1, 10),
    "kdv-1d-512-16": Case((512,), 16, 100, "KortewegDeVriesPDE", 2.0),
    "ks-1d-256-16": Case((256,), 16, 100, "KuramotoSivashinskyPDE", 60.0, 0.05),
    "navier-stokes-2d-64": Case((64, 64), 1, 20, "NavierStokesPDE", 2 * pi, 1e-2),
}


def initial_state(case: Case) -> torch.Tensor:
    """Waves ``[B, C, *space]`` of different phases along all axes; divergence-free velocities."""
    lines = [2 * pi * torch.arange(n, dtype=torch.float64) / n for n in case.shape]
    points = torch.meshgrid(*lines, indexing="ij")
    if case.equation == "NavierStokesPDE":
        x, y = points
        waves = torch.stack([x.cos() * y.sin() + 0.3 * (2 * y).sin(), -x.sin() * y.cos()])
    else:
        channels = len(case.layout.components) or 1
        waves = torch.stack(
            [sum((p + c).sin() for p in points) / len(points) for c in range(channels)]
        )
    sizes = torch.linspace(1, 0.9, case.simulations, dtype=torch.float64)
    return sizes.reshape(-1, *[1] * waves.ndim) * waves


class Here:
    """Rollouts of this library.

    Args:
        case: The case.
        numerics: Scheme, order and precision.
    """

    def __init__(self, case: Case, numerics: dict[str, Any]) -> None:
        axes, size = AXES[: len(case.shape)], len(case.shape)
        sides = ((PERIODIC, PERIODIC),) * size
        self.grid = Grid(
            axes, case.shape, (0.0,) * size, (case.length,) * size, sides, (False,) * size
        )
        physical = {"name": case.equation, "pde_params": case.parameters, "numerics": numerics}
        config = {
            "run_params": {"experiment_name": "rollouts", "model_type": "physical"},
            "data": {"dset_name": "none", "fields": [case.layout.name]},
            "model": {"physical": physical},
        }
        self._case, self._model = case, ModelRegistry(config).get_physical_model()
        bits, kind = (
            (32, torch.float32) if numerics["precision"] == "single" else (64, torch.float64)
        )
        with math.precision(bits):
            field = to_field(initial_state(case).to(kind), self.grid, case.layout)
        self._initial = {case.layout.name: field}

    def run(self) -> tuple[float, torch.Tensor]:
        """Time of ``predict_trajectory`` [s], and the last frame."""
        case = self._case
        with torch.no_grad():
            begin = time.perf_counter()
            frames = self._model.predict_trajectory(self._initial, case.frames, case.dt)
            took = time.perf_counter() - begin
        return took, from_field(frames[case.layout.name][-1], self.grid, case.layout)


class Exponax:
    """The same rollouts with exponax, in a process of its own.

    Args:
        python: Interpreter of an environment with exponax.
        case: The case.
        numerics: Scheme, order and precision.
        folder: Folder for the states.
    """

    def __init__(self, python: str, case: Case, numerics: dict[str, Any], folder: Path) -> None:
        script = Path(__file__).with_name("exponax_rollouts.py")
        self._process = subprocess.Popen(
            [python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        state = initial_state(case)
        if case.equation == "NavierStokesPDE":
            state = vorticity(state, case)
        kind = np.float32 if numerics["precision"] == "single" else np.float64
        np.save(folder / "state.npy", state.numpy().astype(kind))
        described = {
            **{"equation": case.equation, "shape": case.shape, "length": case.length},
            **{"dt": case.dt, "frames": case.frames, "parameters": case.parameters, **numerics},
            **{"state": str(folder / "state.npy"), "result": str(folder / "result.npy")},
        }
        self.last = torch.from_numpy(np.load(self._ask(described)))

    def run(self) -> float:
        """Time of a rollout [s]."""
        return self._ask({})

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


def vorticity(velocity: torch.Tensor, case: Case) -> torch.Tensor:
    """The vorticity ``[B, 1, X, Y]`` of velocities ``[B, 2, X, Y]``, with exponax's sign."""
    wavenumbers = [2j * pi * torch.fft.fftfreq(n, case.length / n) for n in case.shape]
    modes = torch.fft.fft2(velocity)
    curl = wavenumbers[1] * modes[:, 0] - wavenumbers[0][:, None] * modes[:, 1]
    return torch.fft.ifft2(curl).real[:, None]


def compared(
    case: Case, numerics: dict[str, Any], rounds: int, python: str | None
) -> dict[str, Any]:
    """Median times [ms] and their quartiles, the ratio, the relative difference of last frames."""
    here = Here(case, numerics)
    here.run()
    if python is None:
        return _times("", [here.run()[0] for _ in range(rounds)])
    with tempfile.TemporaryDirectory() as folder:
        peer = Exponax(python, case, numerics, Path(folder))
        try:
            both = [(here.run(), peer.run()) for _ in range(rounds)]
        finally:
            peer.close()
    own, other, last = [each[0][0] for each in both], [each[1] for each in both], both[-1][0][1]
    if case.equation == "NavierStokesPDE":
        last = vorticity(last.double(), case)
    difference = (last - peer.last).abs().max() / peer.last.abs().max()
    return {
        **_times("", own),
        **_times("exponax_", other),
        "ratio": round(median(other) / median(own), 2),
        "difference": float(f"{float(difference):.1e}"),
    }


def _times(prefix: str, seconds: Sequence[float]) -> dict[str, float]:
    low, middle, high = quantiles(seconds, n=4) if len(seconds) > 1 else [*seconds] * 3
    values = {"ms": middle, "ms_lower_quartile": low, "ms_upper_quartile": high}
    return {prefix + name: round(1e3 * value, 3) for name, value in values.items()}


def main(
    argv: Sequence[str] | None = None,
    show: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """Print the times as JSON, one line for each case."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--exponax", metavar="PYTHON", help="interpreter that has exponax")
    parser.add_argument("--scheme", default="spectral")
    parser.add_argument("--order", type=int, default=2)
    parser.add_argument("--precision", default="single")
    given = parser.parse_args(argv)
    numerics = {"scheme": given.scheme, "order": given.order, "precision": given.precision}
    for case in given.cases:
        found = compared(CASES[case], numerics, given.rounds, given.exponax)
        show(json.dumps({"case": case, **found, **numerics}))


if __name__ == "__main__":
    main()
