"""Fits that start on a coarser grid: the full grid's minimum with fewer full-grid derivatives."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hybrid_pde.training.physical import PhysicalTrainer, coarse_start
from hybrid_pde.training.physical.coarse_start import minimize_on_coarse_grid, on_coarse_grid
from hybrid_pde.training.physical.minimization import gauss_newton
from hybrid_pde.training.physical.minimum import (
    Minimum,
)
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.observed_windows import observed
from tests.gradient.test_field_calibration import BUMP, DT, GAUSSIANS, diffused, trainer_of

# Amplitude, centre and width of BUMP.
TRUTH = np.array([0.05, 0.6 * 0.7 - 0.2, 0.15])


@pytest.fixture
def everything_is_costly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_start, "_COSTLY_SIZE", 0)
    monkeypatch.setattr(coarse_start, "_SMALLEST_NUM_POINTS", 10)


@pytest.fixture
def full_linearizations(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Points at which derivatives were computed on the full grid."""
    found: list[np.ndarray] = []
    linearize = Objective._linearize

    def counted(self: Objective, unknowns: np.ndarray) -> object:
        if self.model.discretization.coarsen == 1:
            found.append(np.array(unknowns))
        return linearize(self, unknowns)

    monkeypatch.setattr(Objective, "_linearize", counted)
    return found


def objective_of(trainer: PhysicalTrainer) -> Objective:
    model, data = trainer.model, observed(diffused(BUMP), trainer.model.spec)
    estimate = trainer.settings.initial_state == "estimate"
    return Objective(model, Observations(data), trainer.vector.on(data.grid), DT, estimate)


@pytest.mark.usefixtures("everything_is_costly")
def test_calibration_needs_few_derivatives_on_the_full_grid(
    full_linearizations: list[np.ndarray],
) -> None:
    result = trainer_of(GAUSSIANS).train(diffused(BUMP), 1)
    value = result["parameters"]["diffusivity"]["value"]
    assert result["status"] == "converged"
    assert value["amplitude"] == pytest.approx([0.05], rel=1e-5)
    assert value["centre"] == [pytest.approx([TRUTH[1]], rel=1e-5)]
    assert value["width"] == pytest.approx([0.15], rel=1e-5)
    assert len({tuple(z) for z in full_linearizations}) <= 2


def test_cheap_problems_stay_on_the_full_grid(full_linearizations: list[np.ndarray]) -> None:
    trainer = trainer_of(GAUSSIANS)
    assert on_coarse_grid(objective_of(trainer)) is None
    trainer.train(diffused(BUMP), 1)
    assert len({tuple(z) for z in full_linearizations}) > 4


@pytest.mark.usefixtures("everything_is_costly")
def test_correction_closes_the_gap_to_the_full_grid() -> None:
    objective = objective_of(trainer_of(GAUSSIANS))
    corrected = on_coarse_grid(objective)
    assert corrected is not None
    truth, start = TRUTH / objective.vector.scale, objective.vector.start
    off = gauss_newton(corrected, start, 30, 1e-8).z
    assert np.abs(off / truth - 1).max() > 0.01  # ten points have a different minimum
    assert corrected.linearize(truth).loss > 1e-5
    for z in (start, truth):
        assert corrected.correct(z) == pytest.approx(objective.loss(z), rel=1e-9, abs=1e-15)
    near = truth * (1 + 1e-3)
    assert corrected.linearize(near).loss == pytest.approx(objective.loss(near), rel=0.2)
    assert objective.model.discretization.coarsen == 1


@pytest.mark.usefixtures("everything_is_costly")
def test_coarse_iterations_reach_the_minimum_of_the_full_grid() -> None:
    objective = objective_of(trainer_of(GAUSSIANS))
    corrected = on_coarse_grid(objective)
    assert corrected is not None
    met = minimize_on_coarse_grid(corrected, objective.vector.start, 30, 1e-8)
    np.testing.assert_allclose(met.z, TRUTH / objective.vector.scale, rtol=1e-6)
    assert met.loss == pytest.approx(objective.loss(met.z), abs=1e-12)
    losses = [loss for _, loss in met.history]
    assert 3 < len(losses) < 15 and losses[0] > 1e6 * met.loss


def overshooting(factor: float) -> Callable[..., Minimum]:
    """A minimization whose step is ``factor`` times too long."""

    def minimize(objective: Objective, z: np.ndarray, *options: float) -> Minimum:
        found = gauss_newton(objective, z, *options)
        return Minimum(z + factor * (found.z - z), found.loss)

    return minimize


@pytest.mark.usefixtures("everything_is_costly")
def test_overshooting_steps_are_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = objective_of(trainer_of(GAUSSIANS))
    corrected = on_coarse_grid(objective)
    assert corrected is not None
    start = 1.05 * TRUTH / objective.vector.scale
    monkeypatch.setattr(coarse_start, "gauss_newton", overshooting(2.5))
    met = minimize_on_coarse_grid(corrected, start, 30, 1e-8)
    losses = [loss for _, loss in met.history]
    assert max(losses) > losses[0]  # overshoots
    assert met.loss == min(losses) < 1e-2 * losses[0]
    monkeypatch.setattr(coarse_start, "gauss_newton", overshooting(-1.0))
    away = minimize_on_coarse_grid(corrected, start, 30, 1e-8)
    np.testing.assert_array_equal(away.z, start)  # uphill steps: never worse than the start


def test_other_schemes_have_no_coarse_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_start, "_COSTLY_SIZE", 0)
    objective = objective_of(trainer_of(GAUSSIANS))
    assert on_coarse_grid(objective) is None  # too few points
    monkeypatch.setattr(coarse_start, "_SMALLEST_NUM_POINTS", 10)
    assert on_coarse_grid(objective) is not None
    estimated = objective_of(trainer_of(GAUSSIANS, initial_state="estimate"))
    assert on_coarse_grid(estimated) is None  # the states are on the full grid


def test_a_diverged_trial_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_start, "_COSTLY_SIZE", 0)
    monkeypatch.setattr(coarse_start, "_SMALLEST_NUM_POINTS", 10)
    objective = objective_of(trainer_of(GAUSSIANS))
    corrected = on_coarse_grid(objective)
    assert corrected is not None
    start = objective.vector.start

    def runs_away(given: Objective, z: np.ndarray, *options: float) -> Minimum:
        return Minimum(np.array([1e9, *z[1:]]), 0.0)

    monkeypatch.setattr(coarse_start, "gauss_newton", runs_away)
    with torch.no_grad():
        met = minimize_on_coarse_grid(corrected, start, 30, 1e-8)
    np.testing.assert_array_equal(met.z, start)
    assert met.history[1][1] == np.inf
