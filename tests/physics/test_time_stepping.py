"""The Runge-Kutta method's order and the limit of its stability."""

from math import exp, inf, nan

import numpy as np
import pytest
import torch

from src.models.physical.advection_diffusion import AdvectionDiffusionPDE
from src.numerics.discretization import CANDIDATES, Discretization
from src.numerics.runge_kutta import runge_kutta_4
from src.numerics.stability import SAFETY, count_substeps, largest_stable_dt
from tests.physics.periodic_box import periodic_grid, physical_config


def test_runge_kutta_has_order_four():
    errors = []
    for steps in (8, 16):
        state = {"u": 1.0, "v": 0.0}
        for _ in range(steps):
            state = runge_kutta_4(lambda s: {"u": -s["u"], "v": s["u"] ** 2}, state, 2.0 / steps)
        errors.append([abs(state["u"] - exp(-2)), abs(state["v"] - (1 - exp(-4)) / 2)])
    for coarse, fine in zip(*errors, strict=True):
        assert abs(np.log2(coarse / fine) - 4) < 0.2


def test_substeps_of_no_finite_number():
    assert count_substeps(0.1, inf) == 1
    assert count_substeps(0.1, 0.1 / SAFETY) == 1
    assert count_substeps(0.1, 0.099 / SAFETY) == 2
    assert count_substeps(0.1, 0.0) is None
    assert count_substeps(0.1, nan) is None


@pytest.mark.parametrize("scheme", CANDIDATES, ids=lambda scheme: scheme.label)
@pytest.mark.parametrize("parameters", [(0.05, [0.0, 0.0]), (0.0, [1.0, 0.3])])
def test_limit_is_stable_and_twice_the_limit_is_not(scheme, parameters):
    diffusivity, velocity = parameters
    grid = periodic_grid((16, 12), (0.7, 1.3))
    limit = largest_stable_dt(velocity, diffusivity, 0.0, grid.spacing, scheme.operators(grid))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, *grid.shape, generator=generator, dtype=torch.float64)
    norms = []
    for dt in (limit, 2 * limit):
        model = AdvectionDiffusionPDE(
            physical_config(
                "AdvectionDiffusionPDE",
                {"diffusivity": diffusivity, "velocity": velocity},
                numerics={"substeps": 1},
            )
        )
        model.discretization = scheme
        *_, last = model.rollout(noise, grid, 60, dt)
        norms.append(float(last.norm() / noise.norm()))
    assert norms[0] <= 1 + 1e-9
    assert norms[1] > 100


def test_substeps_follow_the_state_and_the_parameters():
    config = physical_config("AdvectionDiffusionPDE", {"diffusivity": 0.1, "velocity": 0.0})
    model = AdvectionDiffusionPDE(config)
    grid = periodic_grid((32,), (1.0,))
    used = []
    for diffusivity in (0.1, 0.2):
        parameters = {
            "diffusivity": torch.tensor(diffusivity, dtype=torch.float64),
            "velocity": torch.tensor([0.0], dtype=torch.float64),
        }
        list(model.rollout(torch.ones(1, 32), grid, 1, 0.1, parameters))
        used.append(model.substeps_used)
    limit = largest_stable_dt([0.0], 0.1, 0.0, grid.spacing, Discretization().operators(grid))
    assert used == [count_substeps(0.1, limit), count_substeps(0.1, limit / 2)]
    assert used[0] > 10
