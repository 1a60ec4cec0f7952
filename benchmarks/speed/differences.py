"""Rollouts by finite differences against the same arithmetic in plain torch.

Layout: ``B`` simulations, two components, ``X Y`` space.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import torch

from benchmarks.calibration import peers
from benchmarks.speed.ratios import Pair, Ratio, timed
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.evaluation.number_format import plural
from hybrid_pde.models.registry import ModelRegistry

_DT = 1e-3
_FRAMES, _SUBSTEPS = 20, 3
_VISCOSITY = 0.01
# Points along each axis, simulations.
_CASES = ((64, 1), (64, 16), (128, 1))


def finite_differences() -> Iterator[Ratio]:
    """Burgers' equation in 2D, differences and Runge-Kutta steps of order 4, double precision."""
    return (pair.measure() for pair in pairs_of_rollouts())


def quick_pairs() -> Iterator[Pair]:
    """The smallest of them against plain torch that is not compiled, which takes seconds."""
    return pairs_of_rollouts(_CASES[:1], compiles=False, rounds=5)


def pairs_of_rollouts(
    cases: Sequence[tuple[int, int]] = _CASES, compiles: bool = True, rounds: int = 9
) -> Iterator[Pair]:
    """Rollouts by this library and by plain torch, which give the same values."""
    torch.manual_seed(0)
    for points, simulations in cases:
        state = _smooth(simulations, points)
        ours = _ours(state)
        step = peers.plain_step(_DT / _SUBSTEPS, 1 / points)
        steps = {"plain torch": (step, 1.0)}
        if compiles:
            steps["plain torch, torch.compile"] = torch.compile(step), 0.8
        expected = _plain(state, step)
        difference = float((ours() - expected).abs().max() / expected.abs().max())
        assert difference < 1e-10, f"other values: {difference:.1e}"
        for name, (other, least) in steps.items():
            yield Pair(
                f"rollout, finite differences of order 4, 2D {points}², "
                f"{plural(simulations, 'simulation')}",
                name,
                timed(ours),
                timed(lambda other=other, state=state: _plain(state, other)),
                least,
                rounds,
            )


def _smooth(simulations: int, points: int) -> torch.Tensor:
    line = 2 * torch.pi * (torch.arange(points, dtype=torch.float64) + 0.5) / points
    phases = torch.rand(simulations, 2, 1, 1, dtype=torch.float64) * 2 * torch.pi
    return torch.sin(line[:, None] + phases) * torch.cos(line[None, :] - phases)


def _ours(state: torch.Tensor):
    numerics = {
        "scheme": "finite_difference",
        "order": 4,
        "precision": "double",
        "substeps": _SUBSTEPS,
    }
    physical = {
        "name": "BurgersPDE",
        "pde_params": {"viscosity": _VISCOSITY},
        "numerics": numerics,
    }
    model = ModelRegistry(
        {"model": {"physical": physical}, "workflow": {"compile": "always"}}
    ).get_physical_model()
    points = state.shape[-1]
    grid = Grid(
        ("x", "y"), (points,) * 2, (0.0, 0.0), (1.0, 1.0), ((PERIODIC,) * 2,) * 2, (False,) * 2
    )

    def run() -> torch.Tensor:
        with torch.no_grad():
            (last,) = deque(model.rollout(state, grid, _FRAMES, _DT), maxlen=1)
        return last

    return run


def _plain(state: torch.Tensor, step: peers.Step) -> torch.Tensor:
    nu = torch.tensor(_VISCOSITY, dtype=torch.float64)
    with torch.no_grad():
        for _ in range(_FRAMES * _SUBSTEPS):
            state = step(state, nu)
    return state
