"""Calibrations from guesses that are zero, or off by orders of magnitude."""

from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.models.physical import DiffusionPDE, GrayScottPDE
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical import PhysicalTrainer
from hybrid_pde.training.physical.convergence import full_step
from hybrid_pde.training.physical.linearization import Linearization
from tests.gradient.calibration_case import TRUTH, Windows, learnable, trainer, windows
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

LINE = periodic_grid((16,), (0.7,))
SPECTRAL = {"scheme": "spectral"}


def step_at(z: list[float], jacobian: Any, residual: Any, lower: float = -np.inf) -> Any:
    at = Linearization(
        np.array(z),
        np.array(jacobian, dtype=float),
        np.array(residual, dtype=float),
        float(np.sum(np.square(residual))) / 100,
    )
    bounds = np.full(len(z), lower), np.full(len(z), np.inf)
    return full_step(at, bounds, np.abs(at.z), 100)


def test_only_a_short_or_useless_full_step_is_a_minimum() -> None:
    far = step_at([1e-8], [[1.0], [0.0]], [-1.0, 0.1])
    assert far.step == pytest.approx([1.0])
    assert far.gain == pytest.approx(1 / 1.01)
    assert not far.is_negligible(1e-6) and far.is_large
    assert step_at([1.0], [[1.0], [0.0]], [1e-7, 0.1]).is_negligible(1e-6)
    orthogonal = step_at([0.0], [[1.0], [0.0]], [0.0, 1.0])
    assert orthogonal.gain == 0 and orthogonal.is_negligible(1e-6)


def test_the_full_step_stays_within_the_bounds() -> None:
    """At its bound the first parameter cannot move: the second one takes the whole step."""
    step = step_at([0.0, 1.0], [[1.0, 0.5], [0.0, 1.0]], [1.0, -1.0], lower=0.0)
    # minimizes (1 + s/2)² + (s − 1)² over s ≥ −1
    assert step.step == pytest.approx([0.0, 0.4])
    assert step_at([0.0], [[1.0]], [1.0], lower=0.0).is_negligible(1e-6)


def number(value: float) -> list[torch.Tensor]:
    return [torch.tensor(value, dtype=torch.float64)]


def decaying_waves(diffusivity: float = 0.02, dt: float = 0.05) -> Windows:
    """Closed-form frames of u_t = κ u_xx, exact for the spectral scheme."""
    (x,) = coordinates(LINE)
    k = 2 * torch.pi / 0.7
    times = torch.arange(9).double()[:, None] * dt
    waves = torch.exp(-diffusivity * k**2 * times) * torch.sin(k * x)
    waves = waves + 0.5 * torch.exp(-4 * diffusivity * k**2 * times) * torch.cos(2 * k * x)
    return Windows(waves[:, None], LINE, dt=dt)


def diffusivity(source: Windows, guess: float, **options: Any) -> dict[str, Any]:
    parameters = [{"name": "diffusivity", "initial_guess": guess, **options.pop("entry", {})}]
    settings = {"check_discretization": False, **options}
    config = physical_config("DiffusionPDE", {}, parameters, SPECTRAL, **settings)
    calibration = PhysicalTrainer(config, DiffusionPDE(config), number(guess))
    return calibration.train(source, 1)


@pytest.mark.parametrize("guess", [0.0, 1e-7, 2e4])
@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B"])
def test_the_guess_may_be_zero_tiny_or_huge(guess: float, method: str) -> None:
    result = diffusivity(decaying_waves(), guess, method=method)
    assert result["status"] == "converged"
    assert result["parameters"]["diffusivity"]["value"] == pytest.approx(0.02, rel=1e-5)
    assert result["parameters"]["diffusivity"]["initial_guess"] == guess
    assert result["history"][0]["diffusivity"] == guess


@pytest.mark.filterwarnings("default::hybrid_pde.result_warnings.ResultWarning")  # more of them
def test_a_guess_whose_bounds_exclude_the_solution_is_no_estimate() -> None:
    with pytest.warns(
        UserWarning,
        match=r"stalled \(diffusivity = .*; initial guess diffusivity = 1e\+05\): the solution "
        "decays within one frame and no longer depends on diffusivity: the guess is too large",
    ):
        result = diffusivity(decaying_waves(), 1e5, entry={"bounds": [9e4, 2e5]})
    assert result["status"] == "stalled"
    assert result["loss"] > 0.5
    assert not result["parameters"]["diffusivity"]["determined"]


def test_small_steps_of_a_small_learning_rate_are_no_convergence() -> None:
    with pytest.warns(UserWarning, match="learning_rate: 1e-09: the steps of adam"):
        slow = diffusivity(decaying_waves(), 0.05, method="adam", learning_rate=1e-9)
    assert slow["status"] == "max_iterations"
    assert slow["parameters"]["diffusivity"]["value"] == pytest.approx(0.05)


def test_a_perfect_fit_ends_the_search_of_several_starts() -> None:
    source = decaying_waves()
    options = {"entry": {"bounds": [0.001, 0.09]}}
    alone = diffusivity(source, 0.03, **options)
    several = diffusivity(source, 0.03, starts=6, entry={"bounds": [0.001, 0.09]})
    assert several["iterations"] <= 2 * alone["iterations"]
    assert several["parameters"]["diffusivity"]["value"] == pytest.approx(0.02, rel=1e-8)


