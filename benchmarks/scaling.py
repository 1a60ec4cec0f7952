"""Estimates from measured rates what an ensemble costs, stage by stage.

    python -m benchmarks.scaling [--simulations 10000 --points 256 --frames 50] [--nodes 100]

Rates of one core are measured here on a smaller 3D grid: bytes read into the cache, cells that the
solver advances by a step, cells that a training step takes. Stages scale with the number of
simulations, so the estimate divides by the cores that can work at a time; where one job or one file
system limits, it says so.
"""

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.speed.raw_to_cache import raw_to_cache
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.models.registry import ModelRegistry

_POINTS = 64
_FRAMES = 10
_COMPONENTS = 3
_BYTES = 4
# Frames of the file that the reading rate is measured with.
_CACHE_FRAMES = 200
# Needs of a calibration: simulations that determine a few parameters, Gauss-Newton iterations of
# one rollout and one tangent for each parameter, and double precision, which halves the rate.
_CALIBRATED, _ITERATIONS, _TANGENTS, _DOUBLE = 20, 8, 3, 2


@dataclass(frozen=True)
class Rates:
    """Rates of one core.

    Attributes:
        cache: Raw data read into the cache [byte/s].
        solver: Cells times steps of the solver [1/s].
        training: Cells times windows of training steps [1/s].
    """

    cache: float
    solver: float
    training: float


@dataclass(frozen=True)
class Ensemble:
    """An ensemble and the machine.

    Attributes:
        simulations: Number of simulations.
        points: Points along each of three axes.
        frames: Frames of a simulation.
        nodes: Nodes.
        cores: Cores of a node.
        disk: Rate of the file system, all nodes together [byte/s].
    """

    simulations: int
    points: int
    frames: int
    nodes: int
    cores: int
    disk: float

    @property
    def cells(self) -> int:
        """Cells of a frame."""
        return self.points**3

    @property
    def size(self) -> int:
        """All simulations [byte]."""
        return self.simulations * self.frames * self.cells * _COMPONENTS * _BYTES


@dataclass(frozen=True)
class Stage:
    """Cost of one stage.

    Attributes:
        name: The stage.
        core_seconds: Work.
        seconds: Time on the machine.
        limit: What limits it.
    """

    name: str
    core_seconds: float
    seconds: float
    limit: str


def measure() -> Rates:
    """The rates, on one thread."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        (read,) = raw_to_cache(Path(scratch), frames=_CACHE_FRAMES, rounds=3)
    size = 2 * _CACHE_FRAMES * 2 * 256**2 * _BYTES
    grid, state = _grid(), torch.zeros(1, _COMPONENTS, *(_POINTS,) * 3)
    line = torch.sin(2 * torch.pi * torch.arange(_POINTS) / _POINTS)
    state += line[:, None, None] + line[None, :, None] + line
    numerics = {"scheme": "spectral", "order": 2, "precision": "single", "substeps": 1}
    physical = {"name": "BurgersPDE", "pde_params": {"viscosity": 0.01}, "numerics": numerics}
    model = ModelRegistry({"model": {"physical": physical}}).get_physical_model()

    def roll() -> None:
        with torch.no_grad():
            deque(model.rollout(state, grid, _FRAMES, 1e-3), maxlen=1)

    channels = {"velocity": _COMPONENTS}
    synthetic = {"name": "UNet", "input_specs": channels, "output_specs": channels}
    network = ModelRegistry({"model": {"synthetic": synthetic}}).get_synthetic_model(grid)
    optimizer = torch.optim.AdamW(network.parameters())

    def train() -> None:
        optimizer.zero_grad()
        (network(state) - state).square().mean().backward()
        optimizer.step()

    cells = _POINTS**3
    return Rates(size / read.ours, cells * _FRAMES / _fastest(roll), cells / _fastest(train))


def stages(given: Ensemble, rates: Rates, optimizer_steps: int, batch: int) -> list[Stage]:
    """The cost of each stage."""
    all_cores = given.nodes * given.cores
    node = given.cores
    read = given.size / rates.cache
    frames = given.frames * given.cells
    rollouts = _CALIBRATED * _ITERATIONS * (1 + _TANGENTS)
    calibration = _DOUBLE * rollouts * frames / rates.solver
    generation = given.simulations * frames / rates.solver
    training = optimizer_steps * batch * given.cells / rates.training
    evaluation = given.simulations / 10 * frames / rates.solver
    cache_time = max(read / all_cores, 2 * given.size / given.disk)
    limits = {
        "cache": "the file system" if cache_time > read / all_cores else "cores",
        "train_physical": "one node: it is one job",
        "train_synthetic": "nodes: gradients are averaged over processes",
    }
    return [
        Stage("cache", read, cache_time, limits["cache"]),
        Stage("train_physical", calibration, calibration / node, limits["train_physical"]),
        Stage("augment", generation, generation / all_cores, "cores"),
        Stage("train_synthetic", training, training / all_cores, limits["train_synthetic"]),
        Stage("evaluate", evaluation, evaluation / all_cores, "cores"),
    ]


def _grid() -> Grid:
    zeros, ones = (0.0,) * 3, (1.0,) * 3
    sides = ((PERIODIC, PERIODIC),) * 3
    return Grid(("x", "y", "z"), (_POINTS,) * 3, zeros, ones, sides, (False,) * 3)


def _fastest(call: Callable[[], None]) -> float:
    """Shortest time of four calls, the first of which is not counted."""
    taken = []
    for _ in range(4):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return min(taken[1:])


def main(argv: Sequence[str] | None = None) -> None:
    """Print the rates and the stages as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--disk", type=float, default=50.0, help="file system [GB/s]")
    parser.add_argument("--steps", type=int, default=20_000, help="optimizer steps")
    parser.add_argument("--batch", type=int, default=100, help="windows of a step")
    given = parser.parse_args(argv)
    sizes = (given.simulations, given.points, given.frames, given.nodes, given.cores)
    ensemble = Ensemble(*sizes, 1e9 * given.disk)
    rates = measure()
    print(
        f"rates of one core: cache {rates.cache / 1e6:.0f} MB/s, solver {rates.solver / 1e6:.2f} "
    )
    print(f"million cells a second, training {rates.training / 1e6:.3f} million cells a second\n")
    print(f"data: {ensemble.size / 1e12:.1f} TB\n")
    print("| stage | core hours | hours | limited by |\n|---|---|---|---|")
    for stage in stages(ensemble, rates, given.steps, given.batch):
        hours, core_hours = stage.seconds / 3600, stage.core_seconds / 3600
        print(f"| {stage.name} | {core_hours:,.0f} | {hours:.2f} | {stage.limit} |")


if __name__ == "__main__":
    main()
