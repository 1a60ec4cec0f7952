"""Small analytic simulations for the tests of the evaluation."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid

AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Waves:
    """Decaying travelling waves: a vector ``velocity`` and optionally a static ``mask``."""

    grid: Grid
    layouts: tuple[FieldLayout, ...]
    dt: float
    fields: dict[str, torch.Tensor] = field(repr=False)
    known: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)


def waves(
    shape: tuple[int, ...] = (12, 10), frames: int = 5, phase: float = 0.0, static: bool = False
) -> Waves:
    """One component per axis, [T, C, *space]: exp(−t) sin(2π x_c / L_c − t + phase) + c."""
    axes = AXES[: len(shape)]
    upper = tuple(2.0 + position for position in range(len(shape)))
    grid = Grid(
        axes=axes,
        shape=shape,
        lower=(0.0,) * len(shape),
        upper=upper,
        boundary=((PERIODIC, PERIODIC),) * len(shape),
        nodes_on_boundary=(False,) * len(shape),
    )
    dt = 0.05
    cells = np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij")
    times = dt * np.arange(frames).reshape(-1, *[1] * len(shape))
    velocity = np.stack(
        [
            np.exp(-times) * np.sin(2 * np.pi * cell - times + phase) + channel
            for channel, cell in enumerate(cells)
        ],
        axis=1,
    )
    layouts = [FieldLayout("velocity", components=axes)]
    fields = {"velocity": torch.tensor(velocity, dtype=torch.float32)}
    if static:
        layouts.append(FieldLayout("mask", static=True))
        fields["mask"] = torch.ones(1, *shape)
    return Waves(grid, tuple(layouts), dt, fields)


def errors_of_a_model(vrmse: float) -> dict[str, Any]:
    """An entry of ``metrics.json`` with nothing but what every reader needs."""
    return {
        "vrmse": vrmse,
        "relative_l2": vrmse,
        "diverged": 0,
        "by_lead_time": {"vrmse": [vrmse]},
        "by_field": {"u": {"vrmse": vrmse}},
    }
