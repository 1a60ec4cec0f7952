"""Exponential integrators: exact linear parts, order in dt, derivatives, batches, precision."""

from math import pi

import numpy as np
import pytest
import torch
from phi.torch.flow import batch, math
from torch.autograd import forward_ad

from hybrid_pde.data.field_conversion import BATCH, to_native, to_values
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.numerics import fourier_transform
from hybrid_pde.numerics.exponential_integrators import coefficients, exponential_step
from hybrid_pde.numerics.runge_kutta import runge_kutta_4
from hybrid_pde.numerics.spectral import Spectral
from tests.physics.periodic_box import coordinates, periodic_grid

BOX = periodic_grid((24, 15), (0.7, 3.0))
LINE = periodic_grid((40,), (2.2,))
CHAOS = periodic_grid((48,), (12.0,))
U = FieldLayout("u")


@pytest.fixture(autouse=True)
def double_precision():
    with math.precision(64):
        yield


def number(value, dtype=torch.float64) -> math.Tensor:
    return math.wrap(value if torch.is_tensor(value) else torch.tensor(value, dtype=dtype))


def waves(grid: Grid, modes: tuple[tuple[int, ...], ...]) -> torch.Tensor:
    """A sum of resolved waves with different amplitudes and phases."""
    lengths = [n * dx for n, dx in zip(grid.shape, grid.spacing, strict=True)]
    total = 0.3
    for index, mode in enumerate(modes):
        k = [2 * pi * m / length for m, length in zip(mode, lengths, strict=True)]
        phase = sum(a * x for a, x in zip(k, coordinates(grid), strict=True))
        total = total + torch.cos(phase + index) / (1 + index)
    return total


def integrate(equation, u, grid, dt, steps, order, compiled=False):
    """The final ``[(B,) 1, *space]``; ``equation(operators)`` gives the rate and linear terms."""
    operators = Spectral(grid)
    rate, terms = equation(operators)
    symbol = sum(operators.symbol(n, c) for n, c in terms.items())
    weights = coefficients({"u": symbol}, number(dt), order)

    def step(state, weights):
        return advanced(lambda s: {"u": rate(s["u"])}, state, weights, order)

    advance = math.jit_compile(step) if compiled else step
    state = {"u": to_values(u, grid, U)}
    for _ in range(steps):
        state = advance(state, weights)
    return to_native(state["u"], grid, U)


def advanced(rate, state, weights, order):
    """The fields after one step."""
    (first, *_) = state.values()
    sizes = dict(zip(first.shape.spatial.names, first.shape.spatial.sizes, strict=True))
    modes = {role: fourier_transform.to_modes(u) for role, u in state.items()}
    after = exponential_step(rate, modes, sizes, weights, order)
    return {role: fourier_transform.to_values(each, sizes) for role, each in after.items()}


def linear(terms):
    """The linear equation u_t = Σ c ∂ⁿu."""

    def equation(operators):
        def rate(u):
            total = 0.0 * u
            for n, c in terms.items():
                if n == 0:
                    total = total + c * u
                elif n == 1:
                    total = total + operators.advect(c, u)
                elif n == 2:
                    total = total + operators.diffuse(c, u)
                elif n == 3:
                    axes = operators.grid.axes
                    total = total + c * sum(operators.derivative(u, axis, 3) for axis in axes)
                else:
                    total = total + c * operators.biharmonic(u)
            return total

        return rate, terms

    return equation


def kuramoto_sivashinsky(a, b, c):
    """u_t + a u u_x + b u_xx + c u_xxxx = 0."""

    def equation(operators):
        def rate(u):
            wind = math.expand(u, math.channel(vector="x"))
            return (
                (-a) * operators.advect(wind, u)
                - b * operators.derivative(u, "x", 2)
                - c * operators.biharmonic(u)
            )

        return rate, {2: -b, 4: -c}

    return equation


def allen_cahn(diffusivity, reaction_rate):
    def equation(operators):
        def rate(u):
            return diffusivity * operators.laplacian(u) + reaction_rate * (u - u**3)

        return rate, {0: reaction_rate, 2: diffusivity}

    return equation


