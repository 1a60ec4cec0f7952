"""Time steps: the order of the Runge-Kutta method, stability limits and the number of substeps."""

from math import cos, exp, inf, nan, sin

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.runge_kutta import runge_kutta_4
from hybrid_pde.numerics.stability import SAFETY, Bounds, count_substeps, largest_stable_dt
from tests.physics.domains import walled_grid
from tests.physics.periodic_box import periodic_grid
from tests.physics.rollouts import DIFFERENCES, LABEL, SPECTRAL, final_state, model_of


def test_runge_kutta_has_order_four():
    # v = ∫ exp(−2 sin s) e^(s − 2) ds, by quadrature
    exact, _ = quad(lambda s: exp(-2 * sin(s) + s - 2), 0, 2, epsabs=1e-13)
    errors = []
    for steps in (16, 32):
        state = {"u": 1.0, "v": 0.0}
        dt = 2.0 / steps
        for step in range(steps):

            def rate(now, since, begin=step * dt):
                return {"u": -now["u"] * cos(begin + since), "v": now["u"] ** 2 - now["v"]}

            state = runge_kutta_4(rate, state, dt)
        errors.append([abs(state["u"] - exp(-sin(2))), abs(state["v"] - exact)])
    for coarse, fine in zip(*errors, strict=True):
        assert abs(np.log2(coarse / fine) - 4) < 0.2


def test_non_finite_number_of_substeps_is_an_error():
    assert count_substeps(0.1, inf) == 1
    assert count_substeps(0.1, 0.1 / SAFETY) == 1
    assert count_substeps(0.1, 0.099 / SAFETY) == 2
    assert count_substeps(0.1, 0.0) is None
    assert count_substeps(0.1, nan) is None


def test_reactions_are_resolved_not_just_stable():
    assert count_substeps(1.0, inf, reaction_rate=0.8) == 1
    assert count_substeps(1.0, inf, reaction_rate=8.0) == 10
    assert count_substeps(1.0, 0.01, reaction_rate=8.0) == count_substeps(1.0, 0.01)


def growth(model: PhysicalModel, grid: Grid, dt: float, steps: int) -> float:
    """Growth factor of noise over time steps of a given length."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, *grid.shape, generator=generator, dtype=torch.float64)
    noise[:, 0] = 0  # the value that the wall prescribes
    return float(final_state(model, noise, grid, steps, dt).norm() / noise.norm())


PERIODIC = periodic_grid((16, 12), (0.7, 1.3))
SIDES = {"x": {"lower": 0.0, "upper": "zero-gradient"}}
WALLED, NODAL = (walled_grid((16,), (0.7,), SIDES, nodes) for nodes in (False, True))
DIFFUSION = ("DiffusionPDE", {"diffusivity": 0.05}, [0.0, 0.0], {2: 0.05})
ADVECTION = ("AdvectionDiffusionPDE", {"diffusivity": 0.0, "velocity": [1.0, 0.3]}, [1.0, 0.3], {})
# 1e-9: only the linear part acts.
DISPERSION = ("KortewegDeVriesPDE", {"advection": 1e-9, "dispersion": 0.02}, [0.0, 0.0], {3: 0.02})
DAMPING = (
    "KuramotoSivashinskyPDE",
    {"advection": 1e-9, "second_order": -0.05, "fourth_order": 0.002},
    [0.0, 0.0],
    {2: 0.05, 4: 0.002},
)


LIMITS = [(ADVECTION, scheme) for scheme in DIFFERENCES]
LIMITS += [(DIFFUSION, DIFFERENCES[1]), (DAMPING, DIFFERENCES[0]), (DAMPING, DIFFERENCES[2])]
LIMITS += [(DISPERSION, DIFFERENCES[0]), (DISPERSION, DIFFERENCES[2])]


@pytest.mark.parametrize(
    ("case", "scheme"), LIMITS, ids=lambda v: v[0] if isinstance(v, tuple) else v.label
)
def test_limit_is_stable_and_twice_the_limit_is_not(case, scheme):
    name, parameters, speeds, linear = case
    operators = scheme.operators(PERIODIC)
    limit = largest_stable_dt(Bounds(speeds, linear, 0.0), PERIODIC.spacing, operators)
    model = model_of(name, parameters, scheme, substeps=1)
    assert growth(model, PERIODIC, limit, 60) <= 1 + 1e-6
    with pytest.raises(DivergenceError):
        growth(model, PERIODIC, 2 * limit, 4000)


WALLS = [(DIFFERENCES[0], WALLED), (DIFFERENCES[1], WALLED)]
WALLS += [(DIFFERENCES[1], NODAL), (DIFFERENCES[2], NODAL)]


@pytest.mark.parametrize(("scheme", "grid"), WALLS, **LABEL)
def test_limit_of_diffusion_between_walls(scheme, grid):
    limit = largest_stable_dt(Bounds([0.0], {2: 0.05}, 0.0), grid.spacing, scheme.operators(grid))
    field = torch.full(grid.shape, 0.05)
    for diffusivity in (0.05, field) if scheme.order == 4 else (field,):
        model = model_of("DiffusionPDE", {"diffusivity": diffusivity}, scheme, substeps=1)
        assert growth(model, grid, limit, 60) <= 1
        assert growth(model, grid, 2.5 * limit, 60) > 100


def test_linear_terms_do_not_limit_the_exponential_integrator():
    for name, parameters, *_ in (DIFFUSION, ADVECTION, DISPERSION, DAMPING):
        model = model_of(name, parameters, SPECTRAL)
        assert growth(model, PERIODIC, 100.0, 2) <= 1 + 1e-9
        assert model.substeps_used == 1


def test_substeps_follow_the_state_and_the_parameters():
    model = model_of("AdvectionDiffusionPDE", {"diffusivity": 0.1, "velocity": 0.0})
    grid = periodic_grid((32,), (1.0,))
    used = []
    for diffusivity in (0.1, 0.2):
        parameters = {
            "diffusivity": torch.tensor(diffusivity, dtype=torch.float64),
            "velocity": torch.tensor([0.0], dtype=torch.float64),
        }
        list(model.rollout(torch.ones(1, 32), grid, 1, 0.1, parameters))
        used.append(model.substeps_used)
    operators = Discretization().operators(grid)
    limit = largest_stable_dt(Bounds([0.0], {2: 0.1}, 0.0), grid.spacing, operators)
    assert used == [count_substeps(0.1, limit), count_substeps(0.1, limit / 2)]
    assert used[0] > 10
