"""The incompressible Navier-Stokes equations."""

import numpy as np
from phi.torch.flow import channel, math, spatial

from src.config.equations import EQUATIONS
from src.data.grid import Grid
from src.errors import ConfigError
from src.models.physical.equation import COMPONENT, LinearTerms, Values
from src.models.physical.physical_model import PhysicalModel
from src.models.registry import ModelRegistry
from src.numerics.operators import Operators


@ModelRegistry.register_physical("NavierStokesPDE")
class NavierStokesPDE(PhysicalModel):
    """Incompressible flow u_t = P[−(u·∇)u + ν ∇²u + f], optionally with a density that it carries.

    P takes away the gradient of the pressure, see :func:`src.numerics.projection.project`. The
    state is used as it is given and only its rate is projected: ∇·u stays what it is at the start.
    (Where nodes lie on a wall that moves along itself, fluid at rest beside it has a divergence
    too; project such a start.) The density obeys ρ_t + u·∇ρ = D ∇²ρ and acts on the flow by the
    buoyancy β ρ, β a vector.

    The forcing ``[amplitude A, wavenumber k]`` is Kolmogorov's, f_x = A sin(k y), also in three
    dimensions: along the first axis, with k in radians per length (2π m / L fits a periodic box)
    and y the coordinate of the data. A forcing given as a vector field is used as it is. Laminar,
    below u/(ν k) of about 1.4, it keeps up the flow u_x = A/(ν k²) sin(k y).

    Sources: Chorin (1968), Mathematics of Computation 22, 745. Meshalkin and Sinai (1961), Journal
    of Applied Mathematics and Mechanics 25, 1700 (the forcing).
    """

    spec = EQUATIONS["NavierStokesPDE"]

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """P[ν ∇²u − (u·∇)u + f + β ρ], and D ∇²ρ − u·∇ρ."""
        u = state["velocity"]
        force = parameters["viscosity"] * operators.laplacian(u) - operators.advect(u, u)
        force = force + _forcing(parameters["forcing"], operators.grid)
        rates = {}
        if "density" in state:
            density = state["density"]
            force = force + parameters["buoyancy"] * density
            diffusion = parameters["diffusivity"] * operators.laplacian(density)
            rates["density"] = diffusion - operators.advect(u, density)
        return {"velocity": operators.solenoidal(force), **rates}

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """The velocity, which carries itself and the density.

        Raises:
            ConfigError: if it has one component. (Not in :meth:`rate`: PhiML takes a compilation
                that an exception ended for one that still goes on.)
        """
        u = state["velocity"]
        if u.vector.size == 1:
            raise ConfigError(
                "model.physical.name: NavierStokesPDE: the data have one axis, along which an "
                "incompressible flow is uniform; BurgersPDE has no pressure"
            )
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
