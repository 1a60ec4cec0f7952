"""Specification of an equation: its name, its fields, and its parameters with their units.

Each file in ``models/physical/equations`` holds the specification of one equation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter of an equation: a number, a number for each axis, named numbers, or a field.

    Attributes:
        unit: Unit in terms of length, time and the unit of the field, e.g. ``length²/time``.
        default: Value if the experiment gives none; ``None`` if the experiment must give one.
        positive: Whether the value must be zero or above.
        per_axis: Whether it has one component for each spatial axis.
        components: Names of its numbers, where it has several that do not belong to axes.
        is_field: Whether its value may vary in space.
        acts_along: Positions of the axes along which the vector points that has the first number as
            its strength. With ``per_axis`` this follows from the numbers.
        varies_along: Positions of the axes along which that vector varies.
        symbol: Its symbol in the equation's formula, if it has one.
    """

    unit: str
    default: float | tuple[float, ...] | None = None
    positive: bool = False
    per_axis: bool = False
    components: tuple[str, ...] = ()
    is_field: bool = False
    acts_along: tuple[int, ...] = ()
    varies_along: tuple[int, ...] = ()
    symbol: str = ""


@dataclass(frozen=True)
class FieldRole:
    """A field of an equation; data fields are matched to roles by name, else in order.

    Attributes:
        name: Name of the role.
        is_vector: Whether it has a component for each axis.
        is_optional: Whether the equation can be solved without it; matched by name only.
        is_solenoidal: Whether its divergence vanishes: initial states are projected.
    """

    name: str
    is_vector: bool = False
    is_optional: bool = False
    is_solenoidal: bool = False


@dataclass(frozen=True)
class SymmetrySpec:
    """Symmetries of an equation without walls and with uniform coefficients.

    With walls, and with fields or vectors among the coefficients, fewer symmetries hold, see
    :mod:`hybrid_pde.config.checks.symmetries`. A Galilean boost adds c to a field while everything
    moves with the velocity c: u(x, t) + c at x + a c t. Vector fields rotate with space. Adding c
    to a scalar boosts it along every axis.

    Attributes:
        names: ``translation``, ``reflection`` (of each axis), ``rotation`` (by 90 degrees),
            ``galilean``.
        single_axis: Symmetries among ``names`` that hold in one dimension only.
        odd: Scalar roles that change sign under a reflection.
        boosted: Role that c is added to.
        carried_by: Name of the parameter a; 1 if ``None``.
    """

    names: frozenset[str] = frozenset()
    single_axis: frozenset[str] = frozenset()
    odd: frozenset[str] = frozenset()
    boosted: str | None = None
    carried_by: str | None = None


# of scalars and vectors without a preferred direction
ISOTROPIC = SymmetrySpec(frozenset({"translation", "reflection", "rotation"}))


@dataclass(frozen=True)
class EquationSpec:
    """An equation as experiment files refer to it.

    Attributes:
        name: Value of ``model.physical.name``.
        formula: The equation as text, for reports and messages.
        fields: Its fields.
        parameters: Its parameters by name.
        options: Switches among ``pde_params`` that choose a form of the equation, with defaults.
        symmetries: Its symmetries; by default none.
        dims: Numbers of spatial axes on which it can be solved.
        is_periodic: Whether it is solved on periodic boxes only.
        is_advective: Whether ``operators.advect`` contains all its transport. False for waves: the
            schemes that replace ``advect`` (WENO, semi-Lagrangian, MacCormack) are rejected.
    """

    name: str
    formula: str
    fields: tuple[FieldRole, ...]
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    options: Mapping[str, bool] = field(default_factory=dict)
    symmetries: SymmetrySpec = SymmetrySpec()
    dims: tuple[int, ...] = (1, 2, 3)
    is_periodic: bool = False
    is_advective: bool = True