V = math.wrap([0.8, -0.5], math.channel(vector="x,y"))
LINEAR = {
    "diffusion": (BOX, {2: 0.13}),
    "advection": (BOX, {1: V}),
    "advection-diffusion-reaction": (BOX, {0: -0.4, 1: V, 2: 0.02}),
    "dispersion": (LINE, {3: -0.01}),
    "dispersion 2D": (BOX, {3: -0.01}),
    "Kuramoto-Sivashinsky": (CHAOS, {2: -1.0, 4: -0.8}),
}


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("dt", [0.01, 3.0])
@pytest.mark.parametrize("case", LINEAR)
def test_linear_parts_are_exact_whatever_the_step(case, dt, order):
    grid, terms = LINEAR[case]
    modes = ((1, 2), (3, -1), (5, 4)) if len(grid.axes) == 2 else ((1,), (3,), (7,))
    u = waves(grid, modes)
    found = integrate(linear(terms), u[None], grid, dt, 2, order)
    frequencies = [
        2 * pi * np.fft.fftfreq(n, dx) for n, dx in zip(grid.shape, grid.spacing, strict=True)
    ]
    k = np.meshgrid(*frequencies, indexing="ij")
    square = sum(a**2 for a in k)
    v = V.native("vector")
    symbols = {
        0: 1.0,
        1: sum(1j * float(v[i]) * a for i, a in enumerate(k)),
        2: -square,
        3: sum((1j * a) ** 3 for a in k),
        4: square**2,
    }
    exponent = sum((1.0 if n == 1 else c) * symbols[n] for n, c in terms.items())
    exact = np.fft.ifftn(np.exp(2 * dt * exponent) * np.fft.fftn(u.numpy())).real
    # rounding errors of rates as large as |L| |u|, accumulated over the step
    size = np.abs(exact).max() + float(u.abs().max())
    assert np.abs(found[0].numpy() - exact).max() < 3e-11 * size
    assert np.abs(found[0].numpy() - u.numpy()).max() > 1e-3


STIFF = {
    "Kuramoto-Sivashinsky": (
        kuramoto_sivashinsky(1.0, 1.0, 1.0),
        CHAOS,
        waves(CHAOS, ((1,), (2,))),
        1.5,
        {2: 25, 4: 100},
    ),
    "Allen-Cahn": (allen_cahn(0.05, 2.0), BOX, waves(BOX, ((1, 1), (0, 2))), 1.0, {2: 24, 4: 48}),
}


@pytest.mark.parametrize("case", STIFF)
def test_order_in_time_on_stiff_problems(case):
    # For stiff modes order 4 is reached slowly, from 3.2 with 10 steps (the order reduction that
    # Hochbruck and Ostermann describe): the steps here are small enough for order 4.
    equation, grid, u, duration, steps = STIFF[case]
    reference = 8 * steps[4]
    exact = integrate(equation, u[None], grid, duration / reference, reference, 4, compiled=True)
    for order, coarse in steps.items():
        errors = []
        for count in (coarse, 2 * coarse):
            found = integrate(equation, u[None], grid, duration / count, count, order, True)
            errors.append(float((found - exact).abs().max()))
        assert abs(np.log2(errors[0] / errors[1]) - order) < 0.2
        assert errors[1] < 1e-3


def test_without_a_linear_part_order_four_equals_runge_kutta():
    operators = Spectral(BOX)
    rate = allen_cahn(0.003, 2.0)(operators)[0]
    state = {"u": to_values(waves(BOX, ((1, 1), (0, 2)))[None], BOX, U)}
    dt = number(0.02)
    weights = coefficients({"u": operators.symbol(0, number(0.0))}, dt, 4)
    found = advanced(lambda s: {"u": rate(s["u"])}, state, weights, 4)
    expected = runge_kutta_4(lambda s, _: {"u": rate(s["u"])}, state, dt)
    change = math.max(math.abs(expected["u"] - state["u"]))
    assert float(change) > 0.01
    assert float(math.max(math.abs(found["u"] - expected["u"]))) < 1e-13


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_derivatives_equal_central_differences(index, order):
    u = waves(CHAOS, ((1,), (2,)))[None]
    values = torch.tensor([0.9, 1.1, 0.7], dtype=torch.float64)

    def after(parameters):
        wrapped = [number(p) for p in parameters]
        equation = kuramoto_sivashinsky(*wrapped)
        return integrate(equation, u, CHAOS, 0.1, 3, order)

    unit = torch.eye(3, dtype=torch.float64)[index]
    difference = (after(values + 1e-5 * unit) - after(values - 1e-5 * unit)) / 2e-5
    with forward_ad.dual_level():
        forward = forward_ad.unpack_dual(after(forward_ad.make_dual(values, unit))).tangent
    scale = difference.abs().max()
    assert scale > 1e-3
    assert (forward - difference).abs().max() < 1e-8 * scale
    learnable = values.clone().requires_grad_()
    weight = torch.cos(torch.arange(48.0, dtype=torch.float64))
    (gradient,) = torch.autograd.grad((after(learnable) * weight).sum(), learnable)
    assert float(gradient[index]) == pytest.approx(float((forward * weight).sum()), rel=1e-10)


