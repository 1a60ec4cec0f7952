"""Times one linearization against plain rollouts: of Burgers' equation, p parameters at once.

python -m benchmarks.linearization [--points 64] [--simulations 1] [--frames 20] [--compile always]

Prints, for every scheme and p, the time of a linearization relative to p + 1 plain rollouts, the
median of alternating runs.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import pi

import torch
import torch.autograd.forward_ad as forward_ad

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.models.physical.coefficients import Directions
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry

# Scheme and order.
SCHEMES = (("finite_difference", 4), ("spectral", 2), ("spectral", 4))
SIZES = (1, 3, 10)
_DT = 1e-3
_SUBSTEPS = 3


class Rollouts:
    """Rollouts of one scheme with and without derivatives.

    Args:
        scheme: Name of the scheme.
        order: Its order.
        given: Sizes of the problem, and whether steps are compiled.
    """

    def __init__(self, scheme: str, order: int, given: argparse.Namespace) -> None:
        self.model = _model(scheme, order, given.compile)
        shape = (given.points, given.points)
        sides = ((PERIODIC, PERIODIC),) * 2
        self.grid = Grid(("x", "y"), shape, (0.0, 0.0), (1.0, 1.0), sides, (False, False))
        self.frames = given.frames
        line = torch.sin(torch.linspace(0, 2 * pi, given.points + 1, dtype=torch.float64)[:-1])
        self.state = line.expand(given.simulations, 2, *shape).contiguous()

    def plain(self) -> None:
        """One rollout."""
        for _ in self.model.rollout({"velocity": self.state}, self.grid, self.frames, _DT):
            pass

    def linearization(self, size: int) -> None:
        """One rollout with derivatives along several directions."""
        slopes = torch.linspace(1, 2, size, dtype=torch.float64)
        directions = Directions(size, {"viscosity": slopes})
        copies = torch.cat([self.state] * size)
        with forward_ad.dual_level():
            state = {"velocity": forward_ad.make_dual(copies, torch.zeros_like(copies))}
            for _ in self.model.rollout(state, self.grid, self.frames, _DT, directions=directions):
                pass


def _model(scheme: str, order: int, compile: str) -> PhysicalModel:
    numerics = {"scheme": scheme, "order": order, "precision": "double", "substeps": _SUBSTEPS}
    physical = {"name": "BurgersPDE", "pde_params": {"viscosity": 0.01}, "numerics": numerics}
    return ModelRegistry(
        {
            "run_params": {"experiment_name": "linearization", "model_type": "physical"},
            "data": {"dset_name": "none", "fields": ["velocity"]},
            "model": {"physical": physical},
            "workflow": {"compile": compile},
        }
    ).get_physical_model()


def _seconds(run: Callable[[], None]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


@torch.no_grad()
def main(argv: Sequence[str] | None = None) -> None:
    """Print one line of JSON for each scheme and number of parameters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=64, help="along each of two axes")
    parser.add_argument("--simulations", type=int, default=1)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--compile", choices=("auto", "always", "never"), default="always")
    given = parser.parse_args(argv)
    for scheme, order in SCHEMES:
        rollouts = Rollouts(scheme, order, given)
        for size in SIZES:
            linearize = partial(rollouts.linearization, size)
            _seconds(rollouts.plain)
            first = _seconds(linearize)
            pairs = [(_seconds(rollouts.plain), _seconds(linearize)) for _ in range(given.runs)]
            plain, linear = (statistics.median(each) for each in zip(*pairs, strict=True))
            found = {
                "scheme": f"{scheme}-{order}",
                "compiled": rollouts.model.has_compiled_steps,
                "p": size,
                "plain_ms": round(1e3 * plain, 2),
                "linearization_ms": round(1e3 * linear, 2),
                "ratio_to_p_plus_1": round(linear / plain / (size + 1), 2),
                "first_linearization_s": round(first, 1),
            }
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
