"""Forward- and reverse-mode derivatives of the loss against central differences."""

import numpy as np
import pytest
import torch

from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.observed_fields import observed_fields
from tests.gradient.calibration_case import DT, EQUATIONS, learnable, trainer, windows


@pytest.fixture(params=[(name, order) for name in EQUATIONS for order in (4, None)], ids=str)
def objective(request):
    name, order = request.param
    # Fixed substeps: an adaptive number jumps with the parameters, which spoils differences.
    scheme = "spectral" if order is None else "finite_difference"
    numerics = {"scheme": scheme, "order": order, "substeps": 8}
    calibration = trainer(name, learnable(name), numerics)
    observations = Observations(observed_fields(windows(name), calibration.model.spec))
    return Objective(calibration.model, observations, calibration.vector, DT)


def central_difference(objective: Objective, z: np.ndarray) -> np.ndarray:
    gradient = np.zeros_like(z)
    for entry in range(len(z)):
        step = np.zeros_like(z)
        step[entry] = 1e-5
        plus, minus = (whole_residual(objective, z + sign * step) for sign in (1, -1))
        gradient[entry] = (plus @ plus - minus @ minus) / len(plus) / 2e-5
    return gradient


def test_derivatives_of_the_loss(objective):
    z = objective.vector.read()
    expected = central_difference(objective, z)
    assert np.all(np.abs(expected) > 1e-6)
    at = objective.linearize(z)
    forward = 2 * at.jacobian.T @ at.residual / objective.observations.num_values
    loss, reverse = objective.loss_and_gradient(z)
    assert loss == pytest.approx(at.loss, rel=1e-12)
    np.testing.assert_allclose(forward, expected, rtol=1e-6)
    np.testing.assert_allclose(reverse, expected, rtol=1e-6)


def test_compressed_jacobian_has_the_inner_products_of_the_whole(objective):
    z = objective.vector.read()
    at = objective.linearize(z)
    columns = []
    for sign in (1, -1):
        for entry in range(len(z)):
            shifted = z.copy()
            shifted[entry] += sign * 1e-5
            columns.append(whole_residual(objective, shifted))
    half = len(z)
    jacobian = np.stack(
        [(a - b) / 2e-5 for a, b in zip(columns[:half], columns[half:], strict=True)], axis=1
    )
    np.testing.assert_allclose(
        at.jacobian.T @ at.jacobian, jacobian.T @ jacobian, rtol=1e-6, atol=1e-7
    )


def whole_residual(objective: Objective, z: np.ndarray) -> np.ndarray:
    """The residual vector from a loop over the windows, which do not overlap."""
    observations, parts = objective.observations, []
    for number, window in enumerate(observations.windows):
        frames = objective.model.rollout(
            observations.initial([number]),
            observations.grid,
            window.num_frames,
            DT,
            objective.vector.decode(torch.from_numpy(z)),
        )
        for frame, state in enumerate(frames):
            target = observations.target([number], frame, "u")
            parts.append(((state["u"] - target) / observations.scale["u"]).flatten().numpy())
    return np.concatenate(parts)