def test_an_overflowing_logarithm_is_a_divergence_without_a_numpy_warning() -> None:
    config = physical_config(
        "DiffusionPDE",
        {},
        [{"name": "diffusivity", "initial_guess": 0.02, "bounds": [1e-6, None], "scale": "log"}],
        SPECTRAL,
    )
    calibration = PhysicalTrainer(config, DiffusionPDE(config), number(0.02))
    assert calibration.vector.values(np.array([1e4])) == np.inf  # warnings are errors
    assert calibration.vector.slopes(np.array([1e4])) == np.inf


def test_all_guesses_are_too_large_to_be_solved() -> None:
    """As long as one parameter is too large, the solution diverges for any value of the other."""
    guess = {"diffusivity": 3e6, "reaction_rate": 1e6}
    parameters = [{"name": name, "initial_guess": value} for name, value in guess.items()]
    result = trainer("AllenCahnPDE", parameters).train(windows("AllenCahnPDE"), 1)
    assert result["status"] == "converged"
    for name, truth in TRUTH["AllenCahnPDE"].items():
        assert result["parameters"][name]["value"] == pytest.approx(truth, rel=1e-5)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "guess",
    [
        {"viscosity": 1e-8, "advection": 0.4},
        {"viscosity": 200.0, "advection": 0.4},
        {"viscosity": 0.05, "advection": -4e3},
    ],
)
def test_one_of_two_guesses_is_off_by_orders_of_magnitude(guess: dict[str, float]) -> None:
    parameters = [{"name": name, "initial_guess": value} for name, value in guess.items()]
    result = trainer("BurgersPDE", parameters).train(windows("BurgersPDE"), 1)
    assert result["status"] == "converged"
    for name, truth in TRUTH["BurgersPDE"].items():
        assert result["parameters"][name]["value"] == pytest.approx(truth, rel=1e-5)


@pytest.mark.nightly
@pytest.mark.parametrize("velocity", [[0.0, 0.0], [-6.0, 3.0], [60.0, 60.0]])
def test_the_velocity_is_zero_or_of_the_wrong_sign(velocity: list[float]) -> None:
    parameters = learnable("AdvectionDiffusionPDE", ["diffusivity"])
    parameters.append({"name": "velocity", "initial_guess": velocity})
    result = trainer("AdvectionDiffusionPDE", parameters).train(windows("AdvectionDiffusionPDE"), 1)
    assert result["status"] == "converged"
    assert result["parameters"]["velocity"]["value"] == pytest.approx([0.6, -0.3], rel=1e-5)


class Species(Windows):
    """Windows of two fields ``[T, 2, X]``, a and b."""

    def __iter__(self) -> Any:
        both = (
            Windows(self.frames[:, [c]], self.grid, self.num_frames, self.stride, self.dt)
            for c in (0, 1)
        )
        for (a, later_a), (b, later_b) in zip(*both, strict=True):
            yield {"a": a["u"], "b": b["u"]}, {"a": later_a["u"], "b": later_b["u"]}


def spots(kind: type[PhysicalModel]) -> Species:
    """Frames of a Gray-Scott pattern in one dimension."""
    grid = periodic_grid((32,), (2.5,))
    (x,) = coordinates(grid)
    spot = torch.exp(-(((x - 1.2) / 0.15) ** 2))[None]
    state = {"a": 1 - 0.5 * spot, "b": 0.25 * spot}
    truth = {"feed": 0.04, "kill": 0.06, "diffusivity_a": 2e-3, "diffusivity_b": 1e-3}
    model = kind(physical_config("GrayScottPDE", truth))
    frames = [state, *model.rollout(state, grid, 12, 5.0)]
    return Species(
        torch.stack([torch.cat([f["a"], f["b"]]) for f in frames]).detach(), grid, dt=5.0
    )


@pytest.mark.nightly
@pytest.mark.parametrize("feed", [0.0, 4.0, 4e-6])
def test_the_feed_rate_of_gray_scott_is_far_off(feed: float) -> None:
    source = spots(GrayScottPDE)
    known = {"kill": 0.06, "diffusivity_a": 2e-3, "diffusivity_b": 1e-3}
    parameters = [{"name": "feed", "initial_guess": feed}]
    config = physical_config("GrayScottPDE", known, parameters, check_discretization=False)
    calibration = PhysicalTrainer(config, GrayScottPDE(config), number(feed))
    result = calibration.train(source, 1)
    assert result["status"] == "converged"
    assert result["parameters"]["feed"]["value"] == pytest.approx(0.04, rel=1e-4)


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_a_field_of_another_magnitude_is_smoothed_as_from_a_good_guess() -> None:
    (x,) = coordinates(LINE)
    model = DiffusionPDE(physical_config("DiffusionPDE", {"diffusivity": 0.02}))
    truth = 0.02 * (1 + 0.5 * torch.sin(2 * torch.pi * x / 0.7))
    model.set_parameters({"diffusivity": truth})
    start = (torch.sin(2 * torch.pi * x / 0.7) + 0.5 * torch.cos(4 * torch.pi * x / 0.7 + 1))[None]
    frames = torch.stack([start, *model.rollout(start, LINE, 8, 0.02)]).detach()

    def field(guess: float) -> np.ndarray:
        entry = {"name": "diffusivity", "initial_guess": guess, "parametrization": {"type": "grid"}}
        config = physical_config("DiffusionPDE", {}, [entry], check_discretization=False)
        calibration = PhysicalTrainer(config, DiffusionPDE(config), number(guess))
        return calibration.train(Windows(frames, LINE, dt=0.02), 1)["fields"]["diffusivity"]

    near = field(0.02)
    assert near == pytest.approx(truth.numpy(), rel=5e-2)
    # the penalty follows the magnitude of the estimate, not its value
    assert field(2e-6) == pytest.approx(near, rel=3e-2)
