"""Rollouts whose state is in Fourier modes, and whose frames are computed ahead.

The reference takes one frame at a time, each from the values of the one before.
"""

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from phi.torch.flow import channel, math, spatial

from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.physical.field_roles import role_layouts
from hybrid_pde.numerics.array_program_library import library
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.spectral import Spectral
from tests.physics.periodic_box import periodic_grid
from tests.physics.rollouts import model_of

LINE, BOX = periodic_grid((16,), (1.3,)), periodic_grid((12, 10), (0.7, 1.3))
ORDERS = [Discretization("spectral", order) for order in (2, 4)]
# Equation, grid, parameters, time between frames.
CASES = {
    "burgers": ("BurgersPDE", LINE, {"viscosity": 0.02}, 0.01),
    "burgers-2d": ("BurgersPDE", BOX, {"viscosity": 0.02}, 0.01),
    "navier-stokes": ("NavierStokesPDE", BOX, {"viscosity": 0.02, "forcing": [1.0, 4.8]}, 0.01),
    "vorticity": ("VorticityPDE", BOX, {"viscosity": 0.02}, 0.01),
    "kdv": ("KortewegDeVriesPDE", LINE, {"advection": 1.0, "dispersion": 1e-3}, 0.01),
    "ks": ("KuramotoSivashinskyPDE", LINE, {"second_order": 1e-2, "fourth_order": 1e-4}, 0.01),
    "gray-scott": (
        "GrayScottPDE",
        BOX,
        {"diffusivity_a": 1e-3, "diffusivity_b": 2e-3, "feed": 0.04, "kill": 0.06},
        0.1,
    ),
}
FRAMES = 19  # a state is renewed after 16


def start(model, grid, simulations=2):
    generator = torch.Generator().manual_seed(0)
    return {
        role: torch.rand(simulations, each.channels, *grid.shape, generator=generator).double()
        for role, each in role_layouts(model.spec, grid).items()
        if role != "density"
    }


def one_by_one(model, state, grid, steps, dt, conditions=None):
    """The frames, each from the values of the one before, and the numbers of steps."""
    frames, counts = [], []
    for number in range(steps):
        given = conditions
        if conditions is not None:
            series = {n: s[:, number : number + 2] for n, s in conditions.series.items()}
            given = Conditions(conditions.constant, series)
        (state,) = model.rollout(state, grid, 1, dt, conditions=given)
        frames.append(state)
        counts.append(model.substeps_used)
    return frames, counts


def largest_error(found, expected):
    return max(
        float((found[role] - values).abs().max() / values.abs().max())
        for role, values in expected.items()
    )


@pytest.mark.parametrize("scheme", ORDERS, ids=lambda scheme: scheme.label)
@pytest.mark.parametrize("case", CASES)
def test_modes_give_the_frames_that_values_give(case, scheme):
    name, grid, parameters, dt = CASES[case]
    model = model_of(name, parameters, scheme, precision="double")
    state = start(model, grid)
    *_, last = model.rollout(state, grid, FRAMES, dt)
    # A step alone does not repay the list of operations that many are.
    assert model.has_compiled_steps == (library() is not None)
    expected, _ = one_by_one(model, state, grid, FRAMES, dt)
    assert largest_error(last, expected[-1]) < 1e-12


def test_single_precision_gives_the_frames_of_double():
    name, grid, parameters, dt = CASES["navier-stokes"]
    frames = []
    for precision in ("single", "double"):
        model = model_of(name, parameters, ORDERS[0], precision=precision)
        frames.append(list(model.rollout(start(model, grid), grid, FRAMES, dt))[-1]["velocity"])
    assert frames[0].dtype == torch.float32
    assert largest_error({"u": frames[0].double()}, {"u": frames[1]}) < 1e-5


def test_parameters_that_change_in_time():
    name, grid, parameters, dt = CASES["burgers-2d"]
    model = model_of(name, parameters, ORDERS[1], precision="double")
    state = start(model, grid)
    series = {"viscosity": torch.linspace(0.01, 0.05, FRAMES + 1).double().expand(2, -1)}
    conditions = Conditions({}, series)
    *_, last = model.rollout(state, grid, FRAMES, dt, conditions=conditions)
    expected, _ = one_by_one(model, state, grid, FRAMES, dt, conditions)
    assert largest_error(last, expected[-1]) < 1e-12


