"""Diffusion in periodic boxes and between walls, with a uniform or variable diffusivity."""

from math import exp, pi

import pytest
import torch

from hybrid_pde.domain.grid import Grid
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.domains import points, walled_grid
from tests.physics.periodic_box import periodic_grid
from tests.physics.rollouts import (
    DIFFERENCES,
    EVEN_WALLS,
    LABEL,
    ODD_WALLS,
    SPECTRAL,
    final_state,
    has_order_at_walls,
    measured_order,
    model_of,
    rate_of,
    root_mean_square,
)

KAPPA = 0.03


@pytest.mark.parametrize(
    ("scheme", "dims"), [(DIFFERENCES[1], 3), (SPECTRAL, 1), (SPECTRAL, 3)], ids=str
)
def test_decay_of_a_mode(scheme: Discretization, dims: int) -> None:
    grid = periodic_grid((24, 16, 20)[:dims], (0.7, 1.3, 0.9)[:dims])
    waves = [2 * pi / length for length in grid.upper]
    start = 0.3 + torch.cos(sum(k * x for k, x in zip(waves, points(grid), strict=True)))[None]
    decay = exp(-KAPPA * sum(k**2 for k in waves) * 0.2)
    last = final_state(
        model_of("DiffusionPDE", {"diffusivity": KAPPA}, scheme), start, grid, 1, 0.2
    )
    tolerance = 1e-13 if scheme == SPECTRAL else 1e-3  # 16 points per wavelength
    assert decay < 0.7
    assert (last - 0.3 - decay * (start - 0.3)).abs().max() < tolerance


@pytest.mark.parametrize("nodes", [False, True], ids=["cells", "nodes"])
@pytest.mark.parametrize("scheme", DIFFERENCES, **LABEL)
def test_straight_profile_between_two_values_stays(scheme: Discretization, nodes: bool) -> None:
    sides = {"x": {"lower": 1.5, "upper": -0.4}, "y": "zero-gradient"}
    grid = walled_grid((11, 9), (0.7, 1.3), sides, nodes)
    x, _ = points(grid)
    profile = (1.5 - 1.9 * x / 0.7)[None]
    for diffusivity in (KAPPA, torch.full(grid.shape, KAPPA)):
        model = model_of("DiffusionPDE", {"diffusivity": diffusivity}, scheme)
        assert rate_of(model, {"u": profile}, grid)["u"].abs().max() < 1e-12
        assert rate_of(model, {"u": profile + x**2}, grid)["u"].abs().max() > 1e-2


@pytest.mark.parametrize("nodes", [False, True], ids=["cells", "nodes"])
def test_any_state_tends_to_the_straight_profile(nodes: bool) -> None:
    grid = walled_grid((11,), (0.7,), {"x": {"lower": 1.5, "upper": -0.4}}, nodes)
    (x,) = points(grid)
    profile = (1.5 - 1.9 * x / 0.7)[None]
    start = profile + 1.1 * (x * (0.7 - x))[None]
    # The slowest mode decays as exp(−κπ²t/L²), by 1e-7 in that time.
    last = final_state(model_of("DiffusionPDE", {"diffusivity": KAPPA}), start, grid, 1, 26.0)
    torch.testing.assert_close(last, profile, rtol=0, atol=1e-7)


# Walls that prescribe a value have the value of the profile: along x from 1.0 to −0.5, or 0.3.
WALLS = {
    "two values": {"x": {"lower": 1.0, "upper": -0.5}, "y": "zero-gradient"},
    "one value": {
        "x": {"lower": 0.3, "upper": "zero-gradient"},
        "y": {"lower": "zero-gradient", "upper": 0.3},
    },
}


def between_walls(grid: Grid, time: float) -> torch.Tensor:
    """A decaying mode between the walls on top of the steady profile."""
    (x, y), (length, height) = points(grid), grid.upper
    if grid.boundary[0] == (1.0, -0.5):
        k = (pi / length, 2 * pi / height)
        profile = 1.0 - 1.5 * x / length
        mode = torch.sin(k[0] * x) * torch.cos(k[1] * y)
    else:
        k = (1.5 * pi / length, 0.5 * pi / height)
        profile = torch.full_like(x, 0.3)
        mode = torch.sin(k[0] * x) * torch.cos(k[1] * y)
    return (profile + exp(-KAPPA * (k[0] ** 2 + k[1] ** 2) * time) * mode)[None]