@pytest.mark.parametrize("order", [2, 4])
def test_derivatives_of_a_complex_symbol(order):
    """u_t = -v·∇u + r (u - u³): the velocity's derivative goes through complex weights."""
    u = waves(BOX, ((1, 1), (0, 2)))[None]
    velocity = torch.tensor([0.8, -0.5], dtype=torch.float64)

    def after(v):
        wind = math.reshaped_tensor(v, [math.channel(vector="x,y")])

        def equation(operators):
            return lambda u: u - u**3 - operators.advect(wind, u), {0: 1.0, 1: -wind}

        return integrate(equation, u, BOX, 0.1, 2, order)

    unit = torch.tensor([1.0, 0.0], dtype=torch.float64)
    difference = (after(velocity + 1e-5 * unit) - after(velocity - 1e-5 * unit)) / 2e-5
    with forward_ad.dual_level():
        forward = forward_ad.unpack_dual(after(forward_ad.make_dual(velocity, unit))).tangent
    assert (forward - difference).abs().max() < 1e-8 * difference.abs().max()
    learnable = velocity.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((after(learnable) ** 3).sum(), learnable)
    expected = float((3 * after(velocity) ** 2 * forward).sum())
    assert float(gradient[0]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("order", [2, 4])
def test_a_coefficient_for_each_simulation(order, compiled):
    u = torch.stack([waves(BOX, ((1, 1), (0, 2))), waves(BOX, ((2, -1), (1, 0)))])[:, None]
    diffusivities = torch.tensor([0.01, 0.3], dtype=torch.float64)
    individual = math.reshaped_tensor(diffusivities, [batch(BATCH)])
    together = integrate(allen_cahn(individual, 1.5), u, BOX, 0.05, 4, order, compiled)
    for entry, diffusivity in enumerate(diffusivities):
        alone = integrate(allen_cahn(number(diffusivity), 1.5), u[entry], BOX, 0.05, 4, order)
        torch.testing.assert_close(together[entry], alone, rtol=0, atol=1e-13)
    assert (together[0] - together[1]).abs().max() > 0.1


@pytest.mark.parametrize("order", [2, 4])
def test_single_precision(order):
    u = waves(CHAOS, ((1,), (2,)))[None]
    exact = integrate(kuramoto_sivashinsky(1.0, 1.0, 1.0), u, CHAOS, 0.02, 50, order)
    with math.precision(32):
        equation = kuramoto_sivashinsky(1.0, 1.0, 1.0)
        single = integrate(equation, u.float(), CHAOS, 0.02, 50, order, compiled=True)
    assert single.dtype == torch.float32
    assert (single - exact).abs().max() < 2e-5 * exact.abs().max()


def test_fields_of_different_stiffness():
    """Two coupled fields, one of them without a linear part, both reach order 4."""
    operators = Spectral(LINE)
    terms = {"u": operators.symbol(2, number(0.05)), "v": operators.symbol(0, number(0.0))}

    def rate(state):
        u, v = state["u"], state["v"]
        return {"u": 0.05 * operators.laplacian(u) - u * v, "v": u - v**3}

    start = {
        "u": to_values(waves(LINE, ((1,), (2,)))[None], LINE, U),
        "v": to_values(waves(LINE, ((2,), (3,)))[None], LINE, U),
    }

    step = math.jit_compile(lambda state, weights: advanced(rate, state, weights, 4))

    def after(steps):
        weights = coefficients(terms, number(1.0 / steps), 4)
        state = start
        for _ in range(steps):
            state = step(state, weights)
        return [state[role].native("x") for role in ("u", "v")]

    exact, coarse, fine = after(512), after(32), after(64)
    for e, c, f in zip(exact, coarse, fine, strict=True):
        ratio = float((c - e).abs().max() / (f - e).abs().max())
        assert abs(np.log2(ratio) - 4) < 0.2
