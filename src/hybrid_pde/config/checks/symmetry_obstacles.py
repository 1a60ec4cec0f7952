"""What keeps a symmetry of an equation from holding: walls, coefficients, unknown fields.

A coefficient that points somewhere (a wind, a force) leaves the reflections and rotations of the
other axes; one that varies in space leaves nothing along the axes on which it does. A vector that
the surrogate gets as an input turns with the window, and breaks nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hybrid_pde.config.checks.equation import fields_by_role
from hybrid_pde.config.derived import DIAGNOSTICS
from hybrid_pde.config.equations import EquationSpec, ParameterSpec, SymmetrySpec
from hybrid_pde.config.schema import Experiment

PERIODIC = "periodic"
SPACING_TOLERANCE = 1e-6  # two spacings that differ by less are the same
# Where no equation is named: what the user says is taken, vectors turn and scalars do not change.
UNNAMED = EquationSpec(
    "the equation", "", (),
    symmetries=SymmetrySpec(frozenset({"translation", "reflection", "rotation"})),
)  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """One axis of the grid: its name, points, spacing [length], the conditions at its ends."""

    name: str
    points: int
    spacing: float
    sides: tuple[str | float, str | float]
    nodes_on_boundary: bool = False


@dataclass(frozen=True)
class Box:
    """What of the data decides which symmetries hold.

    Attributes:
        axes: The axes of the grid.
        vectors: Fields with a component for each axis.
        partial: Fields with components for some axes only.
        static: Fields of the data that are constant in time.
        known: Names of what simulations bring along, and whether it varies in space.
    """

    axes: tuple[Axis, ...]
    vectors: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    static: frozenset[str] = frozenset()
    known: Mapping[str, bool] = field(default_factory=dict)


class Obstacles:
    """What keeps the symmetries of one equation from holding on one box.

    Args:
        experiment: The typed experiment.
        spec: The equation.
        box: The data.

    Attributes:
        vectors: Fields whose components turn.
        odd: Scalar fields that change sign under a reflection.
        boosted: The field that a constant velocity is added to.
    """

    def __init__(self, experiment: Experiment, spec: EquationSpec, box: Box) -> None:
        self._experiment, self._spec, self._box = experiment, spec, box
        synthetic = experiment.model.synthetic
        self._inputs = {} if synthetic is None else synthetic.input_specs
        roles = fields_by_role(spec, experiment.data.fields)
        self._played = {role: name for role, name in roles.items() if name is not None}
        symmetries, is_line = spec.symmetries, len(box.axes) == 1
        by_role = {role.name for role in spec.fields if role.is_vector} if is_line else set()
        # on a line a velocity may be kept as a scalar
        self.vectors = box.vectors | {n for role, n in self._played.items() if role in by_role}
        self.odd = frozenset(n for role, n in self._played.items() if role in symmetries.odd)
        self.boosted = self._played.get(symmetries.boosted or "")
        self._points: dict[int, str] = {}
        self._varies: dict[int, str] = {}
        for name, parameter in spec.parameters.items():
            points, varies = self._directions(name, parameter)
            self._points |= dict.fromkeys(points, name)
            self._varies |= dict.fromkeys(varies, name)

    def obstacle(self, symmetry: str, axes: tuple[int, ...]) -> str | None:
        """Why a symmetry does not hold along some axes; ``None`` where it does."""
        if symmetry in self._spec.symmetries.single_axis and len(self._box.axes) > 1:
            return f"{self._spec.name} has it on one axis only"
        for axis in axes:
            if axis in self._varies:
                return f"{self._varies[axis]} varies along {self._box.axes[axis].name}"
        if symmetry == "translation":
            return self._wall(axes[0])
        if symmetry == "galilean":
            return self._galilean(axes[0])
        for axis in axes:
            if axis in self._points:
                return f"{self._points[axis]} points along {self._box.axes[axis].name}"
        return self._walls_that_differ(axes) or self._unturned(symmetry, axes)

    def carried_by(self) -> float:
        """Value of the parameter that says how fast everything moves."""
        name = self._spec.symmetries.carried_by
        numbers = [] if name is None else self._numbers(name, self._spec.parameters[name])
        return numbers[0] if numbers else 1.0

    def _wall(self, axis: int) -> str | None:
        each = self._box.axes[axis]
        return None if each.sides[0] == PERIODIC else f"{each.name} has walls"

    def _galilean(self, axis: int) -> str | None:
        walls = [wall for i in range(len(self._box.axes)) if (wall := self._wall(i))]
        if walls:
            return walls[0]
        section = self._experiment.model.synthetic
        if self.boosted is None or (section and self.boosted not in section.output_specs):
            return "the surrogate has no field for the velocity that is added"
        if self.boosted not in self.vectors and self._varies:
            # the velocity of a scalar has every axis
            place, name = next(iter(self._varies.items()))
            return f"{name} varies along {self._box.axes[place].name}"
        if standing := sorted(self._box.static & {*self._inputs}):
            return f"{standing[0]} does not move along"
        if other := self._without_role():
            return f"{other[0]} plays no role in {self._spec.name}, so its change is unknown"
        rate = self._spec.symmetries.carried_by
        if rate is not None and not self._numbers(rate, self._spec.parameters[rate]):
            return f"{rate} must be one number that is given in model.physical.pde_params"
        if _hides(self._experiment):
            return "data.observations hides values, which cannot be moved by parts of a cell"
        return None

    def _walls_that_differ(self, axes: tuple[int, ...]) -> str | None:
        """Whether a wall is changed: another condition, or a value that changes sign."""
        box, chosen = self._box, [self._box.axes[axis] for axis in axes]
        first = chosen[0]
        for each in chosen:
            if each.sides[0] != each.sides[1]:
                return f"{each.name} ends with {each.sides[0]} and {each.sides[1]}"
            if each.sides != first.sides or each.nodes_on_boundary != first.nodes_on_boundary:
                return f"{first.name} and {each.name} have other boundaries"
            if each.points != first.points:
                counts = f"{first.points} and {each.points}"
                return f"{first.name} and {each.name} have {counts} points"
            if abs(each.spacing / first.spacing - 1) > SPACING_TOLERANCE:
                spacings = f"{first.spacing:g} and {each.spacing:g}"
                return f"{first.name} and {each.name} have the spacings {spacings}"
        has_signs = bool(self.odd or self.vectors & {*self._inputs, *self._played.values()})
        for name in (*self._experiment.data.known_parameters, *box.known):
            if name.startswith("boundary.") and (
                has_signs or name.split(".")[1] in [each.name for each in chosen]
            ):
                return f"simulations bring {name} along"
        for each in box.axes if has_signs else ():
            for side in each.sides:
                if not isinstance(side, str) and side != 0.0:
                    return f"a wall of {each.name} holds {side:g}, which changes sign"
        return None

    def _unturned(self, symmetry: str, axes: tuple[int, ...]) -> str | None:
        """Fields of which it is unknown what a reflection or rotation makes of them."""
        if some := sorted(self._box.partial):
            return f"{some[0]} has no component for some axes"
        # a pressure is a scalar; of other fields (a vorticity is none) nothing is known
        other = [name for name in self._without_role() if name not in DIAGNOSTICS]
        if symmetry == "reflection" and other and self._spec is not UNNAMED:
            return f"{other[0]} plays no role in {self._spec.name}, so its change is unknown"
        return None

    def _without_role(self) -> list[str]:
        """Fields in the windows that change in time and that the equation does not know."""
        section = self._experiment.model.synthetic
        seen = set() if section is None else {*section.output_specs}
        return sorted(seen - {*self._played.values()} - self._box.static)

    def _directions(self, name: str, parameter: ParameterSpec) -> tuple[list[int], list[int]]:
        """Axes that a parameter points along, and those that it varies along."""
        axes = [*range(len(self._box.axes))]
        if name in self._inputs and not parameter.components:
            return [], []  # it turns and moves with the window
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
        """The value of a parameter, if it is the same in all simulations; else nothing."""
        experiment = self._experiment
        learnable = [p.name for p in experiment.trainer_params.physical.learnable_parameters]
        drawn = experiment.augmentation.parameters
        if name in [*learnable, *experiment.data.known_parameters, *self._box.known] or (
            not isinstance(drawn, str) and name in drawn
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


def _hides(experiment: Experiment) -> bool:
    """Whether windows have weights: values that nobody has seen."""
    seen = experiment.data.observations
    return seen is not None and (seen.hides or seen.missing == "mask")
