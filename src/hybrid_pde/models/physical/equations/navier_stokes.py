"""The incompressible Navier-Stokes equations."""

import numpy as np
from phiml import math
from phiml.math import channel, spatial

from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec, SymmetrySpec
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError, RawDataError
from hybrid_pde.models.physical.equation import COMPONENT, Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class NavierStokes(Equation):
    """Incompressible flow u_t = P[−(u·∇)u + ν ∇²u + f], optionally with an advected density.

    Fields: ``velocity`` u, ``density`` ρ (optional). Parameters: ``viscosity`` ν, ``forcing`` f
    (none by default), ``buoyancy`` β, one number for each axis, and ``diffusivity`` D of the
    density. Two or three dimensions, any boundary.

    P removes the gradient of the pressure, see
    :func:`hybrid_pde.numerics.projection.project`. Only the rate is projected, not the state: ∇·u
    keeps its initial value. (Where nodes lie on a wall that moves along itself, fluid at rest
    beside it has a divergence, too: project such an initial state.) The density obeys
    ρ_t + u·∇ρ = D ∇²ρ and acts on the flow by the buoyancy β ρ.

    The forcing ``[amplitude A, wavenumber k]`` is Kolmogorov's, f_x = A sin(k y), also in three
    dimensions: along the first axis, with k in radians per length (2π m / L fits a periodic box)
    and y the coordinate of the data. A forcing given as a vector field at the points of the data
    is used unchanged. The flow u_x = A/(ν k²) sin(k y) is stable where u/(ν k) is below about 1.4.

    With the option ``staggered`` the velocity is defined on cell faces, see
    :class:`hybrid_pde.numerics.staggered.StaggeredDifference`, and the density at cell centres,
    where the data have both; :class:`hybrid_pde.data.staggered_velocity.Staggering` converts
    between the two. The initial velocity is projected. Nothing flows through walls: fluid slips
    along sides of zero gradient (through which it flows out without the option), and a velocity
    that a side prescribes is along that side.

    To try first: ``viscosity: 0.01`` for velocities of about 1 in a box of length 1 (a Reynolds
    number of 100). ``viscosity: 0.025`` and ``forcing: [1.0, 4.0]`` in a periodic box of length 2π
    keep up a weakly turbulent flow (Chandler and Kerswell, 2013, J. Fluid Mech. 722, 554).

    Order of convergence: ``test_taylor_green_converges_at_the_stated_order`` in
    ``tests/physics/test_navier_stokes.py``, and ``test_taylor_green_converges_at_second_order`` in
    ``tests/physics/test_staggered_flow.py``.

    Sources: Chorin (1968), Mathematics of Computation 22, 745. Meshalkin and Sinai (1961), Journal
    of Applied Mathematics and Mechanics 25, 1700 (the forcing).
    """

    spec = EquationSpec(
        name="NavierStokesPDE",
        formula="u_t + (u·∇)u = −∇p + ν ∇²u + f, ∇·u = 0; ρ_t + u·∇ρ = D ∇²ρ, f ∋ β ρ",
        fields=(
            FieldRole("velocity", is_vector=True, is_solenoidal=True),
            FieldRole("density", is_optional=True),
        ),
        dims=(2, 3),
        parameters={
            "viscosity": ParameterSpec("length²/time", positive=True, symbol="ν"),
            "forcing": ParameterSpec(
                "length/time²",
                default=(0.0, 1.0),
                components=("amplitude", "wavenumber"),
                acts_along=(0,),
                varies_along=(1,),
                symbol="f",
            ),
            "buoyancy": ParameterSpec("length/time²", default=0.0, per_axis=True, symbol="β"),
            "diffusivity": ParameterSpec("length²/time", default=0.0, positive=True, symbol="D"),
        },
        options={"staggered": False},
        symmetries=SymmetrySpec(
            frozenset({"translation", "reflection", "rotation", "galilean"}), boosted="velocity"
        ),
    )

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

    def prescribed_scheme(self) -> tuple[str, int] | None:
        """Second-order differences on a staggered grid with the option ``staggered``."""
        return ("staggered", 2) if self.options["staggered"] else None

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """The velocity, which advects itself and the density."""
        return state["velocity"]

    def check_supported(self, state: Values, parameters: Values) -> None:
        """Reject a velocity with one component, and one through a wall that lets nothing through.

        Raises:
            ConfigError: if it has one component.
            RawDataError: if it has one through a wall that lets nothing through.
        """
        if state["velocity"].vector.size == 1:
            raise ConfigError(
                "model.physical.name: NavierStokesPDE: the data have one axis, along which an "
                "incompressible flow is uniform; BurgersPDE has no pressure"
            )
        if self.options["staggered"]:
            _check_walls(parameters)

    def constrain(self, before: Values, moved: Values, operators: Operators) -> Values:
        """The change of the velocity by transport without its gradient part."""
        change = moved["velocity"] - before["velocity"]
        return {**moved, "velocity": before["velocity"] + operators.solenoidal(change)}

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """ν ∇²u, whose divergence vanishes with that of u, and D ∇²ρ."""
        return {
            "velocity": {2: parameters["viscosity"]},
            "density": {2: parameters["diffusivity"]},
        }


def _check_walls(parameters: Values) -> None:
    """Reject prescribed velocities with a component through their wall."""
    for name, value in parameters.items():
        if name.startswith("boundary."):
            axis = name.split(".")[1]
            through = value.vector[axis] if "vector" in value.shape else value
            if float(math.max(math.abs(through), through.shape)) > 0:
                raise RawDataError(
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
