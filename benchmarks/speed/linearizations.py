"""One linearization against plain rollouts: Burgers' equation in 2D, p parameters at once."""

from collections.abc import Iterator
from functools import partial
from math import pi

import torch
import torch.autograd.forward_ad as forward_ad

from benchmarks.speed.ratios import Pair, Ratio, timed
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.evaluation.number_format import plural
from hybrid_pde.models.physical.coefficients import Directions
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry

# Scheme and order.
SCHEMES = (("finite_difference", 4), ("spectral", 2), ("spectral", 4))
SIZES = (1, 3, 10)
_DT = 1e-3
_SUBSTEPS = 3
_POINTS, _FRAMES = 64, 20
# A linearization is to take at most 1.5 times as long as p + 1 rollouts.
_LEAST = 1 / 1.5


def linearizations(rounds: int = 9) -> Iterator[Ratio]:
    """Each scheme with one, three and ten parameters, for one simulation in double precision."""
    for scheme, order in SCHEMES:
        rollouts = Rollouts(scheme, order)
        plain = timed(rollouts.plain)
        for size in SIZES:
            yield Pair(
                f"linearization, {scheme.replace('_', ' ')} of order {order}, 2D {_POINTS}², "
                f"{plural(size, 'parameter')}",
                f"{size + 1} rollouts",
                timed(partial(rollouts.linearization, size)),
                lambda plain=plain, size=size: (size + 1) * plain(),
                _LEAST,
                rounds,
            ).measure()


class Rollouts:
    """Rollouts of one scheme with and without derivatives.

    Args:
        scheme: Name of the scheme.
        order: Its order.
    """

    def __init__(self, scheme: str, order: int) -> None:
        self.model = _model(scheme, order)
        shape = (_POINTS, _POINTS)
        sides = ((PERIODIC, PERIODIC),) * 2
        self.grid = Grid(("x", "y"), shape, (0.0, 0.0), (1.0, 1.0), sides, (False, False))
        line = torch.sin(torch.linspace(0, 2 * pi, _POINTS + 1, dtype=torch.float64)[:-1])
        self.state = line.expand(1, 2, *shape).contiguous()

    @torch.no_grad()
    def plain(self) -> None:
        """One rollout."""
        for _ in self.model.rollout({"velocity": self.state}, self.grid, _FRAMES, _DT):
            pass

    @torch.no_grad()
    def linearization(self, size: int) -> None:
        """One rollout with derivatives along several directions."""
        slopes = torch.linspace(1, 2, size, dtype=torch.float64)
        directions = Directions(size, {"viscosity": slopes})
        copies = torch.cat([self.state] * size)
        with forward_ad.dual_level():
            state = {"velocity": forward_ad.make_dual(copies, torch.zeros_like(copies))}
            for _ in self.model.rollout(state, self.grid, _FRAMES, _DT, directions=directions):
                pass


def _model(scheme: str, order: int) -> PhysicalModel:
    numerics = {"scheme": scheme, "order": order, "precision": "double", "substeps": _SUBSTEPS}
    physical = {"name": "BurgersPDE", "pde_params": {"viscosity": 0.01}, "numerics": numerics}
    return ModelRegistry(
        {
            "run_params": {"experiment_name": "linearization", "model_type": "physical"},
            "data": {"dset_name": "none", "fields": ["velocity"]},
            "model": {"physical": physical},
            "workflow": {"compile": "always"},
        }
    ).get_physical_model()