@pytest.mark.parametrize(
    ("scheme", "nodes", "walls"),
    [(*case, "two values") for case in ODD_WALLS] + [(*case, "one value") for case in EVEN_WALLS],
    **LABEL,
)
def test_order_between_walls(scheme: Discretization, nodes: bool, walls: str) -> None:
    def error(n: int) -> float:
        grid = walled_grid((n + nodes, 2 * n // 3 + nodes), (0.7, 0.6), WALLS[walls], nodes)
        # The classical Runge-Kutta method's error is far below the second-order error in space.
        steps = 80 if scheme.order == 2 else None
        model = model_of("DiffusionPDE", {"diffusivity": KAPPA}, scheme, substeps=steps)
        last = final_state(model, between_walls(grid, 0.0), grid, 1, 0.2)
        return root_mean_square(last - between_walls(grid, 0.2))

    assert has_order_at_walls(measured_order(error, 21, 33), scheme.order)


def separable(grid: Grid, time: float, conservative: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """U = exp(−λt) w(x) and κ = −λ ∫w / w′, or −λ w / w″: w = cos qx + ε cos 3qx, λ = 0.03 q²."""
    (x,) = points(grid)
    q = pi / grid.upper[0] * (2 if grid.is_periodic else 1)
    epsilon, rate = (0.1 if conservative else 0.02), KAPPA * q**2
    w = torch.cos(q * x) + epsilon * torch.cos(3 * q * x)
    sine, cosine = torch.sin(q * x) ** 2, torch.cos(q * x) ** 2
    # sin 3θ = (3 − 4 sin²θ) sin θ, cos 3θ = (4 cos²θ − 3) cos θ: there is no division by 0.
    if conservative:
        odd = 3 - 4 * sine
        kappa = KAPPA * (1 + epsilon / 3 * odd) / (1 + 3 * epsilon * odd)
    else:
        even = 4 * cosine - 3
        kappa = KAPPA * (1 + epsilon * even) / (1 + 9 * epsilon * even)
    return exp(-rate * time) * w[None], kappa


@pytest.mark.parametrize(
    ("scheme", "nodes", "conservative"),
    [(*case, True) for case in ODD_WALLS] + [(*case, False) for case in EVEN_WALLS],
    **LABEL,
)
def test_order_with_a_field_of_diffusivity(
    scheme: Discretization, nodes: bool, conservative: bool
) -> None:
    def error(n: int) -> float:
        grid = walled_grid((n + nodes,), (0.7,), nodes=nodes)
        start, kappa = separable(grid, 0.0, conservative)
        assert kappa.max() > 1.3 * kappa.min()
        parameters = {"diffusivity": kappa, "conservative": conservative}
        steps = 80 if scheme.order == 2 else None
        model = model_of("DiffusionPDE", parameters, scheme, substeps=steps)
        last = final_state(model, start, grid, 1, 0.2)
        return root_mean_square(last - separable(grid, 0.2, conservative)[0])

    assert has_order_at_walls(measured_order(error, 30, 45), scheme.order)


@pytest.mark.parametrize("scheme", DIFFERENCES, **LABEL)
def test_flux_form_keeps_the_total(scheme: Discretization) -> None:
    generator = torch.Generator().manual_seed(0)
    for grid in (walled_grid((9, 12), (0.7, 1.3)), periodic_grid((9, 12), (0.7, 1.3))):
        kappa, u = 0.1 + torch.rand((2, *grid.shape), generator=generator, dtype=torch.float64)
        model = model_of("DiffusionPDE", {"diffusivity": kappa}, scheme)
        rate = rate_of(model, {"u": u[None]}, grid)["u"]
        assert rate.abs().max() > 1
        assert abs(float(rate.sum())) < 1e-11


@pytest.mark.parametrize("conservative", [True, False], ids=["divergence", "laplacian"])
def test_spectral_with_a_field_of_diffusivity(conservative: bool) -> None:
    grid = periodic_grid((48,), (0.7,))
    start, kappa = separable(grid, 0.0, conservative)
    parameters = {"diffusivity": kappa, "conservative": conservative}
    model = model_of("DiffusionPDE", parameters, SPECTRAL)
    last = final_state(model, start, grid, 1, 0.1)
    assert model.substeps_used > 1  # a variable diffusivity is integrated explicitly
    assert (last - separable(grid, 0.1, conservative)[0]).abs().max() < 1e-6


@pytest.mark.parametrize("scheme", [*DIFFERENCES, SPECTRAL], **LABEL)
def test_rate_on_a_plane(scheme: Discretization) -> None:
    # ∇·(κ∇u) = κ∇²u + ∇κ·∇u for u = cos(kx) sin(ly) and κ = 2 + sin(kx + ly).
    k, m = 2 * pi / 0.7, 2 * pi / 1.3

    def error(n: int, conservative: bool) -> float:
        grid = periodic_grid((n, 5 * n // 4), (0.7, 1.3))
        x, y = points(grid)
        u, kappa = torch.cos(k * x) * torch.sin(m * y), 2 + torch.sin(k * x + m * y)
        exact = -(k**2 + m**2) * kappa * u
        if conservative:
            slope = -k * torch.sin(k * x) * torch.sin(m * y) * k
            slope = slope + m * torch.cos(k * x) * torch.cos(m * y) * m
            exact = exact + slope * torch.cos(k * x + m * y)
        parameters = {"diffusivity": kappa, "conservative": conservative}
        model = model_of("DiffusionPDE", parameters, scheme)
        return root_mean_square(rate_of(model, {"u": u[None]}, grid)["u"] - exact)

    for conservative in (True, False):
        if scheme == SPECTRAL:
            assert error(16, conservative) < 1e-9
        else:
            order = measured_order(lambda n, c=conservative: error(n, c), 32, 64)
            assert abs(order - scheme.order) < 0.2
