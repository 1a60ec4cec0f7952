"""Rollouts by the spectral scheme against exponax: same grid, order, precision and frames.

Layout: ``B`` simulations, ``C`` channels, ``X Y Z`` space.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from phi.torch.flow import math

from benchmarks.speed.processes import Peer
from benchmarks.speed.ratios import Pair, Ratio, timed
from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.evaluation.number_format import plural
from hybrid_pde.models.registry import ModelRegistry

# Largest difference of the last frames, as a share of the largest value: both remove the modes that
# alias, but not at the same places of a step.
_CLOSE = 1e-3


@dataclass(frozen=True)
class Case:
    """A rollout.

    Attributes:
        equation: Name of the equation.
        field: Its field.
        parameters: Its parameters.
        points: Points along each axis.
        simulations: Number of simulations.
        frames: Number of frames after the first, a time step each.
        length: Side of the box.
        dt: Time between two frames.
        least: The ratio that is aimed at.
    """

    equation: str
    field: str
    parameters: dict[str, float]
    points: tuple[int, ...]
    simulations: int
    frames: int
    length: float = 1.0
    dt: float = 1e-3
    least: float = 1.0

    @property
    def name(self) -> str:
        """Equation, grid, simulations and frames."""
        grid = "×".join(str(each) for each in self.points)
        return (
            f"{self.equation.removesuffix('PDE')} {len(self.points)}D {grid}, "
            f"{plural(self.simulations, 'simulation')}, {self.frames} frames"
        )

    @property
    def grid(self) -> Grid:
        """The periodic box."""
        dims = len(self.points)
        sides = ((PERIODIC, PERIODIC),) * dims
        ends = (0.0,) * dims, (self.length,) * dims
        return Grid(("x", "y", "z")[:dims], self.points, *ends, sides, (False,) * dims)

    def initial(self) -> np.ndarray:
        """Smooth states of order 1, ``[B, C, *space]``."""
        draw = np.random.default_rng(0)
        channels = len(self.points) if self.field == "velocity" else 1
        state = np.zeros((self.simulations, channels, *self.points))
        for axis, count in enumerate(self.points):
            line = 2 * np.pi * np.arange(count) / count
            for mode in (1, 2):
                phase = draw.uniform(0, 2 * np.pi, (self.simulations, channels, 1))
                wave = np.sin(mode * line + phase) / (2 * mode)
                shape = [*wave.shape[:2], *(1,) * len(self.points)]
                shape[2 + axis] = count
                state += wave.reshape(shape)
        return state


def _cases() -> Iterator[Case]:
    burgers = ("BurgersPDE", "velocity", {"viscosity": 0.01})
    # XLA needs 16 µs a step there, less than ten operations of PyTorch.
    yield Case(*burgers, (256,), 1, 200, least=0.4)
    yield Case(*burgers, (256,), 16, 200)
    yield Case(*burgers, (1024,), 16, 100, dt=5e-4)
    for points, frames in ((64, 20), (128, 20), (256, 10)):
        yield Case(*burgers, (points,) * 2, 1, frames)
    yield Case(*burgers, (64, 64), 1, 200)
    yield Case(*burgers, (64, 64), 16, 20)
    yield Case(*burgers, (128, 128), 16, 20)
    yield Case(*burgers, (32,) * 3, 1, 10)
    flow = ("VorticityPDE", "vorticity", {"viscosity": 0.01})
    yield Case(*flow, (64, 64), 1, 20, length=6.283185307179586, dt=0.01)
    yield Case(*flow, (128, 128), 16, 20, length=6.283185307179586, dt=0.01)
    waves = {"advection": 1.0, "dispersion": 4.84e-4}
    yield Case("KortewegDeVriesPDE", "u", waves, (256,), 16, 200, length=2.0, dt=2e-4)
    fronts = {"advection": 1.0, "second_order": 1.0, "fourth_order": 1.0}
    yield Case("KuramotoSivashinskyPDE", "u", fronts, (1024,), 16, 100, length=100.0, dt=0.02)


CASES = tuple(_cases())


def rollouts(scratch: Path, exponax: Path, rounds: int = 9) -> Iterator[Ratio]:
    """Each case in single and double precision."""
    for precision in ("single", "double"):
        for case in CASES:
            yield _ratio(case, precision, scratch, exponax, rounds)


def _ratio(case: Case, precision: str, scratch: Path, exponax: Path, rounds: int) -> Ratio:
    initial, final = scratch / "initial.npy", scratch / "final.npy"
    dtype = np.float32 if precision == "single" else np.float64
    state = case.initial().astype(dtype)
    np.save(initial, state)
    described = scratch / "case.json"
    files = {"initial": str(initial), "final": str(final)}
    settings = {**asdict(case), **files, "precision": precision, "order": 2}
    described.write_text(json.dumps(settings), encoding="utf-8")
    numerics = {"scheme": "spectral", "order": 2, "precision": precision}
    physical = {"name": case.equation, "pde_params": case.parameters, "numerics": numerics}
    model = ModelRegistry({"model": {"physical": physical}}).get_physical_model()
    components = case.grid.axes if case.field == "velocity" else ()
    layout = FieldLayout(case.field, components)
    with math.precision(32 if precision == "single" else 64):
        fields = {case.field: to_field(torch.from_numpy(state), case.grid, layout)}

    def ours() -> object:
        with torch.no_grad():
            return model.predict_trajectory(fields, case.frames, case.dt)

    program = str(Path(__file__).with_name("exponax_peer.py"))
    with Peer([str(exponax), program, str(described)], {"JAX_PLATFORMS": "cpu"}) as peer:
        peer.answer()
        difference = _difference(case, model, state, np.load(final))
        assert difference < _CLOSE, f"{case.name}: {difference:.1e} off"
        return Pair(
            f"{case.name}, {precision}",
            "exponax",
            timed(ours),
            lambda: float(peer.ask()),
            case.least,
            rounds,
            f"{model.substeps_used} steps a frame",
        ).measure()


def _difference(case: Case, model: object, state: np.ndarray, theirs: np.ndarray) -> float:
    with torch.no_grad():
        *_, last = model.rollout(torch.from_numpy(state), case.grid, case.frames, case.dt)
    return float(np.abs(last.numpy() - theirs).max() / np.abs(theirs).max())
