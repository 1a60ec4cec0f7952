"""Waves: standing and travelling ones in closed form, energy, walls and media."""

from math import cos, exp, pi, sin, sqrt

import pytest
import torch

from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.domains import points, walled_grid
from tests.physics.periodic_box import periodic_grid
from tests.physics.rollouts import (
    DIFFERENCES,
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

NAME = "WavePDE"
LENGTHS = (0.7, 1.3)


@pytest.mark.parametrize(("scheme", "nodes"), ODD_WALLS, **LABEL)
def test_standing_wave_converges(scheme: Discretization, nodes: bool) -> None:
    """Between walls of zero gradient along x and value 0 along y, with damping."""
    speed, damping, time = 1.5, 0.8, 0.2
    k, m = pi / 0.7, pi / 1.3
    frequency = sqrt(speed**2 * (k**2 + m**2) - damping**2 / 4)
    decay, angle = exp(-damping * time / 2), frequency * time
    height = decay * (cos(angle) + damping / (2 * frequency) * sin(angle))
    rise = -decay * speed**2 * (k**2 + m**2) / frequency * sin(angle)

    def error(n: int) -> float:
        sides = {"x": "zero-gradient", "y": 0.0}
        grid = walled_grid((n + nodes, n + n // 2 + nodes), LENGTHS, sides, nodes)
        x, y = points(grid)
        shape = (torch.cos(k * x) * torch.sin(m * y))[None]
        model = model_of(NAME, {"speed": speed, "damping": damping}, scheme, substeps=100)
        last = final_state(model, {"u": shape, "v": 0 * shape}, grid, 1, time)
        errors = [last["u"] - height * shape, (last["v"] - rise * shape) / frequency]
        return root_mean_square(torch.stack(errors))

    assert abs(angle) > 1
    coarse, fine = (12, 20) if scheme.order == 6 else (32, 48)
    assert has_order_at_walls(measured_order(error, coarse, fine), scheme.order)


def test_travelling_wave_is_exact_by_the_spectral_scheme() -> None:
    grid = periodic_grid((16, 12), LENGTHS)
    k, m = 2 * pi / 0.7, -2 * pi / 1.3
    x, y = points(grid)
    frequency = 0.5 * sqrt(k**2 + m**2)

    def exact(time: float) -> dict[str, torch.Tensor]:
        phase = (k * x + m * y - frequency * time)[None]
        return {"u": torch.cos(phase), "v": frequency * torch.sin(phase)}

    last = final_state(model_of(NAME, {"speed": 0.5}, SPECTRAL), exact(0.0), grid, 2, 0.3)
    assert (exact(0.6)["u"] - exact(0.0)["u"]).abs().max() > 1
    for role, u in exact(0.6).items():
        assert (last[role] - u).abs().max() < 1e-4 * u.abs().max()


@pytest.mark.parametrize("scheme", [DIFFERENCES[0], DIFFERENCES[2], SPECTRAL], **LABEL)
def test_noise_keeps_its_energy_at_the_longest_time_step(scheme: Discretization) -> None:
    """Σ v² − c² u ∇²u: the shortest waves neither grow nor, for most of their energy, decay."""
    grid = periodic_grid((12, 8), LENGTHS)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 12, 8, generator=generator, dtype=torch.float64)
    model = model_of(NAME, {"speed": 2.0}, scheme)

    def energy(state: dict[str, torch.Tensor]) -> float:
        force = rate_of(model, state, grid)["v"]
        return float((state["v"].square() - state["u"] * force).sum())

    start = {"u": noise, "v": 0 * noise}
    last = final_state(model, start, grid, 1, 0.2)
    assert model.substeps_used > 4
    assert 0.5 < energy(last) / energy(start) < 1 + 1e-12
    fine = model_of(NAME, {"speed": 2.0}, scheme, substeps=10 * model.substeps_used)
    assert energy(final_state(fine, start, grid, 1, 0.2)) == pytest.approx(energy(start), rel=1e-4)


def test_energy_in_a_medium_is_conserved() -> None:
    """Σ v² / c² − u ∇²u with a field of speeds."""
    grid = periodic_grid((24,), (0.7,))
    (x,) = points(grid)
    speed = 1.0 + 0.5 * torch.sin(2 * pi * x / 0.7)
    model = model_of(NAME, {"speed": speed}, substeps=160)
    still = model_of(NAME, {"speed": 1.0})

    def energy(state: dict[str, torch.Tensor]) -> float:
        bending = rate_of(still, state, grid)["v"]
        return float((state["v"].square() / speed**2 - state["u"] * bending).sum())

    bump = torch.exp(-((x - 0.3) ** 2) / 0.01)[None]
    last = final_state(model, {"u": bump, "v": 0 * bump}, grid, 1, 0.4)
    assert (last["u"] - bump).abs().max() > 0.3
    assert energy(last) == pytest.approx(energy({"u": bump, "v": 0 * bump}), rel=1e-6)


@pytest.mark.parametrize("scheme", ["weno", "mac_cormack"])
def test_schemes_for_advection_are_rejected(scheme: str) -> None:
    model = model_of(NAME, {"speed": 1.0})
    model.discretization = Discretization(scheme, None)
    grid, zero = periodic_grid((16,), (0.7,)), torch.zeros(1, 16)
    message = rf"numerics\.scheme: {scheme}: .*WavePDE is by waves; allowed: auto, finite_diff"
    with pytest.raises(ConfigError, match=message):
        final_state(model, {"u": zero, "v": zero}, grid, 1, 0.1)
