"""Initial states with noise: fits begin without the modes that only noise has."""

import numpy as np
import pytest
import torch

from hybrid_pde.models.physical import KortewegDeVriesPDE
from hybrid_pde.training.physical import PhysicalTrainer
from hybrid_pde.training.physical.denoised_states import (
    noise_information,
    noise_size,
    without_noise,
)
from tests.gradient.calibration_case import Windows
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

LINE, DT, FRAMES, TRUTH, GUESS = periodic_grid((128,), (128.0,)), 0.5, 40, 3.4, 1.5


def dispersing(noise: float) -> Windows:
    """u_t + δ u_xxx = 0 from four waves, exact but for noise on every frame."""
    (x,) = coordinates(LINE)
    times = DT * torch.arange(FRAMES + 1).double()[:, None]
    frames = torch.zeros(FRAMES + 1, len(x), dtype=torch.float64)
    for number, phase in ((1, 0.3), (2, 1.1), (3, 2.0), (4, 0.7)):
        k = 2 * np.pi * number / 128
        frames += torch.cos(k * x + phase + TRUTH * k**3 * times) / number
    errors = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0)).double()
    frames += noise * frames.std() * errors
    return Windows(frames[:, None], LINE, FRAMES, FRAMES, DT)


def trained(noise: float, epochs: int) -> tuple[PhysicalTrainer, dict]:
    config = physical_config(
        "KortewegDeVriesPDE",
        {"advection": 0.0},
        [{"name": "dispersion", "initial_guess": GUESS}],
        {"scheme": "spectral"},
        initial_state="estimate",
        check_discretization=False,
    )
    guess = torch.tensor(GUESS, dtype=torch.float64)
    trainer = PhysicalTrainer(config, KortewegDeVriesPDE(config), [guess])
    return trainer, dict(trainer.train(dispersing(noise), epochs))


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_dispersion_of_noisy_data_is_found_from_far_away() -> None:
    """Modes of noise rotate a hundred times as fast as the waves: steps came to nothing."""
    _, result = trained(0.05, 1)
    found = result["parameters"]["dispersion"]
    assert found["value"] == pytest.approx(TRUTH, rel=0.01)
    lower, upper = found["interval_90"]
    assert lower < TRUTH < upper < 1.05 * TRUTH
    assert result["status"] == "converged"


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_states_begin_with_what_is_above_the_noise(noise: float) -> None:
    trainer, _ = trained(noise, 0)
    objective = trainer.objective
    start = objective.start
    found = without_noise(objective, start)
    scale, size = objective.observations.scale["u"], len(objective.vector)
    clean = dispersing(0.0).frames[0, 0].numpy()
    observed, kept = (scale * each[size:] for each in (start, found))
    expected = noise * float(dispersing(0.0).frames.std())
    assert np.sqrt(np.mean((observed - clean) ** 2)) == pytest.approx(expected, rel=0.2, abs=1e-12)
    # Eight of 128 modes carry the waves; noise remains in these.
    assert np.sqrt(np.mean((kept - clean) ** 2)) <= 0.5 * expected + 1e-12
    # Modes of noise seem to determine the dispersion tens of times as closely.
    (factor,) = noise_information(objective, start)
    assert factor > 10 if noise else factor == pytest.approx(1, rel=1e-3)
    moved = start.copy()
    moved[size] += 1.0  # states that were found already
    assert without_noise(objective, moved) is moved


def test_noise_is_measured_beside_waves() -> None:
    states = dispersing(0.05).frames[:, 0].numpy()
    assert noise_size(states) == pytest.approx(0.05 * states.std(), rel=0.1)
