"""Fourier operators against closed forms, in boxes with unequal spacings different from 1."""

from math import pi

import pytest
import torch
from phi.torch.flow import channel, math
from torch.autograd import forward_ad

from hybrid_pde.data.field_conversion import to_native, to_values
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.native_graph import NativeGraph
from hybrid_pde.numerics.spectral import Spectral
from tests.physics.periodic_box import coordinates, periodic_grid

BOXES = {
    1: ((36,), (0.7,)),
    2: ((36, 25), (0.7, 3.0)),
    3: ((16, 12, 15), (0.7, 3.0, 1.9)),
}
U = FieldLayout("u")


@pytest.fixture(autouse=True)
def double_precision():
    with math.precision(64):
        yield


def wave(grid: Grid, modes: tuple[int, ...]) -> tuple[list[float], torch.Tensor]:
    """Wavenumbers k and phase k·x + 0.3."""
    k = [2 * pi * m / upper for m, upper in zip(modes, grid.upper, strict=True)]
    return k, sum(a * x for a, x in zip(k, coordinates(grid), strict=True)) + 0.3


def scalar(u: torch.Tensor, grid: Grid) -> math.Tensor:
    return to_values(u[None], grid, U)


def vector(grid: Grid, *components: torch.Tensor) -> math.Tensor:
    return to_values(torch.stack(components), grid, FieldLayout("v", grid.axes))


def native(u: math.Tensor, grid: Grid) -> torch.Tensor:
    return u.native([*(["vector"] if "vector" in u.shape else []), *grid.axes])


def assert_equal(found: math.Tensor, exact: torch.Tensor, grid: Grid) -> None:
    # rounding: ε times the symbol (π/dx)ⁿ of the largest wavenumber, not that of the mode
    size = exact.abs().max()
    assert size > 0
    torch.testing.assert_close(native(found, grid), exact, rtol=0, atol=float(2e-10 * size))


@pytest.mark.parametrize("dims", BOXES)
def test_derivatives_are_exact(dims):
    grid = periodic_grid(*BOXES[dims])
    k, phase = wave(grid, (5, -3, 2)[:dims])
    sine, cosine = torch.sin(phase), torch.cos(phase)
    operators, u = Spectral(grid), scalar(sine, grid)
    for a, axis in zip(k, grid.axes, strict=True):
        assert_equal(operators.gradient(u, axis), a * cosine, grid)
        for order, exact in enumerate([a * cosine, -(a**2) * sine, -(a**3) * cosine, a**4 * sine]):
            assert_equal(operators.derivative(u, axis, order + 1), exact, grid)
    square = sum(a**2 for a in k)
    assert_equal(operators.laplacian(u), -square * sine, grid)
    assert_equal(operators.biharmonic(u), square**2 * sine, grid)
    assert_equal(operators.diffuse(0.3, u), -0.3 * square * sine, grid)


@pytest.mark.parametrize("dims", BOXES)
def test_advection_of_scalars_and_divergence(dims):
    grid = periodic_grid(*BOXES[dims])
    k, phase = wave(grid, (2, -1, 1)[:dims])
    q, other = wave(grid, (1, 2, 1)[:dims])
    speeds = [0.7, -1.1, 0.4][:dims]
    u = scalar(torch.sin(phase), grid)
    wind = vector(grid, *(speed * torch.cos(other) for speed in speeds))
    operators = Spectral(grid)
    along_k, along_q = (sum(s * a for s, a in zip(speeds, b, strict=True)) for b in (k, q))
    divergence = -along_q * torch.sin(other)
    advection = along_k * torch.cos(other) * torch.cos(phase)
    assert_equal(operators.advect(wind, u), advection, grid)
    assert_equal(operators.divergence(wind), divergence, grid)
    uniform = math.wrap(speeds, channel(vector=",".join(grid.axes)))
    assert_equal(operators.advect(uniform, u), along_k * torch.cos(phase), grid)


def test_advection_of_a_vector_by_itself():
    grid = periodic_grid((40, 54), (0.7, 3.0))
    x, y = coordinates(grid)
    kx, ky = 2 * pi / 0.7, 2 * pi / 3.0
    u, v = torch.sin(kx * x), torch.cos(ky * y + kx * x)
    exact = torch.stack(
        [u * kx * torch.cos(kx * x), -(u * kx + v * ky) * torch.sin(ky * y + kx * x)]
    )
    values = vector(grid, u, v)
    operators = Spectral(grid)
    assert_equal(operators.advect(values, values), exact, grid)


