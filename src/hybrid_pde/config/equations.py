"""What each built-in equation is called, its fields, and its parameters with their units.

Kept apart from the solvers so that an experiment file is checked without importing them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter of an equation: a number, a number an axis, named numbers, or a field.

    Attributes:
        unit: Unit in terms of length, time and the field's own, e.g. ``length²/time``.
        default: Value where the experiment gives none; ``None`` demands one.
        positive: Whether only values of zero and above have a meaning.
        per_axis: Whether it has one component for each spatial axis.
        components: What its numbers are called, where it has several that are not those of axes.
        is_field: Whether its value may differ from point to point.
        acts_along: Positions of the axes along which something points whose strength is its first
            number; of a number for each axis that follows from ``per_axis``.
        varies_along: Positions of the axes along which the same thing varies.
    """

    unit: str
    default: float | tuple[float, ...] | None = None
    positive: bool = False
    per_axis: bool = False
    components: tuple[str, ...] = ()
    is_field: bool = False
    acts_along: tuple[int, ...] = ()
    varies_along: tuple[int, ...] = ()


@dataclass(frozen=True)
class FieldRole:
    """A field of an equation; data fields are matched to roles by name, else in order.

    Attributes:
        name: Name of the role.
        is_vector: Whether it has a component for each axis.
        is_optional: Whether the equation does without it; matched by name only.
    """

    name: str
    is_vector: bool = False
    is_optional: bool = False


@dataclass(frozen=True)
class SymmetrySpec:
    """What turns solutions of an equation without walls into solutions, by uniform coefficients.

    Walls, fields and vectors among the coefficients leave fewer of them, see
    :mod:`hybrid_pde.config.checks.symmetries`. A Galilean shift adds c to a field while everything moves with
    the velocity c: u(x, t) + c at x + a c t. Vector fields turn with space; a scalar to which c is
    added has it along every axis.

    Attributes:
        names: ``translation``, ``reflection`` (of each axis), ``rotation`` (by 90 degrees),
            ``galilean``.
        single_axis: Those of them that hold on one axis only.
        odd: Scalar roles that change sign under a reflection.
        boosted: The role that c is added to.
        carried_by: The parameter a; 1 where there is none.
    """

    names: frozenset[str] = frozenset()
    single_axis: frozenset[str] = frozenset()
    odd: frozenset[str] = frozenset()
    boosted: str | None = None
    carried_by: str | None = None


@dataclass(frozen=True)
class EquationSpec:
    """An equation as the experiment file sees it.

    Attributes:
        name: Name of the class.
        formula: The equation, for people.
        fields: Its fields.
        parameters: Its parameters by name.
        options: Switches among ``pde_params`` that choose a form of the equation, with defaults.
        symmetries: What turns its solutions into solutions; by default nothing is claimed.
    """

    name: str
    formula: str
    fields: tuple[FieldRole, ...]
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    options: Mapping[str, bool] = field(default_factory=dict)
    symmetries: SymmetrySpec = SymmetrySpec()


