"""The vorticity equation of plane incompressible flow."""

from phiml import math
from phiml.math import channel, spatial

from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec, SymmetrySpec
from hybrid_pde.domain.grid import Grid, axis_points
from hybrid_pde.models.physical.equation import COMPONENT, Equation, LinearTerms, Values
from hybrid_pde.numerics.operators import Operators


class Vorticity(Equation):
    """Plane incompressible flow w_t + u·∇w = ν ∇²w − α w + f of a vorticity w = ∂v/∂x − ∂u/∂y.

    Fields: ``vorticity`` w. Parameters: ``viscosity`` ν, ``drag`` α (none by default), ``forcing``
    f (none by default) with ``forcing_direction`` θ and ``forcing_phase`` φ. Two dimensions,
    periodic.

    The velocity u = (∂ψ/∂y, −∂ψ/∂x) follows from the stream function, ∇²ψ = −w. Its mean is zero:
    a vorticity does not determine a uniform flow. The mean of w in a periodic box is zero; a
    constant that data add to it (a planetary vorticity) is carried along.

    The forcing ``[amplitude A, wavenumber k]`` is the curl of Kolmogorov's force A sin(k y) along
    x, f = −A k cos(k y), with k in radians per length (2π m / L fits the box) and y the coordinate
    of the data. θ [rad] turns force and wave, φ [rad] shifts the wave: f = −A k cos(k s + φ) with
    s = y cos θ − x sin θ. A forcing given as a field at the points of the data is used unchanged.

    To try first: ``viscosity: 1.0e-3`` in a periodic box of length 1 with 64 points along each
    axis; ``forcing: [0.015915, 8.8858]``, ``forcing_direction: -0.7854``, ``forcing_phase: 2.3562``
    is the force 0.1 (sin 2π(x + y) + cos 2π(x + y)) of Li et al. (2021), Fourier Neural Operator.
    ``viscosity: 0.025`` and ``forcing: [1.0, 4.0]`` in a box of length 2π keep up a weakly
    turbulent flow, f = −4 cos(4 y).

    Order of convergence: ``test_order_of_the_rate`` in ``tests/physics/test_vorticity.py``.

    Source: Majda and Bertozzi (2002), Vorticity and Incompressible Flow, section 2.1.
    """

    spec = EquationSpec(
        name="VorticityPDE",
        formula=(
            "w_t + u·∇w = ν ∇²w − α w + f, u = (∂ψ/∂y, −∂ψ/∂x), ∇²ψ = −w, "
            "f = −A k cos(k (y cos θ − x sin θ) + φ)"
        ),
        fields=(FieldRole("vorticity"),),
        parameters={
            "viscosity": ParameterSpec("length²/time", positive=True, symbol="ν"),
            "drag": ParameterSpec("1/time", default=0.0, symbol="α"),
            "forcing": ParameterSpec(
                "length/time²",
                default=(0.0, 1.0),
                components=("amplitude", "wavenumber"),
                acts_along=(0,),
                varies_along=(1,),
                symbol="f",
            ),
            # a force along a diagonal varies along both axes
            "forcing_direction": ParameterSpec(
                "1", default=0.0, acts_along=(0, 1), varies_along=(0, 1), symbol="θ"
            ),
            "forcing_phase": ParameterSpec("1", default=0.0, symbol="φ"),
        },
        symmetries=SymmetrySpec(
            frozenset({"translation", "reflection", "rotation"}), odd=frozenset({"vorticity"})
        ),
        dims=(2,),
        is_periodic=True,
    )

    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """ν ∇²w − u·∇w − α w + f."""
        w = state["vorticity"]
        rate = parameters["viscosity"] * operators.laplacian(w) - parameters["drag"] * w
        rate = rate - operators.advect(_velocity(w, operators), w)
        return {"vorticity": rate + _forcing(parameters, operators.grid)}

    def speed_on_grid(self, state: Values, parameters: Values, operators: Operators) -> math.Tensor:
        """The velocity of the flow."""
        return _velocity(state["vorticity"], operators)

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """ν ∇²w − α w."""
        return {"vorticity": {0: -parameters["drag"], 2: parameters["viscosity"]}}


def _velocity(vorticity: math.Tensor, operators: Operators) -> math.Tensor:
    """(∂ψ/∂y, −∂ψ/∂x) with ∇²ψ = −w."""
    x, y = operators.grid.axes
    minus_psi = operators.inverse_laplacian(vorticity)
    components = [-operators.gradient(minus_psi, y), operators.gradient(minus_psi, x)]
    return math.stack(components, channel(vector=f"{x},{y}"))


def _forcing(parameters: Values, grid: Grid) -> math.Tensor:
    """−A k cos(k s + φ), or the field itself [1/time²]."""
    forcing = parameters["forcing"]
    if COMPONENT not in forcing.shape:
        return forcing
    amplitude, wavenumber = (forcing[{COMPONENT: name}] for name in ("amplitude", "wavenumber"))
    x, y = (math.wrap(points, spatial(axis)) for axis, points in axis_points(grid).items())
    direction = parameters["forcing_direction"]
    across = y * math.cos(direction) - x * math.sin(direction)
    phase = wavenumber * across + parameters["forcing_phase"]
    return -amplitude * wavenumber * math.cos(phase)