@pytest.mark.parametrize("dims", BOXES)
def test_diffusion_with_a_field(dims):
    """∇·(κ∇u) with u = sin φ, κ = 1 + cos(ψ)/2: κ∇²u + ∇κ·∇u."""
    grid = periodic_grid(*BOXES[dims])
    k, phase = wave(grid, (2, -1, 1)[:dims])
    q, other = wave(grid, (1, 2, 1)[:dims])
    diffusivity = 1 + 0.5 * torch.cos(other)
    cross = sum(a * b for a, b in zip(k, q, strict=True))
    exact = -diffusivity * sum(a**2 for a in k) * torch.sin(phase)
    exact = exact - 0.5 * torch.sin(other) * cross * torch.cos(phase)
    u = scalar(torch.sin(phase), grid)
    assert_equal(Spectral(grid).diffuse(scalar(diffusivity, grid), u), exact, grid)


def test_diffusion_with_a_field_conserves_and_damps_every_mode():
    grid = periodic_grid((18,), (0.7,))
    generator = torch.Generator().manual_seed(0)
    diffusivity = scalar(torch.rand(18, generator=generator, dtype=torch.float64) + 0.2, grid)
    operators = Spectral(grid)
    columns = [
        native(operators.diffuse(diffusivity, scalar(unit, grid)), grid)
        for unit in torch.eye(18, dtype=torch.float64)
    ]
    matrix = torch.stack(columns, 1)
    assert matrix.sum(0).abs().max() < 1e-12 * matrix.abs().max()
    rates = torch.linalg.eigvalsh((matrix + matrix.T) / 2)
    assert abs(float(rates[-1])) < 1e-10 * float(rates[0].abs())  # the constant mode
    assert float(rates[-2]) < -0.2 * (2 * pi / 0.7) ** 2 * 0.9


def test_nyquist_mode():
    grid = periodic_grid((16, 6), (0.7, 3.0))
    u = torch.tensor([1.0, -1.0] * 8, dtype=torch.float64)[:, None].expand(16, 6)
    operators, values = Spectral(grid), scalar(u, grid)
    for order in (1, 3):
        odd = native(operators.derivative(values, "x", order), grid)
        assert odd.abs().max() < 1e-10 * (pi * 16 / 0.7) ** order
    square = (pi * 16 / 0.7) ** 2
    torch.testing.assert_close(native(operators.laplacian(values), grid), -square * u)
    torch.testing.assert_close(native(operators.biharmonic(values), grid), square**2 * u)
    along_last = scalar(u[:, 0].reshape(8, 2)[:1].expand(16, 2).repeat(1, 3), grid)
    assert native(operators.gradient(along_last, "y"), grid).abs().max() < 1e-12


def test_eigenvalues_bound_the_derivatives():
    grid = periodic_grid((24,), (0.7,))
    operators = Spectral(grid)
    for order in (1, 2, 3, 4):
        columns = [
            native(operators.derivative(scalar(unit, grid), "x", order), grid)
            for unit in torch.eye(24, dtype=torch.float64)
        ]
        largest = torch.linalg.eigvals(torch.stack(columns, 1)).abs().max()
        share = float(largest) * grid.spacing[0] ** order / operators.eigenvalue(order)
        # odd derivatives drop the Nyquist mode: the next mode has 11/12 of its wavenumber
        assert share == pytest.approx((11 / 12) ** order if order % 2 else 1.0, rel=1e-6)


def test_dealiasing_prevents_aliasing_of_products():
    grid = periodic_grid((30,), (0.7,))
    x = coordinates(grid)[0]
    u = torch.sin(2 * pi * 9 * x / 0.7)  # its product with its derivative is mode 18 > n/2
    values = vector(grid, u)
    operators = Spectral(grid)
    found = operators.advect(values, values)
    assert native(found, grid).abs().max() < 1e-9
    undealiased = values * operators.gradient(values, "x")
    assert native(undealiased, grid).abs().max() > 10


