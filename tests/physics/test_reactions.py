"""Reaction and diffusion: travelling fronts, uniform states and growth of small perturbations."""

from math import exp, pi, sqrt

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from hybrid_pde.numerics.discretization import Discretization
from tests.physics.domains import points, walled_grid
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

EITHER = pytest.mark.parametrize("scheme", [DIFFERENCES[1], SPECTRAL], **LABEL)


@EITHER
def test_allen_cahn_of_a_uniform_state(scheme: Discretization) -> None:
    grid = periodic_grid((12, 10), (0.7, 1.3))
    model = model_of("AllenCahnPDE", {"diffusivity": 1e-3, "reaction_rate": 3.0}, scheme)
    last = final_state(model, torch.full((1, *grid.shape), 0.2), grid, 4, 0.1)
    growth = 0.2 / sqrt(1 - 0.2**2) * exp(3.0 * 0.4)  # u/√(1 − u²) grows as exp(rt)
    exact = growth / sqrt(1 + growth**2)
    # r dt = 0.3 per step of a fourth-order method
    torch.testing.assert_close(last, torch.full_like(last, exact), rtol=1e-4, atol=0)


def test_allen_cahn_fronts_are_stationary() -> None:
    # tanh((x − x₀)/√(2D/r)) is stationary; fronts 1 apart overlap by exp(−1·√(2r/D)) = 1e-10.
    grid = periodic_grid((200,), (2.0,))
    (x,) = coordinates(grid)
    width = sqrt(2 * 2e-3 / 0.5)
    wall = torch.tanh((x - 0.5) / width) * torch.tanh((1.5 - x) / width)
    model = model_of("AllenCahnPDE", {"diffusivity": 2e-3, "reaction_rate": 0.5})
    last = final_state(model, wall[None], grid, 5, 0.5)
    assert wall.min() < -0.99
    assert (last - wall).abs().max() < 5e-4


@EITHER
def test_allen_cahn_travelling_waves(scheme: Discretization) -> None:
    # The front between u = 0 and u = 1, ½(1 − tanh((x − st)/√(8D/r))), moves into u = 0 with the
    # speed s = 3√(rD/2).
    width, speed = sqrt(8 * 2e-3 / 2.0), 3 * sqrt(2.0 * 2e-3 / 2)
    grid = periodic_grid((256,), (4.0,))
    (x,) = coordinates(grid)

    def exact(time: float) -> torch.Tensor:
        right = 0.5 * (1 - torch.tanh((x - 2.5 - speed * time) / width))
        left = 0.5 * (1 + torch.tanh((x - 1.5 + speed * time) / width))
        return (right * left)[None]

    model = model_of("AllenCahnPDE", {"diffusivity": 2e-3, "reaction_rate": 2.0}, scheme)
    last = final_state(model, exact(0.0), grid, 20, 0.1)
    assert (exact(2.0) - exact(0.0)).abs().max() > 0.5
    # Spectral: the error of time steps as long as a frame.
    assert (last - exact(2.0)).abs().max() < (5e-5 if scheme == SPECTRAL else 2e-3)


@pytest.mark.parametrize(
    ("name", "rate_name", "order"),
    [
        ("AllenCahnPDE", "reaction_rate", 4),
        ("FisherKPPPDE", "growth_rate", 2),
        ("FisherKPPPDE", "growth_rate", 6),
    ],
)
def test_order_of_fronts_between_walls(name: str, rate_name: str, order: int) -> None:
    # Fisher-KPP: u = (1 + exp(z/√(6D/r)))⁻², z = x − st, s = 5/√6 √(rD); Ablowitz and Zeppetella
    # (1979), Bulletin of Mathematical Biology 41, 835-840. Lengths in √(D/r), times in 1/r.
    diffusivity, rate, span = 0.02, 3.0, 90.0
    unit = sqrt(diffusivity / rate)

    def exact(x: torch.Tensor, time: float) -> torch.Tensor:
        s, t = x / unit - 0.6 * span, rate * time
        if name == "FisherKPPPDE":
            return (1 + torch.exp((s - 5 / sqrt(6) * t) / sqrt(6)))[None] ** -2
        return 0.5 * (1 - torch.tanh((s - 3 / sqrt(2) * t) / sqrt(8)))[None]

    def error(n: int) -> float:
        sides = {"x": {"lower": 1.0, "upper": 0.0}}
        grid = walled_grid((n,), (span * unit,), sides)
        (x,) = points(grid)
        scheme = Discretization("finite_difference", order)
        model = model_of(name, {"diffusivity": diffusivity, rate_name: rate}, scheme, substeps=60)
        last = final_state(model, exact(x, 0.0), grid, 1, 2.0 / rate)
        assert (last - exact(x, 0.0)).abs().max() > 0.3
        return root_mean_square(last - exact(x, 2.0 / rate))

    assert abs(measured_order(error, 180, 240) - order) < 0.2


FITZHUGH_NAGUMO = {"diffusivity_u": 2e-3, "diffusivity_v": 5e-3, "threshold": 0.1}
GRAY_SCOTT = {"diffusivity_a": 2e-3, "diffusivity_b": 8e-4, "feed": 0.04, "kill": 0.05}
BRUSSELATOR = {"diffusivity_u": 2e-3, "diffusivity_v": 5e-3, "a": 0.8, "b": 1.9}
# Parameters, roles, diffusivities, and a uniform initial state.
PAIRS = {
    "BrusselatorPDE": (BRUSSELATOR, ("u", "v"), (2e-3, 5e-3), (1.0, 1.5)),
    "FitzHughNagumoPDE": (FITZHUGH_NAGUMO, ("u", "v"), (2e-3, 5e-3), (0.6, -0.3)),
    "GrayScottPDE": (GRAY_SCOTT, ("a", "b"), (2e-3, 8e-4), (0.7, 0.4)),
}


