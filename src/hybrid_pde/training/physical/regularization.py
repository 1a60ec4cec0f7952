"""Residuals of priors and of the smoothness of learned fields."""

import numpy as np
import torch

from hybrid_pde.training.physical.parameter_vector import ParameterVector


def regularization_residual(
    vector: ParameterVector, unknowns: torch.Tensor, noise_variance: float, num_values: float
) -> torch.Tensor:
    """Residuals ``[m]`` of priors, then of smoothness, in the units of the data residuals.

    Priors are weighted with the noise of the data, smoothness with the number of observed values.

    Args:
        vector: The learnable parameters.
        unknowns: All unknowns ``[n]``; the first ones are the parameters z.
        noise_variance: Variance of the observation errors, in units of the field variance.
        num_values: Number of distinct observed values.
    """
    z = unknowns[: len(vector)]
    priors = vector.priors(z) * noise_variance**0.5
    return torch.cat([priors, vector.penalty(z) * num_values**0.5])


def linearized_regularization(
    vector: ParameterVector, unknowns: np.ndarray, noise_variance: float, num_values: float
) -> torch.Tensor:
    """``[J r]`` of :func:`regularization_residual`, ``[m, n + 1]``."""
    size = len(vector)

    def residual_of(z: torch.Tensor) -> torch.Tensor:
        return regularization_residual(vector, z, noise_variance, num_values)

    z = torch.from_numpy(np.array(unknowns[:size]))
    residual = residual_of(z)
    if not len(residual):
        return torch.zeros(0, len(unknowns) + 1, dtype=torch.float64)
    jacobian = torch.func.jacfwd(residual_of)(z)
    zeros = torch.zeros(len(residual), len(unknowns) - size, dtype=torch.float64)
    return torch.cat([jacobian.detach(), zeros, residual.detach()[:, None]], dim=1)
