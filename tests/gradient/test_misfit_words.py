"""Warnings of a calibration about an equation that lacks a term, in the words of a modeller."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.models import ModelRegistry
from hybrid_pde.training.physical import PhysicalTrainer
from tests.gradient.calibration_case import Windows
from tests.physics.periodic_box import periodic_grid, physical_config

LENGTH, POINTS, FRAMES, STATES, DT = 1.4, 48, 9, 6, 0.05
LINE = periodic_grid((POINTS,), (LENGTH,))
WALLS = replace(LINE, boundary=(("zero-gradient", "zero-gradient"),))
DIFFUSIVITY = 0.01
WAVES = np.fft.rfftfreq(POINTS, LENGTH / POINTS) * 2j * np.pi


def start(seed: int) -> np.ndarray:
    """A smooth random state with eight waves and the mean 0.5."""
    random = np.random.default_rng(seed)
    x = (np.arange(POINTS) + 0.5) * LENGTH / POINTS
    waves = sum(
        random.normal() / number * np.cos(2 * np.pi * number * x / LENGTH + random.uniform(0, 6))
        for number in range(1, 9)
    )
    return np.asarray(0.5 + waves)


def linear(rate: np.ndarray | complex = 0.0, source: float = 0.0) -> torch.Tensor:
    """Closed-form frames of u_t = D u_xx + L u + s from several states; L by its symbol.

    One after the other, ``[S T, 1, X]``; no window reaches from one into the next.
    """
    growth = DIFFUSIVITY * WAVES**2 + rate
    frames = [
        np.fft.irfft(np.fft.rfft(start(seed)) * np.exp(growth * DT * number), POINTS)
        + source * DT * number
        for seed in range(STATES)
        for number in range(FRAMES)
    ]
    return torch.from_numpy(np.stack(frames))[:, None]


def between_walls() -> torch.Tensor:
    """Diffusion from a constant with the value 1.5 at the left wall, by cosines of half waves."""
    x = (np.arange(POINTS) + 0.5) * LENGTH / POINTS
    orders = np.arange(200) + 0.5
    k = np.pi * orders / LENGTH
    frames = []
    for number in range(FRAMES):
        decay = np.exp(-DIFFUSIVITY * k**2 * DT * (number + 1))
        frames.append(1.5 - 2 / LENGTH * np.sin(k * x[:, None]) @ (decay / k))
    return torch.from_numpy(np.stack(frames))[:, None]


def noisy(level: float = 0.02) -> torch.Tensor:
    frames = linear()
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(0)).double()
    noise[::FRAMES] = 0.0  # first frames are taken as exact
    return frames + level * noise


def result_of(frames: torch.Tensor, grid: Any = LINE) -> dict[str, Any]:
    """Calibrate the diffusivity alone."""
    parameters = [{"name": "diffusivity", "initial_guess": 0.015}]
    numerics = {"scheme": "finite_difference", "order": 4}
    if grid is LINE:
        numerics = {"scheme": "spectral", "order": 2, "substeps": 1}
    config = physical_config("DiffusionPDE", {}, parameters, numerics, check_discretization=False)
    config["workflow"] = {"compile": "never"}  # compiling takes longer
    model = ModelRegistry(config).get_physical_model()
    data = Windows(frames, grid, FRAMES - 1, FRAMES, DT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PhysicalTrainer(config, model, [torch.tensor(0.015)]).train(data, 1)


FAULTS: dict[str, tuple[Callable[[], dict[str, Any]], str, str]] = {
    "drag": (lambda: result_of(linear(-0.4)), "follows u (", "drag"),
    "advection": (lambda: result_of(linear(-0.3 * WAVES)), "follows ∂u/∂x (", "advection along x"),
    "source": (lambda: result_of(linear(source=0.3)), "has the same sign everywhere", "source"),
    "boundary": (
        lambda: result_of(between_walls(), WALLS),
        "is largest at the lower end of x",
        "the boundary condition there may be wrong",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_missing_is_named(fault: str) -> None:
    calibrate, behaviour, meaning = FAULTS[fault]
    result = calibrate()
    (sentence,) = result["residuals"]["sentences"]
    assert sentence.startswith("the residual of u grows ")
    assert behaviour in sentence and meaning in sentence
    (message,) = [text for text in result["warnings"] if "residuals are correlated" in text]
    assert sentence[1:] in message


def test_noise_has_no_structure() -> None:
    result = result_of(noisy())
    assert result["residuals"]["sentences"] == [] and result["residuals"]["structure"] == []
    assert result["warnings"] == []
