"""Noisy or partly unobserved initial states, estimated along with the parameters."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.data.observations.observed_simulation import ObservedSimulation
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical import DiffusionPDE, KuramotoSivashinskyPDE
from hybrid_pde.training.physical import PhysicalTrainer
from hybrid_pde.training.physical.observation_window import ObservationWindow, ObservedData
from tests.gradient.calibration_case import Windows
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

LINE = periodic_grid((32,), (1.4,))
DIFFUSIVITY, INTERVAL = 0.004, 0.1
SPECTRAL = {"scheme": "spectral", "order": 2, "substeps": 1}  # exact for any time step


def decaying_waves(level: float, seed: int) -> torch.Tensor:
    """Closed-form frames of u_t = 0.004 u_xx with noise in all of them, ``[13, 1, 32]``."""
    (x,) = coordinates(LINE)
    k = 2 * np.pi / 1.4
    t = torch.arange(13).double()[:, None] * INTERVAL
    first = torch.exp(-DIFFUSIVITY * k**2 * t) * torch.sin(k * x)
    third = 0.6 * torch.exp(-DIFFUSIVITY * (3 * k) ** 2 * t) * torch.cos(3 * k * x + 1)
    frames = (first + third)[:, None]
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed)).double()
    return frames + level * noise


def trainer_of_diffusion(
    initial_state: str, numerics: dict[str, Any] = SPECTRAL, **training: Any
) -> PhysicalTrainer:
    parameters = [{"name": "diffusivity", "initial_guess": 0.01}]
    settings = {"check_discretization": False, "initial_state": initial_state, **training}
    config = physical_config("DiffusionPDE", {}, parameters, numerics, **settings)
    config["workflow"] = {"compile": "never"}  # compiling takes longer
    return PhysicalTrainer(config, DiffusionPDE(config), [torch.tensor(0.01)])


def diffusion(
    data: Any, initial_state: str, numerics: dict[str, Any] = SPECTRAL, **training: Any
) -> dict[str, Any]:
    return trainer_of_diffusion(initial_state, numerics, **training).train(data, 1)


@pytest.mark.filterwarnings("ignore:.*the first frames:hybrid_pde.result_warnings.ResultWarning")
def test_estimated_states_remove_the_bias_of_noisy_initial_states() -> None:
    scores: dict[str, list[float]] = {"known": [], "estimate": []}
    for seed in range(8):
        data = Windows(decaying_waves(0.1, seed), LINE, dt=INTERVAL)
        for initial_state, found in scores.items():
            estimate = diffusion(data, initial_state)["parameters"]["diffusivity"]
            found.append((estimate["value"] - DIFFUSIVITY) / estimate["std"])
    # Noise in the initial state is absent from later frames, as if it had diffused away.
    assert np.mean(scores["known"]) > 1
    assert abs(np.mean(scores["estimate"])) < 1.06, "three standard errors of 1/√8"
    assert np.all(np.abs(scores["estimate"]) < 3)


@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B"])
def test_consecutive_windows_agree_with_one_long_window(method: str) -> None:
    frames = decaying_waves(0.01, 0)
    short, long = (
        diffusion(Windows(frames, LINE, n, n, INTERVAL), "estimate", method=method, abs_tol=1e-5)
        for n in (4, 12)
    )
    assert short["status"] == long["status"] == "converged"
    one, other = (result["parameters"]["diffusivity"] for result in (short, long))
    assert one["value"] == pytest.approx(DIFFUSIVITY, rel=0.05)
    assert other["value"] == pytest.approx(one["value"], rel=0.05)
    assert other["std"] < one["std"] < 4 * other["std"], "slow decay needs a long window"


def test_hidden_parts_of_the_initial_state_are_estimated() -> None:
    frames = decaying_waves(0.0, 0)
    frames[::2, 0, 20:23] = torch.nan  # the same points of two initial states
    frames[3, 0, 9] = torch.nan
    hidden = torch.isnan(frames) | (torch.arange(32) < 8)
    values = torch.where(torch.arange(32) < 8, 99.0, frames)  # wrong values and NaN
    windows = [ObservationWindow(0, range(n, n + 13)) for n in range(0, len(frames) - 12, 12)]
    seen = ObservedSimulation({"u": values}, {"u": ~hidden})
    data = ObservedData(LINE, [FieldLayout("u")], [seen], windows, INTERVAL)
    found = diffusion(data, "estimate")["parameters"]["diffusivity"]
    assert found["value"] == pytest.approx(DIFFUSIVITY, rel=1e-3)
    assert found["determined"]


def test_estimated_states_need_a_minimization() -> None:
    data = Windows(decaying_waves(0.0, 0), LINE, 1, 1, INTERVAL)
    with pytest.raises(ConfigError, match="adam learns parameters only"):
        diffusion(data, "estimate", method="adam")


CHAOTIC = periodic_grid((36,), (36.0,))
CHAOTIC_NUMERICS = {"scheme": "spectral", "order": 4, "substeps": 3}
TRUTH = {"advection": 1.0, "second_order": 1.0, "fourth_order": 1.0}
GUESS = {"advection": 0.7, "second_order": 0.8, "fourth_order": 1.3}


def chaos(num_frames: int, noise: float) -> torch.Tensor:
    """Frames on the attractor ``[T, 1, 36]``, one per time unit, with standard deviation 1.2."""
    config = physical_config("KuramotoSivashinskyPDE", TRUTH, numerics=CHAOTIC_NUMERICS)
    model = KuramotoSivashinskyPDE(config)
    (x,) = coordinates(CHAOTIC)
    state = torch.cos(2 * np.pi * x / 36)[None] + 0.3 * torch.sin(6 * np.pi * x / 36)
    frames = [*model.rollout(state, CHAOTIC, 60 + num_frames, 1.0)][60:]
    drawn = torch.randn(num_frames, 1, 36, generator=torch.Generator().manual_seed(0)).double()
    return torch.stack(frames) + noise * drawn


def calibrate_chaos(num_frames: int, frames: torch.Tensor, **training: Any) -> dict[str, Any]:
    parameters = [{"name": n, "initial_guess": g, "bounds": [0.1, 3]} for n, g in GUESS.items()]
    config = physical_config(
        "KuramotoSivashinskyPDE",
        {},
        parameters,
        CHAOTIC_NUMERICS,
        check_discretization=False,
        **training,
    )
    model = KuramotoSivashinskyPDE(config)
    calibration = PhysicalTrainer(config, model, [torch.tensor(g) for g in GUESS.values()])
    result = calibration.train(Windows(frames, CHAOTIC, num_frames, num_frames, 1.0), 1)
    return result


# Errors grow by e in about ten time units: by more than four decades in 100.
DURATION, NOISE = 100, 0.012


def test_multiple_shooting_fits_chaotic_data() -> None:
    result = calibrate_chaos(5, chaos(DURATION + 1, NOISE), initial_state="estimate")
    assert result["status"] == "converged"
    assert result["loss"] < 1.2e-4, "(0.012 / 1.2)², the loss of the noise"
    for name, truth in TRUTH.items():
        found = result["parameters"][name]
        assert found["value"] == pytest.approx(truth, rel=5e-3)
        assert abs(found["value"] - truth) < 4 * found["std"]


def test_a_single_window_does_not_fit_chaotic_data() -> None:
    with warnings.catch_warnings():
        # It ends in a wrong minimum or at max_iterations.
        warnings.simplefilter("ignore", UserWarning)
        result = calibrate_chaos(DURATION, chaos(DURATION + 1, NOISE), max_iterations=4)
    assert result["loss"] > 2e-3, "solutions from a noisy initial state diverge from the data"
    scores = [
        abs(result["parameters"][name]["value"] - truth) / result["parameters"][name]["std"]
        for name, truth in TRUTH.items()
    ]
    assert max(scores) > 10