def reaction(name: str, state: np.ndarray) -> np.ndarray:
    one, two = state
    if name == "FitzHughNagumoPDE":
        return np.array([one - one**3 - 0.1 - two, one - two])
    if name == "BrusselatorPDE":
        return np.array([0.8 - 2.9 * one + one**2 * two, 1.9 * one - one**2 * two])
    return np.array([-one * two**2 + 0.04 * (1 - one), one * two**2 - 0.09 * two])


def state_at_rest(name: str) -> np.ndarray:
    """FitzHugh-Nagumo: v = u, u³ = −k. Gray-Scott: ab = F + K, (F + K) b² − F b + F (F + K) = 0.

    Brusselator: u = a, v = b / a.
    """
    if name == "BrusselatorPDE":
        return np.array([0.8, 1.9 / 0.8])
    if name == "FitzHughNagumoPDE":
        return np.full(2, -(0.1 ** (1 / 3)))
    b = (0.04 + sqrt(0.04**2 - 4 * 0.04 * 0.09**2)) / (2 * 0.09)
    return np.array([0.09 / b, b])


def jacobian(name: str, state: np.ndarray) -> np.ndarray:
    one, two = state
    if name == "FitzHughNagumoPDE":
        return np.array([[1 - 3 * one**2, -1.0], [1.0, -1.0]])
    if name == "BrusselatorPDE":
        cross = 2 * one * two
        return np.array([[cross - 2.9, one**2], [1.9 - cross, -(one**2)]])
    return np.array([[-(two**2) - 0.04, -2 * one * two], [two**2, 2 * one * two - 0.09]])


@EITHER
@pytest.mark.parametrize("name", PAIRS)
def test_uniform_states_obey_ordinary_differential_equations(
    name: str, scheme: Discretization
) -> None:
    parameters, roles, _, start = PAIRS[name]
    grid = periodic_grid((8,), (0.7,))
    ones = torch.ones((1, 8), dtype=torch.float64)
    model = model_of(name, parameters, scheme, substeps=10)
    last = final_state(
        model, {r: u * ones for r, u in zip(roles, start, strict=True)}, grid, 4, 1.0
    )
    solution = solve_ivp(lambda t, y: reaction(name, y), (0, 4), start, rtol=1e-10, atol=1e-12)
    for role, before, after in zip(roles, start, solution.y[:, -1], strict=True):
        assert abs(after - before) > 0.1
        torch.testing.assert_close(last[role], after * ones, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "order"),
    [("FitzHughNagumoPDE", 4), ("GrayScottPDE", 6), ("BrusselatorPDE", 2)],
)
def test_order_of_the_rate_of_two_species(name: str, order: int) -> None:
    parameters, roles, diffusivities, start = PAIRS[name]
    k = (2 * pi / 0.7, 4 * pi / 1.3)

    def error(n: int) -> float:
        grid = periodic_grid((n, 4 * n // 3), (0.7, 1.3))
        x, y = points(grid)
        waves = torch.stack([torch.cos(k[0] * x) + 0 * y, torch.sin(k[1] * y) + 0 * x])
        state = np.array([u + 0.3 * wave.numpy() for u, wave in zip(start, waves, strict=True)])
        model = model_of(name, parameters, Discretization("finite_difference", order))
        fields = {r: torch.from_numpy(u)[None] for r, u in zip(roles, state, strict=True)}
        rates = rate_of(model, fields, grid)
        exact = torch.from_numpy(reaction(name, state))
        cases = zip(roles, diffusivities, k, waves, exact, strict=True)
        errors = [rates[r][0] - (e - d * q**2 * 0.3 * wave) for r, d, q, wave, e in cases]
        return root_mean_square(torch.stack(errors))

    assert abs(measured_order(error, 24, 48) - order) < 0.2


@pytest.mark.parametrize("box", ["differences", "walls", "spectral"])
@pytest.mark.parametrize("name", PAIRS)
def test_growth_of_small_waves(name: str, box: str) -> None:
    parameters, roles, diffusivities, _ = PAIRS[name]
    rest = state_at_rest(name)
    assert np.abs(reaction(name, rest)).max() < 1e-15
    grid = periodic_grid((32, 24), (0.7, 1.3))
    k = (2 * pi / 0.7, 2 * pi / 1.3)
    if box == "walls":
        grid, k = walled_grid((25, 22), (0.7, 1.3), nodes=True), (2 * pi / 0.7, pi / 1.3)
    scheme = SPECTRAL if box == "spectral" else DIFFERENCES[2]
    x, y = points(grid)
    wave = torch.cos(k[0] * x) * torch.cos(k[1] * y)
    size, time = 1e-6, 2.0
    model = model_of(name, parameters, scheme, substeps=60)
    start = {r: (u + size * a * wave)[None] for r, u, a in zip(roles, rest, (1, -0.5), strict=True)}
    last = final_state(model, start, grid, 1, time)
    decay = np.diag(diffusivities) * (k[0] ** 2 + k[1] ** 2)
    exact = expm((jacobian(name, rest) - decay) * time) @ [1, -0.5]
    for role, at_rest, amplitude in zip(roles, rest, exact, strict=True):
        change = (last[role][0] - at_rest) / size
        # 22 points per wavelength at order 6; the second order of the amplitude is 1e-6
        assert abs(amplitude) > 0.05
        assert (change - amplitude * wave).abs().max() < (2e-5 if box == "spectral" else 2e-4)
