"""Coverage of the reported standard deviations over many repetitions of an experiment."""

from dataclasses import dataclass

import numpy as np
import torch

from hybrid_pde.models.physical import AdvectionDiffusionPDE
from hybrid_pde.training.physical.minimization import gauss_newton
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.observed_fields import observed_fields
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.uncertainty import assess
from tests.gradient.calibration_case import Windows
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

LINE = periodic_grid((32,), (1.4,))
TRUTH = np.array([0.004, 0.5])
REPETITIONS, NOISE, DT = 100, 0.05, 0.3


@dataclass
class Problem:
    """Advection and diffusion of two waves, observed three times with noise."""

    model: AdvectionDiffusionPDE
    frames: torch.Tensor


def problem() -> Problem:
    learnable = [
        {"name": "diffusivity", "initial_guess": 0.004},
        {"name": "velocity", "initial_guess": [0.5]},
    ]
    numerics = {"scheme": "spectral", "order": 2, "substeps": 1}  # exact
    config = physical_config("AdvectionDiffusionPDE", {}, learnable, numerics)
    (x,) = coordinates(LINE)
    t = torch.arange(4).double()[:, None] * DT
    frames = torch.zeros(4, 32, dtype=torch.float64)
    for mode in (1, 2):
        k = 2 * np.pi * mode / 1.4
        frames = frames + torch.exp(-0.004 * k**2 * t) * torch.sin(k * (x - 0.5 * t) + mode)
    return Problem(AdvectionDiffusionPDE(config), frames[:, None])


def test_truth_is_within_two_deviations_in_most_repetitions() -> None:
    case = problem()
    random = torch.Generator().manual_seed(0)
    learnable = {
        p.name: p for p in case.model.experiment.trainer_params.physical.learnable_parameters
    }
    scores = []
    for _ in range(REPETITIONS):
        noise = NOISE * torch.randn(case.frames.shape, generator=random, dtype=torch.float64)
        noise[0] = 0.0  # the initial state is known
        observations = Observations(
            observed_fields(Windows(case.frames + noise, LINE, 3, 3, DT), case.model.spec)
        )
        vector = ParameterVector(case.model, learnable, LINE)
        objective = Objective(case.model, observations, vector, DT)
        found = gauss_newton(objective, vector.start, 20, 1e-6)
        at = objective.linearize(found.z)
        std = assess(at.jacobian, at.residual, objective.num_values, 2).std * vector.scale
        scores.append((vector.values(found.z) - TRUTH) / std)
    inside = (np.abs(scores) < 2).mean(axis=0)
    # 95 of 100 are expected; 90 and 99 are about two standard deviations of that count away.
    assert np.all((inside >= 0.90) & (inside <= 0.99)), inside
    assert np.all(np.abs(np.mean(scores, axis=0)) < 0.3), "three standard errors of a mean of 100"
