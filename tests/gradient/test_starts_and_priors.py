"""Several starts, logarithmic scales and priors in cases where a plain calibration fails."""

from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.errors import DivergenceError
from hybrid_pde.training.physical import PhysicalTrainer
from tests.gradient.calibration_case import (
    EQUATIONS,
    GRIDS,
    TRUTH,
    Windows,
    simulate,
    trainer,
    windows,
)
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

SPECTRAL = {"scheme": "spectral", "order": 2, "substeps": 4}
LINE = periodic_grid((24,), (1.4,))
FAR = 0.5  # time of the only observed frame; the velocity 0.6 moves the waves by 0.3


def moved_waves() -> torch.Tensor:
    """Two closed-form frames of c_t + 0.6 c_x = 0.002 c_xx, ``[2, 1, 24]``."""
    (x,) = coordinates(LINE)
    frames = []
    for t in (0.0, FAR):
        total = torch.zeros_like(x)
        for mode, size in ((1, 0.2), (4, 1.0)):
            k = 2 * torch.pi * mode / 1.4
            total = total + size * np.exp(-0.002 * k**2 * t) * torch.sin(k * (x - 0.6 * t) + mode)
        frames.append(total[None])
    return torch.stack(frames)


def velocity_from(guess: float, seed: int = 0, **training: Any) -> dict[str, Any]:
    parameters = [{"name": "velocity", "initial_guess": [guess], "bounds": [0.0, 2.5]}]
    name, training = "AdvectionDiffusionPDE", {"check_discretization": False, **training}
    config = physical_config(name, {"diffusivity": 0.002}, parameters, SPECTRAL, **training)
    config["run_params"]["seed"] = seed
    calibration = PhysicalTrainer(config, EQUATIONS[name](config), [torch.tensor([guess])])
    return calibration.train(Windows(moved_waves(), LINE, num_frames=1, stride=1, dt=FAR), 1)


@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B"])
def test_several_starts_find_the_lowest_minimum(method: str) -> None:
    # A velocity error of 0.7 moves wave 4 by a whole wavelength, 0.35.
    alone = velocity_from(2.0, method=method)
    assert alone["status"] == "converged"
    assert abs(alone["parameters"]["velocity"]["value"][0] - 0.6) > 0.4
    assert alone["loss"] > 1e-3
    several = velocity_from(2.0, method=method, starts=12)
    assert several["parameters"]["velocity"]["value"] == pytest.approx([0.6], rel=1e-4)
    assert several["parameters"]["velocity"]["initial_guess"] == pytest.approx([2.0])


def test_starts_depend_only_on_the_seed() -> None:
    first, again, other = (velocity_from(2.0, seed, starts=6) for seed in (3, 3, 4))
    assert first["history"] == again["history"]
    assert first["parameters"] == again["parameters"]
    assert first["history"] != other["history"]
    assert first["history"][0] == other["history"][0], "the guess is the first start"


def test_a_diverging_start_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    def train(starts: int, lower: float) -> dict[str, Any]:
        guess = {"name": "viscosity", "initial_guess": 50.0, "bounds": [lower, 60.0]}
        calibration = trainer("BurgersPDE", [guess], {"substeps": 2, "order": 4}, starts=starts)
        return calibration.train(windows("BurgersPDE"), 1)

    with pytest.raises(DivergenceError, match="viscosity=50"):
        train(1, 40.0)
    with caplog.at_level("INFO"):
        found = train(4, 1e-3)
    assert found["parameters"]["viscosity"]["value"] == pytest.approx(0.02, rel=1e-2)
    assert any(record.message.endswith("of 4: diverged") for record in caplog.records)


LONG = periodic_grid((20,), (12.0,))


