"""Korteweg-de Vries and Kuramoto-Sivashinsky: solitons, growth rates and conserved quantities."""

from math import exp, pi, sqrt

import pytest
import torch

from hybrid_pde.domain.grid import Grid
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.domains import points
from tests.physics.periodic_box import coordinates, periodic_grid
from tests.physics.rollouts import (
    DIFFERENCES,
    LABEL,
    SPECTRAL,
    final_state,
    measured_order,
    model_of,
    rate_of,
    root_mean_square,
)

A, B = 2.5, 0.02  # advection and dispersion
WAVES = {"advection": A, "dispersion": B}


def soliton(x: torch.Tensor, time: float, speed: float, length: float) -> torch.Tensor:
    """U = (3c/a) sech²(√(c/b) (x − ct)/2) in a box longer than its tails."""
    offset = torch.remainder(x - speed * time, length) - length / 2
    return 3 * speed / A / torch.cosh(0.5 * sqrt(speed / B) * offset)[None] ** 2


@pytest.mark.parametrize("scheme", [*DIFFERENCES, SPECTRAL], **LABEL)
def test_order_of_a_soliton(scheme: Discretization) -> None:
    length, speed = 5.5, 0.9

    def error(n: int) -> float:
        grid = periodic_grid((n,), (length,))
        (x,) = coordinates(grid)
        model = model_of("KortewegDeVriesPDE", WAVES, scheme)
        last = final_state(model, soliton(x, 0.0, speed, length), grid, 1, 0.3)
        return root_mean_square(last - soliton(x, 0.3, speed, length))

    if scheme == SPECTRAL:
        assert error(140) < 1e-5
    else:
        assert abs(measured_order(error, 140, 180) - scheme.order) < 0.2


