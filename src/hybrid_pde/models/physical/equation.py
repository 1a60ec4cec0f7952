"""Base class of equations: a right-hand side with what bounds the time step; no PyTorch.

An equation is one file in the folder ``equations``: a class with ``spec``, :meth:`Equation.rate`
and whichever of the other methods its terms need. Tensors are PhiML's: any batch dimensions,
vectors with the dimension ``vector``, spatial dimensions x, y, z.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from phiml import math
from phiml.math import channel

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.errors import OwnModelError
from hybrid_pde.numerics.operators import Operators

Values = dict[str, math.Tensor]
LinearTerms = Mapping[str, Mapping[int, math.Tensor | float]]
COMPONENT = "component"
# Units of parameters from which the default methods bound the time step.
_LIMITING_UNITS = ("length/time", "length²/time", "1/time")


class Equation(ABC):
    """An equation u_t = rate(u; parameters).

    A subclass gives ``spec`` (fields, parameters, units) and :meth:`rate`. The methods that bound
    the time step have defaults that follow from the units of the parameters.

    Args:
        options: Switches of the equation by name; the others keep their defaults.

    Attributes:
        spec: Names of the equation's fields and parameters, with their units.
        options: All switches by name.
    """

    spec: EquationSpec

    def __init__(self, options: Mapping[str, bool] | None = None) -> None:
        self.options = {**self.spec.options, **(options or {})}

    @abstractmethod
    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """Rate of change of every field [field/time].

        Take parameters from the argument, never from ``self``: the step is recorded once and run
        with other values.

        Args:
            state: PhiML tensor by role; vectors have the dimension ``vector``.
            parameters: PhiML tensor by name. One number for each axis has the dimension
                ``vector``, named numbers have the dimension ``component``, fields have the spatial
                dimensions.
            operators: Derivatives, see :class:`hybrid_pde.numerics.operators.Operators`.
        """

    def checked_rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """As :meth:`rate`, with the rates of all fields and no others.

        Raises:
            OwnModelError: naming what is missing, or no field of the equation.
        """
        rates, roles = self.rate(state, parameters, operators), set(state)
        if not isinstance(rates, Mapping) or set(rates) != roles:
            found = sorted(rates) if isinstance(rates, Mapping) else type(rates).__name__
            raise OwnModelError(
                f"{self.spec.name}: rate returns {found}; it has to return a dictionary with the "
                f"rate of change of {', '.join(sorted(roles))}; correct the model"
            )
        return rates

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """Velocity of advection [length/time]; its largest magnitude bounds the time step.

        The semi-Lagrangian schemes transport every field with it. Default: the sum of the
        equation's vector fields and its parameters in length/time.
        """
        fields = [state[role.name] for role in self.spec.fields if role.is_vector]
        return sum([*fields, *self._with_unit(parameters, "length/time")], math.wrap(0.0))

    def speed_on_grid(self, state: Values, parameters: Values, operators: Operators) -> math.Tensor:
        """As :meth:`bound_speed`, where the speed follows from the state by derivatives.

        This is the method that the solver calls. Default: :meth:`bound_speed`.
        """
        return self.bound_speed(state, parameters)

    def bound_diffusivities(self, parameters: Values) -> Sequence[math.Tensor]:
        """Diffusivities; the largest bounds the time step. Default: parameters in length²/time."""
        return self._with_unit(parameters, "length²/time")

    def bound_reaction(self, state: Values, parameters: Values) -> math.Tensor:
        """∂rate/∂u of the terms without derivatives [1/time]. Default: parameters in 1/time."""
        return sum(map(math.abs, self._with_unit(parameters, "1/time")), math.wrap(0.0))

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """Coefficients of the constant-coefficient terms of the rate, by role and derivative order.

        Order 0 is u, 1 with a vector v is v·∇u, 2 is ∇²u, 3 is Σ ∂³u/∂x_i³, 4 is ∇⁴u. The
        exponential integrator of the spectral scheme solves these terms exactly, so they do not
        limit its time step. A term may be left out. One with a coefficient that varies in space
        must be left out. Default: none.
        """
        return {}

    @property
    def bounds_time_step(self) -> bool:
        """True if a unit, a vector field or a method of the equation can limit the time step."""
        methods = (
            "bound_speed",
            "speed_on_grid",
            "bound_diffusivities",
            "bound_reaction",
            "linear_terms",
        )
        return (
            any(getattr(type(self), name) is not getattr(Equation, name) for name in methods)
            or any(role.is_vector for role in self.spec.fields)
            or any(spec.unit in _LIMITING_UNITS for spec in self.spec.parameters.values())
        )

    def constrain(self, before: Values, moved: Values, operators: Operators) -> Values:
        """The state after a step of transport, with the constraints of the equation restored.

        Used by the schemes that split transport from the rest of the rate. Default: no constraint.

        Args:
            before: State before transport.
            moved: State after transport.
            operators: Derivatives.
        """
        return moved

    def check_supported(self, state: Values, parameters: Values) -> None:
        """Reject states and parameters that the equation is not meant for.

        Called before a rollout and whenever parameters change, never in a recorded step. Default:
        everything is allowed.

        Raises:
            ConfigError: naming the key and what is allowed.
        """
        del state, parameters

    def prescribed_scheme(self) -> tuple[str, int] | None:
        """Scheme and order that an option prescribes in place of ``numerics``. Default: none."""
        return None

    def _with_unit(self, parameters: Values, unit: str) -> list[math.Tensor]:
        return [
            parameters[name] for name, spec in self.spec.parameters.items() if spec.unit == unit
        ]


def advect_itself(u: math.Tensor, operators: Operators) -> math.Tensor:
    """U Σ ∂u/∂x_i of a scalar u, with the scheme's own treatment of advection."""
    axes = channel(vector=",".join(operators.grid.axes))
    velocity = math.expand(u, axes)
    if len(operators.grid.axes) == 1:
        # One tensor as both velocity and transported field: schemes detect self-advection by that.
        return operators.advect(velocity, velocity).vector[0]
    return operators.advect(velocity, u)
