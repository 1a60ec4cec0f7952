"""Identical twins: data made by a model at known parameters, as a data source."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from phi.torch.flow import math

from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.models.physical import AdvectionDiffusionPDE, AllenCahnPDE, BurgersPDE
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical import PhysicalTrainer
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

EQUATIONS: dict[str, type[PhysicalModel]] = {
    "BurgersPDE": BurgersPDE,
    "AdvectionDiffusionPDE": AdvectionDiffusionPDE,
    "AllenCahnPDE": AllenCahnPDE,
}
TRUTH: dict[str, dict[str, Any]] = {
    "BurgersPDE": {"viscosity": 0.02, "advection": 1.0},
    "AdvectionDiffusionPDE": {"diffusivity": 0.01, "velocity": [0.6, -0.3]},
    "AllenCahnPDE": {"diffusivity": 2e-3, "reaction_rate": 3.0},
}
GUESS: dict[str, dict[str, Any]] = {
    "BurgersPDE": {"viscosity": 0.05, "advection": 0.4},
    "AdvectionDiffusionPDE": {"diffusivity": 0.025, "velocity": [0.3, -0.6]},
    "AllenCahnPDE": {"diffusivity": 5e-3, "reaction_rate": 1.2},
}
GRIDS = {
    "BurgersPDE": periodic_grid((20,), (0.7,)),
    "AdvectionDiffusionPDE": periodic_grid((14, 12), (1.0, 1.3)),
    "AllenCahnPDE": periodic_grid((20,), (0.7,)),
}
DT = 0.05
FD4 = {"scheme": "finite_difference", "order": 4}


@dataclass
class Windows:
    """Windows of one simulation ``[T, C, *space]``, every ``stride`` frames."""

    frames: torch.Tensor
    grid: Grid
    num_frames: int = 4
    stride: int = 4
    dt: float | None = DT
    layout: FieldLayout = field(default=FieldLayout("u"))

    def __iter__(self) -> Iterator[Any]:
        with math.precision(64):
            fields = [to_field(frame, self.grid, self.layout) for frame in self.frames]
        for start in range(0, len(fields) - self.num_frames, self.stride):
            targets = fields[start + 1 : start + 1 + self.num_frames]
            yield {"u": fields[start]}, {"u": targets}


def start_of(name: str) -> torch.Tensor:
    """A smooth state ``[1, *space]`` with several modes."""
    grid = GRIDS[name]
    state = torch.full(grid.shape, 0.1, dtype=torch.float64)
    for axis, x in enumerate(coordinates(grid)):
        k = 2 * torch.pi / grid.upper[axis]
        state = state + 0.3 * torch.sin(k * x + axis) + 0.2 * torch.cos(2 * k * x + 1)
    return state[None]


def simulate(name: str, steps: int = 8) -> torch.Tensor:
    """Frames ``[steps + 1, 1, *space]`` at the true parameters."""
    model = EQUATIONS[name](physical_config(name, TRUTH[name], numerics=FD4))
    start = start_of(name)
    return torch.stack([start, *model.rollout(start, GRIDS[name], steps, DT)])


def learnable(name: str, only: list[str] | None = None) -> list[dict[str, Any]]:
    return [
        {"name": key, "initial_guess": guess}
        for key, guess in GUESS[name].items()
        if only is None or key in only
    ]


def trainer(
    name: str, parameters: list[dict[str, Any]], numerics: Any = FD4, **training: Any
) -> PhysicalTrainer:
    """A calibration of what made the twins; its discretization is no matter unless asked for."""
    training = {"check_discretization": False, **training}
    known = {key: value for key, value in TRUTH[name].items()}
    config = physical_config(name, known, parameters, numerics, **training)
    model = EQUATIONS[name](config)
    guesses = [
        torch.tensor(parameter["initial_guess"], dtype=torch.float64) for parameter in parameters
    ]
    return PhysicalTrainer(config, model, guesses)


def windows(name: str, **options: Any) -> Windows:
    return Windows(simulate(name), GRIDS[name], **options)
