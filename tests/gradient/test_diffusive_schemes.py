"""Calibration with semi-Lagrangian schemes and warnings about their numerical diffusion."""

from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.numerics.semi_lagrangian import numerical_diffusivity
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.observed_fields import observed_fields
from tests.gradient.calibration_case import (
    DT,
    EQUATIONS,
    GRIDS,
    TRUTH,
    Windows,
    learnable,
    start_of,
    trainer,
    windows,
)
from tests.physics.periodic_box import physical_config

# Their numerical diffusion spoils the fit, of which other warnings tell.
pytestmark = pytest.mark.filterwarnings("ignore:(the residuals|the loss|viscosity|diffusivity) ")

SCHEMES = ["semi_lagrangian", "mac_cormack"]
NAMES = ["BurgersPDE", "AdvectionDiffusionPDE"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", NAMES)
def test_derivatives_by_differences_and_in_reverse_agree(name: str, scheme: str) -> None:
    calibration = trainer(name, learnable(name), {"scheme": scheme, "substeps": 6})
    observations = Observations(observed_fields(windows(name), calibration.model.spec))
    vector = calibration.vector.on(observations.grid)
    objective = Objective(calibration.model, observations, vector, DT)
    z = vector.read()
    at = objective.linearize(z)
    jacobian = 2 * at.jacobian.T @ at.residual / objective.num_values
    loss, reverse = objective.loss_and_gradient(z)
    assert loss == pytest.approx(at.loss, rel=1e-12)
    for entry in range(len(z)):
        step = 1e-6 * np.eye(len(z))[entry]
        above, below = (objective.linearize(z + sign * step).loss for sign in (1, -1))
        expected = (above - below) / 2e-6
        # The interpolation has kinks; a difference across one has an error of its step size.
        assert jacobian[entry] == pytest.approx(expected, rel=1e-4)
        assert reverse[entry] == pytest.approx(expected, rel=1e-4)


def calibrate(name: str, parameter: str, scheme: str, data: Windows) -> dict[str, Any]:
    numerics = {"scheme": scheme, "substeps": 4}
    with pytest.warns(UserWarning, match=rf"numerics\.scheme: {scheme} .*estimate of {parameter}"):
        result = trainer(name, learnable(name, [parameter]), numerics).train(data, 1)
    return result["parameters"][parameter]


def test_semi_lagrangian_mistakes_numerical_for_physical_diffusion() -> None:
    own, corrected = (
        calibrate("BurgersPDE", "viscosity", scheme, windows("BurgersPDE"))["value"]
        for scheme in SCHEMES
    )
    assert own < 0.9 * TRUTH["BurgersPDE"]["viscosity"]
    assert own < corrected < 1.02 * TRUTH["BurgersPDE"]["viscosity"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_data_of_the_same_scheme_are_fitted(scheme: str) -> None:
    name = "AdvectionDiffusionPDE"
    numerics = {"scheme": scheme, "substeps": 4}
    maker = EQUATIONS[name](physical_config(name, TRUTH[name], [], numerics))
    frames = torch.stack([start_of(name), *maker.rollout(start_of(name), GRIDS[name], 8, DT)])
    found = calibrate(name, "diffusivity", scheme, Windows(frames.detach(), GRIDS[name]))
    assert found["value"] == pytest.approx(0.01, rel=1e-6)


def test_warning_gives_the_numerical_diffusivity() -> None:
    name = "AdvectionDiffusionPDE"
    expected = numerical_diffusivity([0.6, 0.3], GRIDS[name].spacing, DT / 2)
    text = (
        rf"numerical diffusivity of up to {expected:.2g} length²/time at 2 time step\(s\) per frame"
    )
    numerics = {"scheme": "semi_lagrangian", "substeps": 2}
    with pytest.warns(UserWarning, match=text):
        trainer(name, learnable(name, ["diffusivity"]), numerics).train(windows(name), 1)


def test_warning_covers_velocity_fields() -> None:
    name = "BurgersPDE"
    start = windows(name).frames[0]
    expected = numerical_diffusivity([float(start.abs().max())], GRIDS[name].spacing, DT / 2)
    numerics = {"scheme": "mac_cormack", "substeps": 2}
    with pytest.warns(UserWarning, match=f"up to {expected:.2g} length²/time"):
        trainer(name, learnable(name, ["viscosity"]), numerics).train(windows(name), 1)


@pytest.mark.parametrize("scheme", ["finite_difference", "spectral"])
def test_other_schemes_raise_no_warning(scheme: str) -> None:
    numerics = {"scheme": scheme, "substeps": 8}
    calibration = trainer("BurgersPDE", learnable("BurgersPDE"), numerics)
    assert calibration.train(windows("BurgersPDE"), 1)["warnings"] == []
