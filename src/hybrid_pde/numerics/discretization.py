"""Which discretizations there are, and which of them fit a grid."""

from dataclasses import dataclass

from hybrid_pde.config.schema import SCHEME_ORDERS
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.finite_difference import ORDERS, FiniteDifference
from hybrid_pde.numerics.operators import Operators
from hybrid_pde.numerics.semi_lagrangian import SplitAdvection
from hybrid_pde.numerics.spectral import Spectral
from hybrid_pde.numerics.staggered import StaggeredDifference
from hybrid_pde.numerics.weno import Weno

# The order where the experiment gives none: of the differences, and of the exponential integrator.
DEFAULT_ORDER = {"finite_difference": 4, "spectral": 4}
SPLIT = ("semi_lagrangian", "mac_cormack")
STAGGERED = "staggered"

# WENO's widest stencil.
_WENO_POINTS = 6


@dataclass(frozen=True)
class Discretization:
    """A scheme for the derivatives in space and the steps in time.

    Attributes:
        scheme: ``finite_difference``, ``spectral``, ``weno``, ``semi_lagrangian``,
            ``mac_cormack``; or ``staggered``, differences with the velocity on the faces of cells,
            which the equation's option of that name chooses.
        order: Order of the differences, 2, 4 or 6; of the exponential integrator of ``spectral``,
            2 or 4; ``None`` for the other schemes.
        refine: How many times finer than the data's the grid is that the equation is solved on.
        substeps_factor: Steps in time for each one that stability demands.
        coarsen: How many times coarser than that grid the one is that a calibration starts on.
    """

    scheme: str = "finite_difference"
    order: int | None = 4
    refine: int = 1
    substeps_factor: int = 1
    coarsen: int = 1

    @classmethod
    def of(cls, scheme: str, order: int | None = None, refine: int = 1) -> "Discretization":
        """A scheme with its default order.

        Raises:
            ConfigError: if the scheme has no such order.
        """
        allowed = SCHEME_ORDERS[scheme]
        if order is not None and order not in allowed:
            has = f"allowed: {', '.join(map(str, allowed))}" if allowed else "it has none"
            raise ConfigError(f"model.physical.numerics.order: {order}: {scheme}: {has}")
        return cls(scheme, order or DEFAULT_ORDER.get(scheme), refine)

    @property
    def label(self) -> str:
        """Short name, e.g. ``finite_difference-4``."""
        name = self.scheme if self.order is None else f"{self.scheme}-{self.order}"
        return name if self.refine == 1 else f"{name}-refined-{self.refine}"

    @property
    def time_stepping(self) -> str:
        """Name of the integrator."""
        if self.scheme == "spectral":
            return f"exponential-runge-kutta-{self.order}"
        return f"{self.scheme}, then runge-kutta-4" if self.is_split else "runge-kutta-4"

    @property
    def is_second_order(self) -> bool:
        """Whether derivatives are differences of order two."""
        return self.scheme == "finite_difference" and self.order == 2

    @property
    def is_staggered(self) -> bool:
        """Whether velocities stand on the faces of cells."""
        return self.scheme == STAGGERED

    @property
    def is_split(self) -> bool:
        """Whether advection is a step of its own."""
        return self.scheme in SPLIT

    @property
    def has_forward_mode(self) -> bool:
        """Whether forward-mode derivatives go through it."""
        return not self.is_split

    def operators(self, grid: Grid) -> Operators:
        """The derivatives on a grid.

        Raises:
            ConfigError: if the grid has too few points, or a boundary that the scheme has not.
        """
        if problem := self.misfit(grid):
            key = f"numerics.scheme: {self.scheme}"
            if self.is_staggered:
                key = "pde_params.staggered: true"
            raise ConfigError(f"model.physical.{key}: {problem}")
        if self.scheme == "spectral":
            return Spectral(grid)
        if self.scheme == "weno":
            return Weno(grid)
        if self.is_split:
            return SplitAdvection(grid, self.scheme)
        if self.is_staggered:
            return StaggeredDifference(grid)
        assert self.order is not None
        return FiniteDifference(grid, self.order)

    def misfit(self, grid: Grid) -> str | None:
        """Why the scheme cannot be used on the grid; ``None`` if it can."""
        if self.scheme == "spectral" and not grid.is_periodic:
            return (
                "it needs 'periodic' on every axis, data.boundary is "
                f"{dict(zip(grid.axes, map(list, grid.boundary), strict=True))}; "
                "finite_difference takes any boundary"
            )
        if self.is_staggered and (problem := _without_faces(grid)):
            return problem
        widest = {"finite_difference": self.order or 2, "weno": _WENO_POINTS}.get(self.scheme, 2)
        if min(grid.shape) <= widest:
            order = f"order {self.order} of it" if self.scheme == "finite_difference" else "it"
            return f"{order} needs more than {widest} points along each axis, not {grid.shape}"
        return None


def _without_faces(grid: Grid) -> str | None:
    """Why velocities cannot stand on the faces of the grid's cells."""
    if any(grid.nodes_on_boundary):
        return "it needs cells; the data's points lie on the boundary"
    fixed = [side for sides in grid.boundary for side in sides if not isinstance(side, str)]
    if any(fixed):
        return (
            f"nothing flows through its walls, data.boundary has the value {max(fixed, key=abs)} "
            "there, for every component; 0.0 is a wall that fluid sticks to, 'zero-gradient' one "
            "that it slips along"
        )
    return None


CANDIDATES = (
    *(Discretization("finite_difference", order) for order in ORDERS),
    Discretization("spectral", 4),
)
# For equations that advect: data with shocks are explained by a scheme that captures them.
SHOCK_CANDIDATE = Discretization("weno", None)
