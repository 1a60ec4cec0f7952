"""The last step of a fit, and the residuals and derivatives that are collected on the way."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.training.physical import PhysicalTrainer, frame_arrays, minimization
from hybrid_pde.training.physical.final_step import _is_negligible, after_final_step
from hybrid_pde.training.physical.frame_arrays import EndArrays, Sensitivities
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.observed_windows import observed
from hybrid_pde.training.physical.refined_linearization import linearize_refined
from hybrid_pde.training.physical.residual_arrays import residual_arrays, residuals_of_end
from hybrid_pde.training.physical.residuals import Residuals
from tests.gradient.calibration_case import (
    DT,
    FD4,
    GRIDS,
    Windows,
    learnable,
    simulate,
    trainer,
    windows,
)
from tests.physics.periodic_box import physical_config

FEW_VALUES = 20 * 4 * 3 * 2  # two of four windows with two parameters


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


def noisy(**options: int) -> Windows:
    """Windows that share frames, unless others are asked for, with 0.1 % noise."""
    found = windows("BurgersPDE", **{"stride": 2, **options})
    noise = torch.randn(found.frames.shape, generator=torch.Generator().manual_seed(0))
    found.frames = found.frames + 1e-3 * noise.double()
    return found


def objective(**options: int) -> Objective:
    calibration = trainer("BurgersPDE", learnable("BurgersPDE"))
    model = calibration.model
    model.precision = "double"
    return Objective(
        model, Observations(observed(noisy(**options), model.spec)), calibration.vector, DT
    )


def near_minimum(misfit: Objective) -> np.ndarray:
    return minimization.gauss_newton(misfit, misfit.start, 20, 1e-3).z


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_a_fit_needs_one_linearization_less_for_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts, results = [0, 0], []
    linearize = Objective._linearize
    for run in range(2):

        def counted(self: Objective, z: np.ndarray, run: int = run) -> object:
            counts[run] += 1
            return linearize(self, z)

        monkeypatch.setattr(Objective, "_linearize", counted)
        calibration = trainer("BurgersPDE", learnable("BurgersPDE"))
        results.append(calibration.train(noisy(), 1))
        monkeypatch.setattr(minimization, "after_final_step", lambda *_: None)
    assert counts[0] < counts[1]
    first, second = results
    assert first["status"] == second["status"] == "converged"
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-9)
    for name, parameter in first["parameters"].items():
        other = second["parameters"][name]
        assert abs(parameter["value"] - other["value"]) < 1e-3 * other["uncertainty"]
        for key in ("std", "uncertainty"):
            assert parameter[key] == pytest.approx(other[key], rel=1e-3)


@pytest.mark.parametrize("num_frames", [4, 2])  # with two, windows share no frames
@pytest.mark.parametrize("values", [frame_arrays.MAX_VALUES, FEW_VALUES, 20 * 2 * 2 * 3])
def test_the_end_has_the_residuals_of_a_rollout(
    monkeypatch: pytest.MonkeyPatch, values: int, num_frames: int
) -> None:
    misfit = objective(num_frames=num_frames)
    z = near_minimum(misfit)
    monkeypatch.setattr(frame_arrays, "MAX_VALUES", values)
    misfit = objective(num_frames=num_frames)
    end = after_final_step(misfit, misfit.linearize(z), 1e-4 * np.ones(2), 0.0)
    if end is None:
        assert values < FEW_VALUES and num_frames == 4  # one whole window
        return
    misfit.reuse(end)
    assert isinstance(end.arrays, EndArrays)
    pairs = [
        (residuals_of_end(misfit, end.z), residual_arrays(misfit, end.z)),
        ([each.residuals for each in end.arrays.windows], residual_arrays(misfit, end.z, 3)),
    ]
    for found, rolled in pairs:
        for one, other in zip(found, rolled, strict=True):
            np.testing.assert_allclose(one.values, other.values, rtol=0, atol=1e-13)
    # A step of up to 1 % leaves an error of its square.
    assert end.loss == pytest.approx(objective(num_frames=num_frames).loss(end.z), rel=1e-3)


def test_a_long_step_is_followed_by_a_linearization() -> None:
    misfit = objective()
    assert after_final_step(misfit, misfit.linearize(misfit.start), 1e-7 * np.ones(2), 0.0) is None


def test_the_following_step_decides() -> None:
    slopes = np.ones((1, 1, 1, 8))
    before = [Sensitivities(Residuals(np.zeros((1, 1, 8))), slopes)]
    step = np.array([0.5])
    for error, negligible in ((1e-3, True), (1e-1, False)):
        after = [Residuals(np.full((1, 1, 8), 0.5 + error))]  # the next step is minus the error
        assert _is_negligible(before, after, step, np.array([1e-2]), 0.0) == negligible
    # The same error is negligible where it changes the sum of squares by less than one half.
    assert _is_negligible(before, after, step, np.array([1e-2]), 0.5)


@pytest.mark.parametrize("values", [frame_arrays.MAX_VALUES, FEW_VALUES])
def test_collected_arrays_are_those_of_rollouts(
    monkeypatch: pytest.MonkeyPatch, values: int
) -> None:
    monkeypatch.setattr(frame_arrays, "MAX_VALUES", values)
    misfit, step = objective(), 1e-6
    z = misfit.start
    found = misfit.sensitivities(z)
    assert len(found) == (3 if values > FEW_VALUES else 2)
    rolled = residual_arrays(misfit, z, 3)
    for entry in range(2):
        shift = step * np.eye(2)[entry]
        above, below = (residual_arrays(misfit, z + sign * shift, 3) for sign in (1, -1))
        for each, same, high, low in zip(found, rolled, above, below, strict=True):
            np.testing.assert_allclose(each.residuals.values, same.values, rtol=0, atol=1e-12)
            difference = (high.values - low.values) / (2 * step)
            np.testing.assert_allclose(each.slopes[entry], difference, rtol=1e-5, atol=1e-7)


def test_a_finer_residual_uses_the_collected_derivatives() -> None:
    misfit, other = objective(), objective()
    z = misfit.start
    misfit.linearize(z)
    finer = Discretization("finite_difference", 6)
    products = []
    for each in (misfit, other):
        at = linearize_refined(each, z, finer, 1.1 * z).finer
        columns = np.column_stack([at.jacobian, at.residual])
        products.append(columns.T @ columns)
    np.testing.assert_allclose(products[0], products[1], rtol=1e-10)


def test_the_beginning_of_a_window_does_not_stand_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    misfit = objective()
    at = misfit.linearize(near_minimum(misfit))
    limits = 1e-5 * np.ones(2), 0.0
    assert after_final_step(misfit, at, *limits) is not None
    for values in (FEW_VALUES, 20 * 3 * 3):  # two whole windows; three frames of one
        monkeypatch.setattr(frame_arrays, "MAX_VALUES", values)
        few = objective()
        found = after_final_step(few, few.linearize(at.z), *limits)
        assert (found is None) == (values < FEW_VALUES)


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
def test_hidden_structure_does_not_depend_on_the_number_of_windows_that_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = learnable("BurgersPDE", ["viscosity"])
    wrong = {"viscosity": 0.02, "advection": 0.9}
    config = physical_config("BurgersPDE", wrong, parameters, FD4, check_discretization=False)
    data = Windows(simulate("BurgersPDE", 24), GRIDS["BurgersPDE"], num_frames=3, stride=3)
    found = []
    for windows_kept in (8, 2):
        monkeypatch.setattr(frame_arrays, "_ENOUGH_VALUES", 1)
        monkeypatch.setattr(frame_arrays, "_ENOUGH_WINDOWS", windows_kept)
        guess = torch.tensor(parameters[0]["initial_guess"], dtype=torch.float64)
        result = PhysicalTrainer(config, BurgersPDE(config), [guess]).train(data, 1)
        found.append(result["parameters"]["viscosity"]["uncertainty_parts"]["noise"])
    assert found[1] == pytest.approx(found[0], rel=0.2)  # not half of it
