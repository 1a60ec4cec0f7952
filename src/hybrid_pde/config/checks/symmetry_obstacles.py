"""Reasons why a symmetry of an equation does not hold: walls, coefficients, unknown fields.

A coefficient with a direction (a wind, a force) breaks reflections and rotations that involve its
axis; one that varies in space breaks all symmetries along the axes on which it varies. A vector
that is an input of the surrogate is transformed with the window and breaks none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hybrid_pde.config.checks.equation import fields_by_role
from hybrid_pde.config.derived import DIAGNOSTICS
from hybrid_pde.config.equations import EquationSpec, ParameterSpec, SymmetrySpec
from hybrid_pde.config.schema import Experiment

PERIODIC = "periodic"
SPACING_TOLERANCE = 1e-6  # relative; smaller differences of spacings are rounding
# Without an equation the user is trusted: vectors rotate, scalars are invariant.
UNKNOWN_EQUATION = EquationSpec(
    "the equation", "", (),
    symmetries=SymmetrySpec(frozenset({"translation", "reflection", "rotation"})),
)  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """An axis of the grid: name, number of points, spacing [length], boundary conditions."""

    name: str
    points: int
    spacing: float
    sides: tuple[str | float, str | float]
    nodes_on_boundary: bool = False


@dataclass(frozen=True)
class Box:
    """Properties of the data that decide which symmetries hold.

    Attributes:
        axes: The axes of the grid.
        vectors: Fields with one component per axis.
        partial: Fields with components for some axes only.
        static: Fields that are constant in time.
        known: For each per-simulation parameter or boundary value, whether it varies in space.
    """

    axes: tuple[Axis, ...]
    vectors: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    static: frozenset[str] = frozenset()
    known: Mapping[str, bool] = field(default_factory=dict)


class Obstacles:
    """Reasons why symmetries of an equation do not hold for given data.

    Args:
        experiment: The typed experiment.
        spec: The equation.
        box: Properties of the data.

    Attributes:
        vectors: Fields with components that transform as a vector.
        odd: Scalar fields that change sign under a reflection.
        boosted: The field to which a constant velocity is added.
    """

    def __init__(self, experiment: Experiment, spec: EquationSpec, box: Box) -> None:
        self._experiment, self._spec, self._box = experiment, spec, box
        synthetic = experiment.model.synthetic
        self._inputs = {} if synthetic is None else synthetic.input_specs
        roles = fields_by_role(spec, experiment.data.fields)
        self._matched = {role: name for role, name in roles.items() if name is not None}
        symmetries, is_line = spec.symmetries, len(box.axes) == 1
        by_role = {role.name for role in spec.fields if role.is_vector} if is_line else set()
        # in 1D a velocity may be stored as a scalar
        self.vectors = box.vectors | {n for role, n in self._matched.items() if role in by_role}
        self.odd = frozenset(n for role, n in self._matched.items() if role in symmetries.odd)
        self.boosted = self._matched.get(symmetries.boosted or "")
        self._points: dict[int, str] = {}
        self._varies: dict[int, str] = {}
        for name, parameter in spec.parameters.items():
            points, varies = self._directions(name, parameter)
            self._points |= dict.fromkeys(points, name)
            self._varies |= dict.fromkeys(varies, name)

    def obstacle(self, symmetry: str, axes: tuple[int, ...]) -> str | None:
        """Reason why a symmetry does not hold along the axes; ``None`` if it does."""
        if symmetry in self._spec.symmetries.single_axis and len(self._box.axes) > 1:
            return f"{self._spec.name} has it in 1D only"
        for axis in axes:
            if axis in self._varies:
                return f"{self._varies[axis]} varies along {self._box.axes[axis].name}"
        if symmetry == "translation":
            return self._translation_obstacle(axes[0])
        if symmetry == "galilean":
            return self._galilean_obstacle(axes[0])
        for axis in axes:
            if axis in self._points:
                return f"{self._points[axis]} points along {self._box.axes[axis].name}"
        return self._wall_obstacle(axes) or self._parity_obstacle(symmetry, axes)

    def carried_by(self) -> float:
        """Advection speed of all fields per unit of added velocity."""
        name = self._spec.symmetries.carried_by
        numbers = [] if name is None else self._numbers(name, self._spec.parameters[name])
        return numbers[0] if numbers else 1.0

    def _translation_obstacle(self, axis: int) -> str | None:
        each = self._box.axes[axis]
        return None if each.sides[0] == PERIODIC else f"{each.name} has walls"

    def _galilean_obstacle(self, axis: int) -> str | None:
        walls = [
            wall for i in range(len(self._box.axes)) if (wall := self._translation_obstacle(i))
        ]
        if walls:
            return walls[0]
        section = self._experiment.model.synthetic
        if self.boosted is None or (section and self.boosted not in section.output_specs):
            return "the surrogate does not predict the velocity"
        if self.boosted not in self.vectors and self._varies:
            # a scalar velocity acts along every axis
            place, name = next(iter(self._varies.items()))
            return f"{name} varies along {self._box.axes[place].name}"
        if fixed := sorted(self._box.static & {*self._inputs}):
            return f"{fixed[0]} is constant in time and does not move"
        if other := self._without_role():
            return (
                f"{other[0]} is not a field of {self._spec.name}, so its transformation is unknown"
            )
        rate = self._spec.symmetries.carried_by
        if rate is not None and not self._numbers(rate, self._spec.parameters[rate]):
            return f"{rate} must be a fixed number in model.physical.pde_params"
        if _hides_values(self._experiment):
            return "data.observations hides values, which cannot be shifted by fractions of a cell"
        return None

    def _wall_obstacle(self, axes: tuple[int, ...]) -> str | None:
        """Reason why reflections or rotations change the walls: conditions, spacing, values."""
        box, chosen = self._box, [self._box.axes[axis] for axis in axes]
        first = chosen[0]
        for each in chosen:
            if each.sides[0] != each.sides[1]:
                return f"{each.name} ends with {each.sides[0]} and {each.sides[1]}"
            if each.sides != first.sides or each.nodes_on_boundary != first.nodes_on_boundary:
                return f"{first.name} and {each.name} have different boundaries"
            if each.points != first.points:
                counts = f"{first.points} and {each.points}"
                return f"{first.name} and {each.name} have {counts} points"
            if abs(each.spacing / first.spacing - 1) > SPACING_TOLERANCE:
                spacings = f"{first.spacing:g} and {each.spacing:g}"
                return f"{first.name} and {each.name} have the spacings {spacings}"
        has_signs = bool(self.odd or self.vectors & {*self._inputs, *self._matched.values()})
        for name in (*self._experiment.data.known_parameters, *box.known):
            if name.startswith("boundary.") and (
                has_signs or name.split(".")[1] in [each.name for each in chosen]
            ):
                return f"simulations have different values of {name}"
        for each in box.axes if has_signs else ():
            for side in each.sides:
                if not isinstance(side, str) and side != 0.0:
                    return f"the boundary value {side:g} of {each.name} changes sign"
        return None

    def _parity_obstacle(self, symmetry: str, axes: tuple[int, ...]) -> str | None:
        """Fields with unknown behaviour under a reflection or rotation."""
        if some := sorted(self._box.partial):
            return f"{some[0]} has no component for some axes"
        # a pressure is a scalar; other fields may not be (a vorticity changes sign)
        other = [name for name in self._without_role() if name not in DIAGNOSTICS]
        if symmetry == "reflection" and other and self._spec is not UNKNOWN_EQUATION:
            return (
                f"{other[0]} is not a field of {self._spec.name}, so its transformation is unknown"
            )
        return None

    def _without_role(self) -> list[str]:
        """Predicted fields that change in time and are not fields of the equation."""
        section = self._experiment.model.synthetic
        seen = set() if section is None else {*section.output_specs}
        return sorted(seen - {*self._matched.values()} - self._box.static)

    def _directions(self, name: str, parameter: ParameterSpec) -> tuple[list[int], list[int]]:
        """Axes along which a parameter points, and along which it varies."""
        axes = [*range(len(self._box.axes))]
        if name in self._inputs and not parameter.components:
            return [], []  # it is transformed with the window
        learnable = {
            each.name: each
            for each in self._experiment.trainer_params.physical.learnable_parameters
        }
        is_field = name in learnable and learnable[name].parametrization is not None
        if is_field or self._box.known.get(name, False):
            return axes, axes
        numbers = self._numbers(name, parameter)
        if parameter.per_axis:
            each = numbers * len(axes) if len(numbers) == 1 else numbers
            return [i for i in axes if not numbers or i >= len(each) or each[i] != 0], []
        if numbers and numbers[0] == 0.0:
            return [], []
        points, varies = ({*p} & {*axes} for p in (parameter.acts_along, parameter.varies_along))
        return sorted(points | varies), sorted(varies)

    def _numbers(self, name: str, parameter: ParameterSpec) -> list[float]:
        """Value of a parameter that is the same in all simulations, else an empty list."""
        experiment = self._experiment
        learnable = [p.name for p in experiment.trainer_params.physical.learnable_parameters]
        sampled = experiment.augmentation.parameters
        if name in [*learnable, *experiment.data.known_parameters, *self._box.known] or (
            not isinstance(sampled, str) and name in sampled
        ):
            return []
        physical = experiment.model.physical
        given = parameter.default
        if physical is not None:
            value = physical.pde_params.get(name, given)
            given = tuple(value) if isinstance(value, list) else value
        if given is None:
            return []
        return [*given] if isinstance(given, tuple) else [float(given)]


def _hides_values(experiment: Experiment) -> bool:
    """True if windows have weights because some values are not observed."""
    seen = experiment.data.observations
    return seen is not None and (seen.hides or seen.missing == "mask")
