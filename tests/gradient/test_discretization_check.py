"""The reported discretization error of an estimate compared with its true error."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical import discretization_check
from hybrid_pde.training.physical.calibration_warnings import warn_of_shifts
from hybrid_pde.training.physical.refined_linearization import RefinedLinearization
from tests.gradient.calibration_case import DT, TRUTH, Windows, trainer
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

FINE, COARSE = (periodic_grid((points,), (0.7,)) for points in (64, 16))
SECOND, FOURTH = ({"scheme": "finite_difference", "order": order} for order in (2, 4))
SPECTRAL = {"scheme": "spectral"}


def start() -> torch.Tensor:
    (x,) = coordinates(FINE)
    k = 2 * np.pi / 0.7
    return (0.1 + 0.3 * torch.sin(k * x) + 0.1 * torch.cos(2 * k * x + 1))[None]


def coarsened(frames: torch.Tensor) -> torch.Tensor:
    """Fourier interpolation of frames ``[T, 1, 64]`` to the 16 cell centres of the coarse grid."""
    waves = torch.fft.rfft(frames) / 4
    # The first centre of the coarse grid is one and a half fine cells further along.
    shift = torch.exp(1j * 2 * np.pi * torch.arange(33) / 64 * 1.5)
    return torch.fft.irfft((waves * shift)[..., :9], n=16)


def data(numerics: dict[str, Any] | None = None) -> Windows:
    """Coarse frames of a resolved solution or (``numerics``) of a solver on the coarse grid."""
    model = BurgersPDE(physical_config("BurgersPDE", TRUTH["BurgersPDE"], [], numerics or SPECTRAL))
    if numerics is None:
        fine = torch.stack([start(), *model.rollout(start(), FINE, 8, DT)])
        return Windows(coarsened(fine).detach(), COARSE)
    first = coarsened(start())
    return Windows(torch.stack([first, *model.rollout(first, COARSE, 8, DT)]).detach(), COARSE)


def viscosity(source: Windows, numerics: dict[str, Any]) -> tuple[float, float]:
    """Error of the estimate and the reported ``discretization_error``."""
    parameters = [{"name": "viscosity", "initial_guess": 0.05}]
    calibration = trainer("BurgersPDE", parameters, numerics, check_discretization=True)
    before = calibration.model.discretization
    found = calibration.train(source, 1)["parameters"]["viscosity"]
    assert calibration.model.discretization == before
    return found["value"] - 0.02, found["discretization_error"]


def test_shift_is_minus_the_error() -> None:
    # An error of order p falls to 2⁻ᵖ on the finer grid: the shift is the difference.
    with pytest.warns(UserWarning, match=r"viscosity = 0\.02104 changes by −0\.00078.*refine: 2"):
        error, shift = viscosity(data(), SECOND)
    assert error > 5e-4
    assert shift == pytest.approx(-0.75 * error, rel=0.05)
    error, shift = viscosity(data(), FOURTH)
    assert error > 1e-4
    assert shift == pytest.approx(-0.9375 * error, rel=0.05)


def test_refinement_removes_the_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        coarse, _ = viscosity(data(), SECOND)
        fine, shift = viscosity(data(), {**SECOND, "refine": 2})
    assert fine == pytest.approx(coarse / 4, rel=0.05)
    assert shift == pytest.approx(-0.75 * fine, rel=0.05)


def test_resolved_data_raise_no_warning() -> None:
    error, shift = viscosity(data(), SPECTRAL)  # warnings are errors
    assert abs(error) < 1e-5
    assert abs(shift) < 1e-5


def test_data_of_the_same_coarse_scheme_raise_no_warning() -> None:
    error, shift = viscosity(data(SECOND), SECOND)  # warnings are errors
    assert abs(error) < 1e-9, "the scheme recovers the parameter of its own data"
    assert shift < -5e-4, "which differs from that of the equation"


@pytest.mark.parametrize("substeps", [1, 4], ids=["much more than rounding", "hardly more"])
def test_time_steps_are_the_discretization_error_of_data_of_the_same_grid(substeps: int) -> None:
    """Data with 64 steps a frame in single precision; the same scheme in space with few steps."""
    frames = data({**SECOND, "substeps": 64}).frames.float().double()
    parameters = [{"name": "viscosity", "initial_guess": 0.05}]
    few = {**SECOND, "substeps": substeps}
    calibration = trainer("BurgersPDE", parameters, few, check_discretization=True)
    found = calibration.train(Windows(frames, COARSE), 1)["parameters"]["viscosity"]
    error = found["value"] - 0.02
    assert error < 0
    assert found["uncertainty_parts"]["discretization"] == pytest.approx(-error, rel=0.2)
    lower, upper = found["interval_90"]
    assert lower < 0.02 < upper < 0.02 + 0.5 * abs(error)


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
@pytest.mark.parametrize("numerics", [SECOND, None], ids=["of the used grid", "resolved"])
def test_the_grid_of_noisy_data_is_found_where_states_are_estimated(
    numerics: dict[str, Any] | None,
) -> None:
    """The shift is far larger than what noise does; regression tells whether it counts."""
    source = data(numerics)
    errors = torch.randn(source.frames.shape, generator=torch.Generator().manual_seed(1)).double()
    noisy = Windows(source.frames + 2e-4 * source.frames.std() * errors, COARSE, 8, 8)
    parameters = [{"name": "viscosity", "initial_guess": 0.03}]
    settings = {"check_discretization": True, "initial_state": "estimate"}
    calibration = trainer("BurgersPDE", parameters, SECOND, **settings)
    found = calibration.train(noisy, 1)["parameters"]["viscosity"]
    shift, part = found["discretization_error"], found["uncertainty_parts"]["discretization"]
    assert abs(shift) > 10 * found["std"]
    lower, upper = found["interval_90"]
    assert lower < 0.02 < upper
    if numerics is None:
        assert found["value"] + shift == pytest.approx(0.02, abs=0.4 * abs(shift))
        assert part == pytest.approx(abs(shift), rel=0.2)
    else:
        assert found["value"] == pytest.approx(0.02, abs=3 * found["uncertainty"])
        assert part < 0.1 * abs(shift)


def test_a_shift_below_the_tolerance_is_resolved() -> None:
    """Order 4 with 64 points: the shift is 1e-5 of the viscosity, a hundredth of the tolerance."""
    model = BurgersPDE(physical_config("BurgersPDE", TRUTH["BurgersPDE"], [], SPECTRAL))
    frames = torch.stack([start(), *model.rollout(start(), FINE, 8, DT)]).detach()
    error, shift = viscosity(Windows(frames, FINE), FOURTH)
    assert 0 < abs(error) < 1e-4 * 0.02
    assert shift == pytest.approx(-0.9375 * error, rel=0.1)


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_no_shift_of_a_parameter_on_its_bound_or_without_influence() -> None:
    bounded = [{"name": "viscosity", "initial_guess": 0.05, "bounds": [0.04, 0.1]}]
    found = trainer("BurgersPDE", bounded, SECOND, check_discretization=True).train(data(), 1)
    assert found["parameters"]["viscosity"]["value"] == pytest.approx(0.04)
    assert found["parameters"]["viscosity"]["discretization_error"] is None
    uniform = Windows(torch.full((9, 1, 16), 0.3, dtype=torch.float64), COARSE)
    free = [{"name": "viscosity", "initial_guess": 0.05}]
    found = trainer("BurgersPDE", free, SECOND, check_discretization=True).train(uniform, 1)
    assert found["parameters"]["viscosity"]["value"] is None
    assert found["parameters"]["viscosity"]["discretization_error"] is None


def test_wrong_derivatives_give_the_shift_of_the_finer_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Steps that do not contract are replaced by those of the finer grid's own derivatives."""
    _, expected = viscosity(data(), FOURTH)
    original = discretization_check.linearize_refined

    def misled(*arguments: Any) -> RefinedLinearization:
        found = original(*arguments)
        wrong = replace(found.finer, jacobian=0.2 * found.finer.jacobian)
        return replace(found, finer=wrong)

    monkeypatch.setattr(discretization_check, "linearize_refined", misled)
    _, shift = viscosity(data(), FOURTH)
    assert shift == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("shift", "warns"), [([5.7e-8, -2.5e-9], False), ([5e-3, 0.0], True)])
def test_a_component_next_to_nothing_is_compared_with_the_others(shift, warns) -> None:
    found = {"buoyancy": {"value": [-1e-10, 0.5], "std": [6.8e-11, 8.4e-11]}}
    found["buoyancy"]["discretization_error"] = shift
    used = Discretization("finite_difference", 4)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        warn_of_shifts(found, used)
    assert bool(given) == warns
