"""What each built-in equation is called, its fields, and its parameters with their units.

Kept apart from the solvers so that an experiment file is checked without importing them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ParameterSpec:
    """One scalar or vector parameter of an equation.

    Attributes:
        unit: Unit in terms of length, time and the field's own, e.g. ``length²/time``.
        default: Value where the experiment gives none; ``None`` demands one.
        positive: Whether only values of zero and above have a meaning.
        per_axis: Whether it has one component for each spatial axis.
    """

    unit: str
    default: float | None = None
    positive: bool = False
    per_axis: bool = False


@dataclass(frozen=True)
class FieldRole:
    """A field of an equation; data fields are matched to roles by name, else in order."""

    name: str
    is_vector: bool = False


@dataclass(frozen=True)
class EquationSpec:
    """An equation as the experiment file sees it."""

    name: str
    formula: str
    fields: tuple[FieldRole, ...]
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)


_BUILT_IN = (
    EquationSpec(
        name="BurgersPDE",
        formula="u_t + a (u·∇)u = ν ∇²u",
        fields=(FieldRole("velocity", is_vector=True),),
        parameters={
            "viscosity": ParameterSpec("length²/time", positive=True),
            "advection": ParameterSpec("1", default=1.0),
        },
    ),
    EquationSpec(
        name="AdvectionDiffusionPDE",
        formula="c_t + v·∇c = D ∇²c",
        fields=(FieldRole("concentration"),),
        parameters={
            "diffusivity": ParameterSpec("length²/time", positive=True),
            "velocity": ParameterSpec("length/time", per_axis=True),
        },
    ),
    EquationSpec(
        name="AllenCahnPDE",
        formula="u_t = D ∇²u + r (u − u³)",
        fields=(FieldRole("u"),),
        parameters={
            "diffusivity": ParameterSpec("length²/time", positive=True),
            "reaction_rate": ParameterSpec("1/time"),
        },
    ),
)
EQUATIONS: Mapping[str, EquationSpec] = {spec.name: spec for spec in _BUILT_IN}