_ISOTROPIC = frozenset({"translation", "reflection", "rotation"})
_DIFFUSIVITY = ParameterSpec("length²/time", positive=True)
_RATE = ParameterSpec("1/time")
_BUILT_IN = (
    EquationSpec(
        name="BurgersPDE",
        formula="u_t + a (u·∇)u = ν ∇²u − ∇φ",
        fields=(FieldRole("velocity", is_vector=True),),
        parameters={
            "viscosity": _DIFFUSIVITY,
            "advection": ParameterSpec("1", default=1.0),
            "potential": ParameterSpec("length²/time²", default=0.0, is_field=True),
        },
        symmetries=SymmetrySpec(
            _ISOTROPIC | {"galilean"}, boosted="velocity", carried_by="advection"
        ),
    ),
    EquationSpec(
        name="AdvectionDiffusionPDE",
        formula="c_t + v·∇c = D ∇²c",
        fields=(FieldRole("concentration"),),
        parameters={
            "diffusivity": _DIFFUSIVITY,
            "velocity": ParameterSpec("length/time", per_axis=True, is_field=True),
        },
        symmetries=SymmetrySpec(_ISOTROPIC),
    ),
    EquationSpec(
        name="DiffusionPDE",
        formula="u_t = ∇·(κ∇u), or κ ∇²u with conservative: false",
        fields=(FieldRole("u"),),
        parameters={
            "diffusivity": ParameterSpec("length²/time", positive=True, is_field=True),
        },
        options={"conservative": True},
        symmetries=SymmetrySpec(_ISOTROPIC),
    ),
    EquationSpec(
        name="AllenCahnPDE",
        formula="u_t = D ∇²u + r (u − u³)",
        fields=(FieldRole("u"),),
        parameters={"diffusivity": _DIFFUSIVITY, "reaction_rate": _RATE},
        symmetries=SymmetrySpec(_ISOTROPIC),
    ),
    EquationSpec(
        name="FisherKPPPDE",
        formula="u_t = D ∇²u + r u (1 − u)",
        fields=(FieldRole("u"),),
        parameters={"diffusivity": _DIFFUSIVITY, "growth_rate": _RATE},
        symmetries=SymmetrySpec(_ISOTROPIC),
    ),
    EquationSpec(
        name="FitzHughNagumoPDE",
        formula="u_t = D_u ∇²u + u − u³ − k − v, v_t = D_v ∇²v + u − v",
        fields=(FieldRole("u"), FieldRole("v")),
        parameters={
            "diffusivity_u": _DIFFUSIVITY,
            "diffusivity_v": _DIFFUSIVITY,
            "threshold": ParameterSpec("1/time"),
        },
        symmetries=SymmetrySpec(_ISOTROPIC),
    ),
    EquationSpec(
        name="GrayScottPDE",
        formula="a_t = D_a ∇²a − a b² + F (1 − a), b_t = D_b ∇²b + a b² − (F + K) b",
        fields=(FieldRole("a"), FieldRole("b")),
        parameters={
            "diffusivity_a": _DIFFUSIVITY,
            "diffusivity_b": _DIFFUSIVITY,
            "feed": _RATE,
            "kill": _RATE,
        },
        symmetries=SymmetrySpec(_ISOTROPIC),
    ),
    EquationSpec(
        name="KortewegDeVriesPDE",
        formula="u_t + a u u_x + b u_xxx = 0",
        fields=(FieldRole("u"),),
        parameters={
            "advection": ParameterSpec("length/time"),
            "dispersion": ParameterSpec("length³/time"),
        },
        # x → −x would need b → −b
        symmetries=SymmetrySpec(
            frozenset({"translation", "galilean"}), boosted="u", carried_by="advection"
        ),
    ),
    EquationSpec(
        name="KuramotoSivashinskyPDE",
        formula="u_t + a u u_x + b u_xx + c u_xxxx = 0",
        fields=(FieldRole("u"),),
        parameters={
            "advection": ParameterSpec("length/time", default=1.0),
            "second_order": ParameterSpec("length²/time", default=1.0),
            "fourth_order": ParameterSpec("length⁴/time", default=1.0, positive=True),
        },
        # u_x is a sum over the axes: turning one of several is another equation
        symmetries=SymmetrySpec(
            frozenset({"translation", "reflection", "galilean"}),
            single_axis=frozenset({"reflection"}),
            odd=frozenset({"u"}),
            boosted="u",
            carried_by="advection",
        ),
    ),
    EquationSpec(
        name="NavierStokesPDE",
        formula="u_t + (u·∇)u = −∇p + ν ∇²u + f, ∇·u = 0; ρ_t + u·∇ρ = D ∇²ρ, f ∋ β ρ",
        fields=(FieldRole("velocity", is_vector=True), FieldRole("density", is_optional=True)),
        parameters={
            "viscosity": _DIFFUSIVITY,
            "forcing": ParameterSpec(
                "length/time²",
                default=(0.0, 1.0),
                components=("amplitude", "wavenumber"),
                acts_along=(0,),
                varies_along=(1,),
            ),
            "buoyancy": ParameterSpec("length/time²", default=0.0, per_axis=True),
            "diffusivity": ParameterSpec("length²/time", default=0.0, positive=True),
        },
        options={"staggered": False},
        symmetries=SymmetrySpec(_ISOTROPIC | {"galilean"}, boosted="velocity"),
    ),
)
EQUATIONS: Mapping[str, EquationSpec] = {spec.name: spec for spec in _BUILT_IN}
