"""Available discretizations, and their compatibility with a grid."""

from dataclasses import dataclass
from math import inf

from hybrid_pde.config.schema import SCHEME_ORDERS
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.divergence_form import DivergenceForm
from hybrid_pde.numerics.finite_difference import ORDERS, FiniteDifference
from hybrid_pde.numerics.operators import Operators
from hybrid_pde.numerics.semi_lagrangian import SplitAdvection
from hybrid_pde.numerics.spectral import Spectral
from hybrid_pde.numerics.staggered import StaggeredDifference
from hybrid_pde.numerics.weno import Weno

# Default orders, of the differences and of the exponential integrator.
DEFAULT_ORDER = {"finite_difference": 4, "spectral": 4}
SPLIT = ("semi_lagrangian", "mac_cormack")
STAGGERED = "staggered"

# WENO's widest stencil.
_WENO_POINTS = 6


@dataclass(frozen=True)
class Discretization:
    """A scheme for spatial derivatives and time stepping.

    Attributes:
        scheme: ``finite_difference``, ``spectral``, ``weno``, ``semi_lagrangian``,
            ``mac_cormack``; or ``staggered``, differences with the velocity on cell faces, selected
            by the equation's option of that name.
        order: Order of the differences, 2, 4 or 6; of the exponential integrator of ``spectral``,
            2 or 4; ``None`` for the other schemes.
        refine: Refinement of the grid of the solution relative to that of the data.
        substeps_factor: Number of time steps per stable time step.
        coarsen: Coarsening of that grid at the start of a calibration.
        divergence_form: Whether differences have advection in divergence form.
    """

    scheme: str = "finite_difference"
    order: int | None = 4
    refine: int = 1
    substeps_factor: int = 1
    coarsen: int = 1
    divergence_form: bool = False

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
        """True if derivatives are second-order differences."""
        return self.scheme == "finite_difference" and self.order == 2

    @property
    def convergence_order(self) -> float:
        """Order of the error of smooth solutions in the spacing; WENO is next to order 4."""
        if self.scheme == "spectral":
            return inf
        return self.order or (3 if self.scheme == "weno" else 2)

    @property
    def is_staggered(self) -> bool:
        """True if velocities are located on cell faces."""
        return self.scheme == STAGGERED

    @property
    def is_split(self) -> bool:
        """True if advection is a separate step."""
        return self.scheme in SPLIT

    @property
    def has_forward_mode(self) -> bool:
        """True if the scheme supports forward-mode derivatives."""
        return not self.is_split

    def operators(self, grid: Grid) -> Operators:
        """The derivatives on a grid.

        Raises:
            ConfigError: if the grid has too few points, or a boundary that the scheme does not
                support.
        """
        if problem := self.incompatibility(grid):
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
        kind = DivergenceForm if self.divergence_form else FiniteDifference
        return kind(grid, self.order)

    def incompatibility(self, grid: Grid) -> str | None:
        """The reason why the scheme cannot be used on the grid; ``None`` if it can."""
        if self.scheme == "spectral" and not grid.is_periodic:
            return (
                "it needs 'periodic' on every axis, data.boundary is "
                f"{dict(zip(grid.axes, map(list, grid.boundary), strict=True))}; "
                "finite_difference takes any boundary"
            )
        if self.divergence_form and not grid.is_periodic:
            return "its divergence form needs 'periodic' on every axis"
        if self.is_staggered and (problem := _staggering_incompatibility(grid)):
            return problem
        widest = {"finite_difference": self.order or 2, "weno": _WENO_POINTS}.get(self.scheme, 2)
        if min(grid.shape) <= widest:
            order = f"order {self.order} of it" if self.scheme == "finite_difference" else "it"
            return f"{order} needs more than {widest} points along each axis, not {grid.shape}"
        return None


def _staggering_incompatibility(grid: Grid) -> str | None:
    """The reason why the grid cannot be staggered; ``None`` if it can."""
    if any(grid.nodes_on_boundary):
        return "it needs cell centres; the points of the data lie on the boundary"
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
# Additional candidate for equations with advection, for data with shocks.
SHOCK_CANDIDATE = Discretization("weno", None)
