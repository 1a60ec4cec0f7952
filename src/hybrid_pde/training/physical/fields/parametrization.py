"""Interface and selection of the parametrizations of field parameters.

Layout of native tensors: ``n`` learnable numbers, ``X Y Z`` space. All operations support forward
and reverse mode.
"""

from typing import Any, Protocol

import numpy as np
import torch

from hybrid_pde.config.schema import FourierModes, Gaussians, Parametrization
from hybrid_pde.domain.grid import Grid
from hybrid_pde.training.physical.fields.fourier_field import FourierField
from hybrid_pde.training.physical.fields.gaussian_field import GaussianField
from hybrid_pde.training.physical.fields.grid_field import GridField


class FieldParametrization(Protocol):
    """A field κ(x; θ) on a grid.

    Attributes:
        labels: Name of every number, e.g. ``diffusivity.centre[0].x``.
        start: θ of the initial guess ``[n]``, in physical units.
        scale: Magnitude of every number, above zero.
        lower: Smallest meaningful values, ``-inf`` for no limit.
        upper: Largest meaningful values, ``inf`` for no limit.
    """

    labels: list[str]
    start: np.ndarray
    scale: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def values(self, theta: torch.Tensor, grid: Grid | None = None) -> torch.Tensor:
        """κ ``[*space]`` from θ ``[n]``, at the points of the grid of the data.

        A field that may have kinks, which interpolation would smear, has its values at the points
        of ``grid``, a finer or coarser one on the same domain.
        """

    def penalty(self, theta: torch.Tensor) -> torch.Tensor | None:
        """Residuals ``[m]``; their squares are added to the loss. ``None`` without a penalty."""

    def adopt_magnitude(self, theta: torch.Tensor) -> bool:
        """Scale the penalty by a field far from the initial guess; whether it has changed."""

    def describe(self, theta: torch.Tensor) -> dict[str, Any]:
        """Description of θ, in JSON types."""


def create_parametrization(
    section: Parametrization, grid: Grid, initial_guess: Any, label: str
) -> FieldParametrization:
    """Create the parametrization of an experiment.

    Args:
        section: Type and options of the parametrization.
        grid: Grid of the field.
        initial_guess: The initial guess of the experiment: a mapping of ``amplitude``, ``centre``
            and ``width`` for Gaussians, a number for modes, a number or nested lists of the shape
            of the grid for grid values.
        label: Name of the parameter.

    Raises:
        ConfigError: for an invalid initial guess.
    """
    if isinstance(section, Gaussians):
        return GaussianField(section, grid, initial_guess, label)
    if isinstance(section, FourierModes):
        return FourierField(section, grid, initial_guess, label)
    return GridField(section, grid, initial_guess, label)
