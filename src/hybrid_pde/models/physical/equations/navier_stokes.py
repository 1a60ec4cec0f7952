"""The incompressible Navier-Stokes equations."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from phi.torch.flow import channel, math, spatial

from hybrid_pde.config import Experiment
from hybrid_pde.config.checks.equation import staggered_conflict
from hybrid_pde.config.equations import EQUATIONS
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.coefficients import COMPONENT, LinearTerms, Values
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.discretization import STAGGERED, Discretization
from hybrid_pde.numerics.operators import Operators


@ModelRegistry.register_physical("NavierStokesPDE")
class NavierStokesPDE(PhysicalModel):
    """Incompressible flow u_t = P[−(u·∇)u + ν ∇²u + f], optionally with a density that it carries.

    P takes away the gradient of the pressure, see :func:`hybrid_pde.numerics.projection.project`. The
    state is used as it is given and only its rate is projected: ∇·u stays what it is at the start.
    (Where nodes lie on a wall that moves along itself, fluid at rest beside it has a divergence
    too; project such a start.) The density obeys ρ_t + u·∇ρ = D ∇²ρ and acts on the flow by the
    buoyancy β ρ, β a vector.

    The forcing ``[amplitude A, wavenumber k]`` is Kolmogorov's, f_x = A sin(k y), also in three
    dimensions: along the first axis, with k in radians per length (2π m / L fits a periodic box)
    and y the coordinate of the data. A forcing given as a vector field, at the points of the data,
    is used as it is. Laminar,
    below u/(ν k) of about 1.4, it keeps up the flow u_x = A/(ν k²) sin(k y).

    With the option ``staggered`` the velocity stands on the faces of cells, see
    :class:`hybrid_pde.numerics.staggered.StaggeredDifference`, and the density at their centres, where the
    data have both; :class:`hybrid_pde.data.staggered_velocity.Staggering` says how the two are related. The
    start is projected. Nothing flows through walls: along sides of zero gradient fluid slips, where
    it can leave without the option, and the velocity that a side prescribes is along it.

    Sources: Chorin (1968), Mathematics of Computation 22, 745. Meshalkin and Sinai (1961), Journal
    of Applied Mathematics and Mechanics 25, 1700 (the forcing).
    """

    spec = EQUATIONS["NavierStokesPDE"]

    def __init__(self, config: Mapping[str, Any] | Experiment) -> None:
        super().__init__(config)
        if self.options["staggered"]:
            section = self.experiment.model.physical
            assert section is not None
            if problem := staggered_conflict(section):
                raise ConfigError(problem)
            self.discretization = Discretization(STAGGERED, 2, self.numerics.refine)

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """P[ν ∇²u − (u·∇)u + f + β ρ], and D ∇²ρ − u·∇ρ."""
        u = state["velocity"]
        force = parameters["viscosity"] * operators.laplacian(u) - operators.advect(u, u)
        given = _forcing(parameters["forcing"], operators.grid)
        rates = {}
        if "density" in state:
            density = state["density"]
            given = given + parameters["buoyancy"] * density
            diffusion = parameters["diffusivity"] * operators.laplacian(density)
            rates["density"] = diffusion - operators.advect(u, density)
        force = force + operators.at_velocity(given)
        return {"velocity": operators.solenoidal(force), **rates}

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """The velocity, which carries itself and the density.

        Raises:
            ConfigError: if it has one component, or one through a wall that lets nothing through.
                (Not in :meth:`rate`: PhiML takes a compilation that an exception ended for one that
                still goes on.)
        """
        u = state["velocity"]
        if u.vector.size == 1:
            raise ConfigError(
                "model.physical.name: NavierStokesPDE: the data have one axis, along which an "
                "incompressible flow is uniform; BurgersPDE has no pressure"
            )
        if self.options["staggered"]:
            _check_walls(parameters)
        return u

    def constrain(self, before: Values, moved: Values, operators: Operators) -> Values:
        """The change of the velocity by transport without its gradient part."""
        change = moved["velocity"] - before["velocity"]
        return {**moved, "velocity": before["velocity"] + operators.solenoidal(change)}

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """ν ∇²u, which the projection leaves free of divergence, and D ∇²ρ."""
        return {
            "velocity": {2: parameters["viscosity"]},
            "density": {2: parameters["diffusivity"]},
        }


def _check_walls(parameters: Values) -> None:
    """Refuse prescribed velocities that have a component through their wall."""
    for name, value in parameters.items():
        if name.startswith("boundary."):
            axis = name.split(".")[1]
            through = value.vector[axis] if "vector" in value.shape else value
            if float(math.max(math.abs(through), through.shape)) > 0:
                raise ConfigError(
                    f"{name}: {through}: nothing flows through the walls of pde_params.staggered; "
                    f"give a velocity along the wall, with 0 for its component {axis}"
                )


def _forcing(forcing: math.Tensor, grid: Grid) -> math.Tensor:
    """A sin(k y) along x, or the field itself [length/time²]."""
    if COMPONENT not in forcing.shape:
        return forcing
    offset = 0.0 if grid.nodes_on_boundary[1] else 0.5
    points = grid.lower[1] + (np.arange(grid.shape[1]) + offset) * grid.spacing[1]
    y = math.wrap(points, spatial(grid.axes[1]))
    wave = forcing[{COMPONENT: "amplitude"}] * math.sin(forcing[{COMPONENT: "wavenumber"}] * y)
    along_x = [1.0] + [0.0] * (len(grid.axes) - 1)
    return wave * math.wrap(along_x, channel(vector=",".join(grid.axes)))