@pytest.mark.parametrize("scheme", [ORDERS[0], Discretization("finite_difference", 4)])
def test_frames_ahead_take_the_steps_that_each_frame_needs(scheme):
    model = model_of("BurgersPDE", {"viscosity": 0.02}, scheme, precision="double")
    state = {"velocity": 6 * start(model, LINE)["velocity"]}
    counts, frames = [], []
    for frame in model.rollout(state, LINE, FRAMES, 0.02):
        counts.append(model.substeps_used)
        frames.append(frame)
    expected, expected_counts = one_by_one(model, state, LINE, FRAMES, 0.02)
    assert counts == expected_counts and len(set(counts)) > 1
    assert max(map(largest_error, frames, expected)) < 1e-12


def test_the_first_frame_that_is_not_finite_is_named():
    model = model_of("BurgersPDE", {"viscosity": 1e-4}, ORDERS[0], substeps=1)
    state = {"velocity": 1e2 * start(model, LINE)["velocity"]}
    seen = []
    with pytest.raises(DivergenceError, match="simulation 0 diverged in frame") as error:
        for frame in model.rollout(state, LINE, 200, 0.5):
            seen.append(bool(torch.isfinite(frame["velocity"]).all()))
    assert all(seen) and f"diverged in frame {len(seen) + 1}:" in str(error.value)


def test_steps_are_kept_between_rollouts_until_a_parameter_changes():
    model = model_of("BurgersPDE", {"viscosity": 0.02}, ORDERS[0], precision="double")
    state = start(model, LINE)
    run = lambda: list(model.rollout(state, LINE, 2, 0.01))[-1]  # noqa: E731
    first, again = run(), run()
    assert torch.equal(first["velocity"], again["velocity"])
    with torch.no_grad():
        model.get_parameter("viscosity").mul_(2)  # in place, as optimizers do
    changed = run()
    fresh = model_of("BurgersPDE", {"viscosity": 0.04}, ORDERS[0], precision="double")
    expected = list(fresh.rollout(state, LINE, 2, 0.01))[-1]
    assert torch.equal(changed["velocity"], expected["velocity"])
    assert not torch.equal(changed["velocity"], first["velocity"])


@pytest.mark.parametrize("case", ["burgers", "navier-stokes"])
def test_tangents_and_adjoints_go_through_modes(case):
    name, grid, parameters, dt = CASES[case]
    model = model_of(name, parameters, ORDERS[0], precision="double")
    state = start(model, grid, 1)
    weights = torch.rand(state["velocity"].shape, dtype=torch.float64)

    def measured(viscosity, velocity):
        *_, last = model.rollout({"velocity": velocity}, grid, FRAMES, dt, {"viscosity": viscosity})
        return (weights * last["velocity"]).sum()

    point = (torch.tensor(0.02, dtype=torch.float64), state["velocity"])
    along = (torch.tensor(1.0, dtype=torch.float64), torch.rand_like(point[1]))
    h = 1e-6
    ends = [measured(*(p + s * h * a for p, a in zip(point, along, strict=True))) for s in (1, -1)]
    expected = float(ends[0] - ends[1]) / (2 * h)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(p, a) for p, a in zip(point, along, strict=True)]
        tangent = forward_ad.unpack_dual(measured(*duals)).tangent
    leaves = [p.clone().requires_grad_() for p in point]
    gradients = torch.autograd.grad(measured(*leaves), leaves)
    adjoint = sum(float((g * a).sum()) for g, a in zip(gradients, along, strict=True))
    assert float(tangent) == pytest.approx(expected, rel=1e-6)
    assert adjoint == pytest.approx(float(tangent), rel=1e-10)


@pytest.mark.parametrize("shape", [(15,), (16,), (12, 15), (6, 9, 8)])
def test_forms_of_self_advection_equal_the_advective_one(shape):
    grid = periodic_grid(shape, (0.7, 1.3, 2.1)[: len(shape)])
    operators = Spectral(grid)
    dims = [channel(vector=",".join(grid.axes)), *(spatial(axis) for axis in grid.axes)]
    with math.precision(64):
        native = torch.rand(len(shape), *shape, dtype=torch.float64)
        u, same = (math.reshaped_tensor(native, dims) for _ in range(2))
        found = operators.advect(u, u).native(["vector", *grid.axes])
        expected = operators.advect(same, u).native(["vector", *grid.axes])
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-13


def test_batches_of_different_sizes_follow_one_another():
    name, grid, parameters, dt = CASES["burgers"]
    model = model_of(name, parameters, ORDERS[0], precision="double")
    large, small = start(model, grid, 5), start(model, grid, 1)
    for state in (large, small, large):
        (found,) = model.rollout(state, grid, 1, dt)
        fresh = model_of(name, parameters, ORDERS[0], precision="double")
        (expected,) = fresh.rollout(state, grid, 1, dt)
        assert largest_error(found, expected) == 0.0