def two_solitons(x: torch.Tensor, time: float) -> torch.Tensor:
    """U = 12 (b/a) ∂² ln F, F = 1 + e^θ₁ + e^θ₂ + ((k₁ − k₂)/(k₁ + k₂))² e^(θ₁+θ₂), θ = kx − bk³t.

    Source: Hirota (1971), Physical Review Letters 27, 1192.
    """
    ks, starts = (14.0, 9.0), (-1.2, -0.4)
    x = x.clone().requires_grad_()
    one, two = (k * (x - s) - B * k**3 * time for k, s in zip(ks, starts, strict=True))
    shift = ((ks[0] - ks[1]) / (ks[0] + ks[1])) ** 2
    log_f = torch.log(1 + torch.exp(one) + torch.exp(two) + shift * torch.exp(one + two))
    (slope,) = torch.autograd.grad(log_f.sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    return 12 * B / A * curvature.detach()[None]


def test_solitons_pass_through_each_other() -> None:
    grid = Grid(("x",), (240,), (-2.0,), (3.0,), (("periodic",) * 2,), (False,))
    (x,) = points(grid)
    start, time = two_solitons(x, 0.0), 0.6
    model = model_of("KortewegDeVriesPDE", WAVES, SPECTRAL)
    last = final_state(model, start, grid, 4, time / 4)
    exact = two_solitons(x, time)
    highest = x[start.argmax()], x[exact.argmax()]
    assert (
        highest[1] - highest[0] > B * 14**2 * time + 0.1
    )  # the taller one has been shifted forward
    assert (last - exact).abs().max() < 1e-3 * exact.max()
    assert float(last.sum()) == pytest.approx(float(start.sum()), rel=1e-12)
    assert float(last.square().sum()) == pytest.approx(float(start.square().sum()), rel=1e-4)


@pytest.mark.parametrize("scheme", DIFFERENCES, **LABEL)
def test_differences_keep_the_total_of_korteweg_de_vries(scheme: Discretization) -> None:
    grid = periodic_grid((40,), (4.0,))
    start = soliton(coordinates(grid)[0], 0.0, 0.9, 4.0)
    last = final_state(model_of("KortewegDeVriesPDE", WAVES, scheme), start, grid, 1, 0.3)
    assert (last - start).abs().max() > 0.1
    assert float(last.sum()) == pytest.approx(float(start.sum()), rel=1e-12)


@pytest.mark.parametrize("scheme", [*DIFFERENCES, SPECTRAL], **LABEL)
def test_waves_along_the_diagonal_of_a_plane(scheme: Discretization) -> None:
    # f(x + y): sums over the axes are 2 d/ds, ∇² is 2 d²/ds², ∇⁴ is 4 d⁴/ds⁴.
    k = 2 * pi / 0.9
    equations = {
        "KortewegDeVriesPDE": WAVES,
        "KuramotoSivashinskyPDE": {"advection": 1.2, "second_order": 0.7, "fourth_order": 0.01},
    }
    for name, parameters in equations.items():

        def error(n: int, name: str = name, p: dict[str, float] = parameters) -> float:
            grid = periodic_grid((n, 3 * n // 4), (0.9, 0.9))
            s = k * sum(points(grid))
            rate = rate_of(model_of(name, p, scheme), {"u": torch.sin(s)[None]}, grid)["u"][0]
            exact = -p["advection"] * 2 * k * torch.sin(s) * torch.cos(s)
            if "dispersion" in p:
                exact = exact + p["dispersion"] * 2 * k**3 * torch.cos(s)
            else:
                growth = p["second_order"] * 2 * k**2 - p["fourth_order"] * 4 * k**4
                exact = exact + growth * torch.sin(s)
            return root_mean_square(rate - exact)

        if scheme == SPECTRAL:
            assert error(16) < 1e-9
        else:
            assert abs(measured_order(error, 32, 64) - scheme.order) < 0.2


KS = {"advection": 1.3, "second_order": 1.2, "fourth_order": 0.8}


@pytest.mark.parametrize("scheme", [DIFFERENCES[1], SPECTRAL], **LABEL)
def test_growth_of_waves_in_kuramoto_sivashinsky(scheme: Discretization) -> None:
    length, size, mean, time = 9.0, 1e-6, 0.4, 1.0
    k = [2 * pi * m / length for m in (1, 2)]  # the first mode grows, the second one decays
    growth = [exp((1.2 * q**2 - 0.8 * q**4) * time) for q in k]
    assert growth[0] > 1.2 and growth[1] < 0.5
    grid = periodic_grid((24,), (length,))
    (x,) = coordinates(grid)
    start = mean + size * (torch.sin(k[0] * x) + torch.sin(k[1] * x))
    moved = x - 1.3 * mean * time
    exact = mean + size * sum(g * torch.sin(q * moved) for g, q in zip(growth, k, strict=True))
    model = model_of("KuramotoSivashinskyPDE", KS, scheme)
    last = final_state(model, start[None], grid, 4, time / 4)
    assert float(last.mean()) == pytest.approx(mean, rel=1e-13)
    # 12 points per wavelength
    assert (last - exact).abs().max() < size * (1e-5 if scheme == SPECTRAL else 1e-2)


def test_kuramoto_sivashinsky_is_chaotic_and_bounded() -> None:
    grid = periodic_grid((64,), (22.0,))
    (x,) = coordinates(grid)
    wave = 0.1 * torch.cos(2 * pi * x / 22)
    start = torch.stack([wave, wave + 1e-5 * torch.sin(4 * pi * x / 22)])
    model = model_of("KuramotoSivashinskyPDE", {}, SPECTRAL)
    frames = list(model.rollout(start[:, None], grid, 60, 3.0))
    late = torch.stack(frames[20:])
    # The Lyapunov exponent is 0.048, a growth by e^9 in that time: Cvitanović et al. (2010), SIAM
    # J. Appl. Dyn. Syst. 9, 1-33.
    assert 0.5 < float(late.std()) < 2
    assert late.abs().max() < 4
    distances = [float((u[0] - u[1]).norm()) for u in frames]
    assert max(distances) > 100 * min(distances)
    assert float(late.mean(dim=(2, 3)).abs().max()) < 1e-12