def test_symbols_are_those_of_the_operators():
    grid = periodic_grid((12, 9), (0.7, 3.0))
    k, phase = wave(grid, (2, 3))
    operators, u = Spectral(grid), scalar(torch.sin(phase), grid)
    wind = math.wrap([0.7, -1.1], channel(vector="x,y"))
    third = sum(operators.derivative(u, axis, 3) for axis in grid.axes)
    expected = {
        0: 0.3 * u,
        1: operators.advect(wind, u),
        2: 0.3 * operators.laplacian(u),
        3: 0.3 * third,
        4: 0.3 * operators.biharmonic(u),
    }
    modes = torch.fft.rfft2(torch.sin(phase))
    for order, exact in expected.items():
        symbol = operators.symbol(order, wind if order == 1 else math.wrap(0.3))
        product = modes * symbol.native(["x", "y"])
        assert symbol.native(["x", "y"]).is_complex() == bool(order % 2)
        found = torch.fft.irfft2(product, s=(12, 9))
        torch.testing.assert_close(found, native(exact, grid), rtol=1e-9, atol=1e-7)


def test_fields_without_an_axis_are_uniform_along_it():
    grid = periodic_grid((12, 10), (0.7, 3.0))
    x = coordinates(grid)[0]
    k = 2 * pi / 0.7
    u = math.reshaped_tensor(torch.sin(k * x[:, 0]), [math.spatial(x=12)])
    operators = Spectral(grid)
    assert_equal(operators.laplacian(u), -(k**2) * torch.sin(k * x), grid)
    assert native(operators.gradient(u, "y"), grid).abs().max() < 1e-12


def test_traced_operators_are_differentiable():
    grid = periodic_grid((12, 9), (0.7, 3.0))
    _, phase = wave(grid, (2, 1))
    velocity = torch.stack([torch.sin(phase), torch.cos(2 * phase)])[None]
    layout = FieldLayout("v", ("x", "y"))
    operators = Spectral(grid)

    def rate(held, changing):
        v = to_values(changing[0], grid, layout)
        result = 0.1 * operators.laplacian(v) - operators.advect(v, v)
        return [to_native(result, grid, layout)]

    traced = NativeGraph(rate, [], [torch.zeros_like(velocity)])

    def found(v):
        return traced.hold([], v.device)([v])[0]

    torch.testing.assert_close(found(velocity), rate([], [velocity])[0], rtol=0, atol=0)
    tangent = torch.cos(3 * velocity)
    difference = (found(velocity + 1e-6 * tangent) - found(velocity - 1e-6 * tangent)) / 2e-6
    with forward_ad.dual_level():
        forward = forward_ad.unpack_dual(found(forward_ad.make_dual(velocity, tangent))).tangent
    torch.testing.assert_close(
        forward, difference, rtol=0, atol=1e-7 * float(difference.abs().max())
    )
    learnable = velocity.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((found(learnable) ** 2).sum(), learnable)
    expected = float((2 * found(velocity) * forward).sum())
    assert float((gradient * tangent).sum()) == pytest.approx(expected, rel=1e-10)


def test_single_precision_stays_single():
    grid = periodic_grid((12, 9), (0.7, 3.0))
    _, phase = wave(grid, (2, 1))
    with math.precision(32):
        u = scalar(torch.sin(phase).float(), grid)
        assert native(Spectral(grid).laplacian(u), grid).dtype == torch.float32
        assert native(Spectral(grid).gradient(u, "x"), grid).dtype == torch.float32


def test_boundaries_are_ignored_and_rates_are_kept():
    grid = periodic_grid((12,), (0.7,))
    operators = Spectral(grid)
    u = scalar(torch.arange(12.0), grid)
    assert operators.hold(u, {}) is u
    assert operators.with_boundary({"boundary.x.lower": math.wrap(1.0)}) is operators


def test_a_solenoidal_field_has_no_divergence():
    grid = periodic_grid((16, 9), (0.7, 3.0))
    (kx, ky), phase = wave(grid, (2, 1))
    operators = Spectral(grid)
    rotation = vector(grid, ky * torch.sin(phase), -kx * torch.sin(phase))
    gradient = vector(grid, kx * torch.cos(2 * phase), ky * torch.cos(2 * phase))
    assert_equal(operators.solenoidal(rotation + gradient), native(rotation, grid), grid)


def test_other_boundaries_are_refused():
    grid = Grid(("x",), (16,), (0.0,), (1.0,), (("zero-gradient", 0.0),), (False,))
    with pytest.raises(ConfigError, match=r"data\.boundary.*zero-gradient"):
        Discretization.of("spectral").operators(grid)
