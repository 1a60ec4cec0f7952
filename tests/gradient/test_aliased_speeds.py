"""Speeds that frames far apart do not tell from others are warned of."""

from typing import Any

import pytest
import torch

from hybrid_pde.models.physical import AdvectionDiffusionPDE
from hybrid_pde.training.physical import PhysicalTrainer
from tests.gradient.calibration_case import Windows
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

LENGTH, DIFFUSIVITY = 0.7, 1e-3
LINE = periodic_grid((32,), (LENGTH,))


def moving_waves(velocity: float, dt: float, frames: int = 5) -> Windows:
    """Closed-form frames of c_t + v c_x = D c_xx."""
    (x,) = coordinates(LINE)
    times = torch.arange(frames).double()[:, None] * dt
    waves = torch.zeros(frames, len(x), dtype=torch.float64)
    for number, phase in ((1, 0.3), (2, 1.0), (3, 0.1)):
        k = 2 * torch.pi * number / LENGTH
        decay = torch.exp(-DIFFUSIVITY * k**2 * times)
        waves += decay * torch.sin(k * (x - velocity * times) + phase)
    return Windows(waves[:, None], LINE, dt=dt)


def warnings_of(source: Windows, guess: float, **entry: Any) -> tuple[float, list[str]]:
    learned = [{"name": "velocity", "initial_guess": guess, **entry}]
    fixed = {"diffusivity": DIFFUSIVITY}
    config = physical_config(
        "AdvectionDiffusionPDE", fixed, learned, {"scheme": "spectral"}, check_discretization=False
    )
    start = [torch.tensor(guess, dtype=torch.float64)]
    result = PhysicalTrainer(config, AdvectionDiffusionPDE(config), start).train(source, 1)
    (value,) = result["parameters"]["velocity"]["value"]
    return value, [text for text in result["warnings"] if "as well as" in text]


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_an_alias_of_the_speed_is_named() -> None:
    """0.5 and 0.5 − L/dt = −0.2 give the same frames, and the guess decides."""
    source = moving_waves(0.5, dt=1.0)
    value, warned = warnings_of(source, -0.19)
    assert value == pytest.approx(-0.2, rel=1e-5)
    assert len(warned) == 1 and warned[0].startswith("velocity[0]: 0.5 explains the data as well a")
    value, warned = warnings_of(source, -0.19, bounds=[-0.4, 0.4])
    assert value == pytest.approx(-0.2, rel=1e-5) and not warned, "excluded by the bounds"


def test_frames_that_are_close_tell_the_speed() -> None:
    value, warned = warnings_of(moving_waves(0.5, dt=0.1), 0.4)
    assert value == pytest.approx(0.5, rel=1e-5) and not warned