def long_waves() -> torch.Tensor:
    """Frames of u_t = 0.02 u_xx on a domain so long that hardly anything decays, ``[9, 1, 20]``."""
    (x,) = coordinates(LONG)
    k = 2 * torch.pi / 12
    times = torch.arange(9) * 0.5
    decay = [torch.exp(-0.02 * (m * k) ** 2 * times)[:, None] for m in (1, 2)]
    return (decay[0] * torch.sin(k * x) + 0.5 * decay[1] * torch.cos(2 * k * x))[:, None]


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B"])
def test_logarithmic_scale_spans_decades(factor: float, method: str) -> None:
    guess = 0.02 * factor
    parameters = [{"name": "diffusivity", "initial_guess": guess, "bounds": [1e-6, 1e3]}]
    config = physical_config(
        "AllenCahnPDE",
        {"reaction_rate": 0.0},
        parameters,
        SPECTRAL,
        check_discretization=False,
        method=method,
        abs_tol=1e-8,
    )
    calibration = PhysicalTrainer(config, EQUATIONS["AllenCahnPDE"](config), [torch.tensor(guess)])
    assert calibration.vector.is_log.all(), "auto: the bounds differ by a factor of 1e9"
    found = calibration.train(Windows(long_waves(), LONG, dt=0.5), 1)["parameters"]["diffusivity"]
    assert found["value"] == pytest.approx(0.02, rel=1e-3)
    assert found["bounds"] == pytest.approx([1e-6, 1e3])


def noisy_twins(level: float, seed: int) -> Windows:
    """Frames of Burgers' equation with noise, except in the initial frames of windows."""
    frames = simulate("BurgersPDE")
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed)).double()
    noise[::4] = 0.0
    return Windows(frames + level * noise, GRIDS["BurgersPDE"])


def viscosity(data: Windows, prior: tuple[float, float] | None = None, **more: Any) -> Any:
    parameter: dict[str, Any] = {"name": "viscosity", "initial_guess": 0.03, **more}
    if prior is not None:
        parameter["prior"] = {"mean": prior[0], "std": prior[1]}
    calibration = trainer("BurgersPDE", [parameter], {"order": 4, "substeps": 4})
    return calibration.train(data, 1)["parameters"]["viscosity"]


def test_standard_deviation_does_not_depend_on_the_scale() -> None:
    data = noisy_twins(1e-3, 0)
    linear = viscosity(data, scale="linear", bounds=[1e-3, 1.0])
    log = viscosity(data, scale="log", bounds=[1e-3, 1.0])
    assert log["value"] == pytest.approx(linear["value"], rel=1e-5)
    assert log["std"] == pytest.approx(linear["std"], rel=1e-3)


@pytest.mark.filterwarnings("ignore:the loss at the estimate is 1")
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_prior_determines_what_the_data_do_not(noise: float) -> None:
    frames = torch.full((9, 1, 20), 0.3, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    frames[1:4] += noise * torch.randn(3, 1, 20, generator=generator).double()
    found = viscosity(Windows(frames, GRIDS["BurgersPDE"]), (0.07, 0.004))
    assert found["determined"]
    assert found["value"] == pytest.approx(0.07, rel=1e-3)
    assert found["std"] == pytest.approx(0.004, rel=1e-3)


def test_prior_and_data_are_weighted_by_their_standard_deviations() -> None:
    data = noisy_twins(0.02, 1)
    alone = viscosity(data)
    shift = 2 * alone["std"]
    mean, std = alone["value"] + shift, alone["std"]
    between = viscosity(data, (mean, std))
    # Two equally good sources: their mean, with a standard deviation smaller by √2.
    assert between["value"] == pytest.approx(alone["value"] + shift / 2, abs=0.1 * shift)
    assert between["std"] == pytest.approx(alone["std"] / 2**0.5, rel=0.1)
    accurate = viscosity(noisy_twins(1e-4, 1), (0.04, 0.005))
    assert accurate["value"] == pytest.approx(TRUTH["BurgersPDE"]["viscosity"], rel=2e-3)


def test_priors_are_weighted_by_the_estimated_noise() -> None:
    parameter = {"name": "viscosity", "initial_guess": 0.03, "prior": {"mean": 0.04, "std": 0.002}}
    calibration = trainer("BurgersPDE", [parameter], {"order": 4, "substeps": 4})
    result = calibration.train(noisy_twins(0.02, 0), 1)
    assert result["status"] == "converged"
    objective = calibration.objective
    deviation = 0.02 / objective.observations.scale["u"]
    # 120 of 160 values are noisy, the mean of their squares varies by 13 %; the others are exact.
    assert objective.noise_variance == pytest.approx(0.75 * deviation**2, rel=0.4)
    before = objective.noise_variance
    objective.weigh_priors(objective.vector.read())
    assert objective.noise_variance == pytest.approx(before, rel=0.05)
