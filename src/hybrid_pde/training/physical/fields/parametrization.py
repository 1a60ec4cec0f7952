"""Fields that are learned through a vector of numbers: which there are, and what they offer.

Native torch tensors throughout: ``n`` numbers, ``X Y Z`` space. Both modes of differentiation go
through.
"""

from typing import Any, Protocol

import numpy as np
import torch

from hybrid_pde.config.schema import FourierModes, Gaussians, Parametrization
from hybrid_pde.domain.grid import Grid
from hybrid_pde.training.physical.fields.fourier import FourierField
from hybrid_pde.training.physical.fields.gaussians import GaussianField
from hybrid_pde.training.physical.fields.grid_values import GridField


class FieldParametrization(Protocol):
    """A field κ(x; θ) on a grid.

    Attributes:
        labels: A name for every number, e.g. ``diffusivity.centre[0].x``.
        start: θ of the initial guess ``[n]``, in the parameter's own units.
        scale: Magnitude of every number, above zero.
        lower: Smallest values that have a meaning, ``-inf`` where there is none.
        upper: Largest values that have a meaning, ``inf`` where there is none.
    """

    labels: list[str]
    start: np.ndarray
    scale: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def values(self, theta: torch.Tensor) -> torch.Tensor:
        """κ at the grid's points ``[*space]`` from θ ``[n]``."""

    def penalty(self, theta: torch.Tensor) -> torch.Tensor | None:
        """Residuals ``[m]`` whose sum of squares the loss gains; ``None`` where there are none."""

    def describe(self, theta: torch.Tensor) -> dict[str, Any]:
        """What θ means, as JSON types."""


def create_parametrization(
    section: Parametrization, grid: Grid, initial_guess: Any, label: str
) -> FieldParametrization:
    """The parametrization that an experiment asks for.

    Args:
        section: Its kind and options.
        grid: Where the field lives.
        initial_guess: As the experiment states it: a mapping of ``amplitude``, ``centre`` and
            ``width`` for Gaussians, a number for modes, a number or nested lists of the grid's
            shape for values on the grid.
        label: The parameter's name.

    Raises:
        ConfigError: naming the key of the guess, its value, and what is allowed.
    """
    if isinstance(section, Gaussians):
        return GaussianField(section, grid, initial_guess, label)
    if isinstance(section, FourierModes):
        return FourierField(section, grid, initial_guess, label)
    return GridField(section, grid, initial_guess, label)
