"""Which discretizations there are, and which of them fit a grid."""

from dataclasses import dataclass
from typing import Protocol

from phi.torch.flow import math

from src.data.grid import Grid
from src.errors import ConfigError
from src.numerics.finite_difference import ORDERS, FiniteDifference
from src.numerics.spectral import Spectral

DEFAULT_ORDER = 4


class Operators(Protocol):
    """Spatial derivatives as an equation's right-hand side uses them."""

    def gradient(self, u: math.Tensor, axis: str) -> math.Tensor:
        """First derivative along one axis."""

    def laplacian(self, u: math.Tensor) -> math.Tensor:
        """Sum of second derivatives."""

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """(velocity·∇)u."""

    @property
    def first_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the first derivative, times the spacing."""

    @property
    def second_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the second derivative, times the spacing squared."""


@dataclass(frozen=True)
class Discretization:
    """A scheme for the derivatives in space.

    Attributes:
        scheme: ``finite_difference`` or ``spectral``.
        order: Order of the differences, 2, 4 or 6; ``None`` for ``spectral``.
    """

    scheme: str = "finite_difference"
    order: int | None = DEFAULT_ORDER

    @property
    def label(self) -> str:
        """Short name, e.g. ``finite_difference-4``."""
        return self.scheme if self.order is None else f"{self.scheme}-{self.order}"

    def operators(self, grid: Grid) -> Operators:
        """The derivatives on a grid.

        Raises:
            ConfigError: if an axis of the grid is not periodic.
        """
        check_periodic(grid)
        spacing = dict(zip(grid.axes, grid.spacing, strict=True))
        if self.scheme == "spectral":
            return Spectral(spacing, dict(zip(grid.axes, grid.shape, strict=True)))
        assert self.order is not None
        self._check_size(grid)
        return FiniteDifference(spacing, self.order)

    def fits(self, grid: Grid) -> bool:
        """Whether the grid has enough points for the scheme."""
        return self.order is None or min(grid.shape) > self.order

    def _check_size(self, grid: Grid) -> None:
        if not self.fits(grid):
            raise ConfigError(
                f"model.physical.numerics.order: {self.order} needs more than {self.order} points "
                f"along each axis, the grid has {grid.shape}"
            )


CANDIDATES = (
    *(Discretization("finite_difference", order) for order in ORDERS),
    Discretization("spectral", None),
)


def check_periodic(grid: Grid) -> None:
    """Refuse a grid that the schemes do not cover.

    Raises:
        ConfigError: if an axis is not periodic.
    """
    if grid.is_periodic:
        return
    described = {axis: sides for axis, sides in zip(grid.axes, grid.boundary, strict=True)}
    raise ConfigError(
        f"data.boundary: {described}: the physical model allows only 'periodic' on every axis"
    )
