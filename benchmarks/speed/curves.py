"""Growth of the time of a rollout with the grid, the number of simulations and of steps."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from statistics import median
from typing import Any

import torch

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.models.registry import ModelRegistry

# The slope of log time against log size over the two largest sizes that is expected.
EXPECTED = (0.9, 1.15)
_DT = 1e-3
_POINTS = (32, 64, 128, 256, 512)
_SIMULATIONS = (1, 10, 100, 1000)
_STEPS = (10, 100, 1000, 10_000)


@dataclass(frozen=True)
class Curve:
    """Time against size.

    Attributes:
        what: What grows.
        sizes: Cells, simulations or steps.
        seconds: Median time of a rollout at each size.
    """

    what: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def slope(self) -> float:
        """Slope of log time against log size over the two largest sizes."""
        (small, large), (short, long) = self.sizes[-2:], self.seconds[-2:]
        return log(long / short) / log(large / small)

    def to_json(self) -> dict[str, Any]:
        """The attributes and the slope, as JSON types."""
        return {
            "what": self.what,
            "sizes": list(self.sizes),
            "seconds": list(self.seconds),
            "slope": self.slope,
        }


def curves() -> Iterator[Curve]:
    """Burgers' equation in 2D, spectral scheme of order 2, single precision."""
    yield Curve(
        "cells, 1 simulation, 10 steps",
        tuple(points**2 for points in _POINTS),
        tuple(_seconds(points, 1, 10) for points in _POINTS),
    )
    yield Curve(
        "simulations, 64² cells, 10 steps",
        _SIMULATIONS,
        tuple(_seconds(64, simulations, 10) for simulations in _SIMULATIONS),
    )
    yield Curve(
        "steps, 64² cells, 1 simulation",
        _STEPS,
        tuple(_seconds(64, 1, steps) for steps in _STEPS),
    )


def _seconds(points: int, simulations: int, steps: int) -> float:
    numerics = {"scheme": "spectral", "order": 2, "precision": "single", "substeps": 1}
    physical = {"name": "BurgersPDE", "pde_params": {"viscosity": 0.01}, "numerics": numerics}
    model = ModelRegistry({"model": {"physical": physical}}).get_physical_model()
    grid = Grid(
        ("x", "y"), (points,) * 2, (0.0, 0.0), (1.0, 1.0), ((PERIODIC,) * 2,) * 2, (False,) * 2
    )
    line = torch.sin(2 * torch.pi * torch.arange(points) / points)
    state = (line[:, None] * line).expand(simulations, 2, points, points).contiguous()

    def run(count: int) -> float:
        begin = time.perf_counter()
        with torch.no_grad():
            deque(model.rollout(state, grid, count, _DT / 10), maxlen=1)
        return time.perf_counter() - begin

    run(2)
    first = run(steps)
    # long runs vary little
    return median([first, *(run(steps) for _ in range(2 if first < 5 else 0))])
