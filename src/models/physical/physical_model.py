"""A differentiable PDE solver whose parameters are torch parameters.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import torch
from phi.torch.flow import Field, math

from src.config import Experiment, parse_experiment
from src.config.equations import EquationSpec
from src.config.schema import NumericsParams
from src.data.fields import from_field, grid_of, layout_of, to_field
from src.data.grid import Grid
from src.errors import ConfigError, DivergenceError
from src.models.physical.parameter_values import initial_values, learnable_parameters
from src.models.physical.roles import match_roles, role_layouts
from src.models.physical.stepper import Natives, Stepper, Values
from src.numerics.discretization import Discretization, Operators
from src.numerics.stability import count_substeps, largest_stable_dt

# More steps than this between two frames mean that the state or a parameter has run away: a rollout
# that goes on would look as if it hung.
MAX_SUBSTEPS = 10_000


class PhysicalModel(torch.nn.Module, ABC):
    """An equation u_t = rate(u; parameters), discretized on the grid of the fields handed in.

    A subclass gives ``spec`` (fields, parameters, units) and :meth:`rate`; the hooks that bound
    the time step have defaults by the parameters' units.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.

    Attributes:
        spec: What the equation's fields and parameters are called.
        discretization: The scheme in use; set it to change the scheme.
        precision: ``single`` or ``double``, of rollouts.

    Raises:
        ConfigError: if a parameter has no value, or one that is not allowed.
    """

    spec: EquationSpec

    def __init__(self, config: Mapping[str, Any] | Experiment) -> None:
        super().__init__()
        self.experiment = parse_experiment(config)
        section = self.experiment.model.physical
        self.numerics = NumericsParams() if section is None else section.numerics
        self.precision: str = self.numerics.precision
        self.discretization = _from_settings(self.numerics)
        learnable = learnable_parameters(self.spec, self.experiment)
        for name, value in initial_values(self.spec, self.experiment).items():
            if hasattr(self, name):
                raise ConfigError(
                    f"{self.spec.name}: a parameter can't be called {name!r}: a model has an "
                    "attribute of that name"
                )
            self.register_parameter(
                name, torch.nn.Parameter(value, requires_grad=name in learnable)
            )
        self._steppers: dict[tuple[Any, ...], Stepper] = {}
        self.substeps_used = 0

    @abstractmethod
    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """Rate of change of every field [field/time].

        Parameters must be taken from the argument, never from ``self``: the step is compiled once
        and called with other values.

        Args:
            state: PhiML tensor by role; vectors have the dimension ``vector``.
            parameters: PhiML tensor by name; numbers an axis have the dimension ``vector``.
            operators: ``gradient(u, axis)``, ``laplacian(u)``, ``advect(velocity, u)``.
        """

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """Velocity of advection [length/time]; its largest magnitude bounds the time step.

        Default: the sum of the equation's vector fields and its parameters in length/time.
        """
        fields = [state[role.name] for role in self.spec.fields if role.is_vector]
        return sum([*fields, *self._with_unit(parameters, "length/time")], math.wrap(0.0))

    def bound_diffusivities(self, parameters: Values) -> Sequence[math.Tensor]:
        """Diffusivities, of which the largest counts; default: parameters in length²/time."""
        return self._with_unit(parameters, "length²/time")

    def bound_reaction(self, state: Values, parameters: Values) -> math.Tensor:
        """∂rate/∂u of the terms without derivatives [1/time]; default: parameters in 1/time."""
        return sum(map(math.abs, self._with_unit(parameters, "1/time")), math.wrap(0.0))

    def predict_trajectory(
        self, initial_fields: Mapping[str, Field], steps: int, dt: float
    ) -> dict[str, list[Field]]:
        """The fields at dt, 2 dt, … steps·dt after the given ones, which are not repeated.

        Differentiable with respect to the parameters that require a gradient; under
        ``torch.no_grad()`` nothing is recorded.

        Args:
            initial_fields: Cell-centred fields by name, possibly with the batch dimension
                ``window``.
            steps: Number of frames.
            dt: Time between frames [time].

        Raises:
            ConfigError: if the fields do not fit the equation, or the boundary is not supported.
            DivergenceError: naming the simulation, the frame and the parameters.
        """
        grid = grid_of(next(iter(initial_fields.values())))
        layouts = {name: layout_of(name, field) for name, field in initial_fields.items()}
        # PhiFlow casts what goes into and out of a field to the precision in force.
        bits = 32 if self.precision == "single" else 64
        with math.precision(bits):
            state = {
                name: from_field(field, grid, layouts[name])
                for name, field in initial_fields.items()
            }
        fields = match_roles(self.spec, list(state)).values()
        frames: dict[str, list[Field]] = {name: [] for name in fields}
        parameters = dict(self.named_parameters())
        for frame in self.rollout(state, grid, steps, dt, parameters):
            with math.precision(bits):
                for name, native in frame.items():
                    frames[name].append(to_field(native, grid, layouts[name]))
        return frames

    @overload
    def rollout(
        self,
        state: torch.Tensor,
        grid: Grid,
        steps: int,
        dt: float,
        parameters: Mapping[str, torch.Tensor] | None = None,
        entries: Sequence[str] | None = None,
    ) -> Iterator[torch.Tensor]: ...

    @overload
    def rollout(
        self,
        state: Mapping[str, torch.Tensor],
        grid: Grid,
        steps: int,
        dt: float,
        parameters: Mapping[str, torch.Tensor] | None = None,
        entries: Sequence[str] | None = None,
    ) -> Iterator[Natives]: ...

    def rollout(
        self,
        state: torch.Tensor | Mapping[str, torch.Tensor],
        grid: Grid,
        steps: int,
        dt: float,
        parameters: Mapping[str, torch.Tensor] | None = None,
        entries: Sequence[str] | None = None,
    ) -> Iterator[torch.Tensor] | Iterator[Natives]:
        """Frame after frame, none of which is kept.

        Args:
            state: ``[(B,) C, *space]`` by field name; or the tensor alone for one field.
            grid: Grid of every field.
            steps: Number of frames.
            dt: Time between frames [time].
            parameters: Values to use, possibly with derivatives; the model's own, detached, by
                default.
            entries: What the entries of the batch are called in messages; by default
                ``simulation 0``, ``simulation 1``, ….

        Yields:
            The state at dt, 2 dt, …, in the form of ``state`` and in the model's precision.
        """
        if isinstance(state, torch.Tensor):
            role = self.spec.fields[0].name
            frames = self._rollout({role: state}, grid, steps, dt, parameters, entries)
            return (frame[role] for frame in frames)
        return self._rollout(state, grid, steps, dt, parameters, entries)

    def set_parameters(self, values: Mapping[str, torch.Tensor]) -> None:
        """Take over values by name; numbers an axis may replace a scalar."""
        for name, value in values.items():
            parameter = self.get_parameter(name)
            parameter.data = value.detach().to(torch.float64).reshape(value.shape).clone()

    def expand_per_axis(self, num_axes: int) -> None:
        """Give every parameter with a number for each axis its ``num_axes`` components."""
        for name, spec in self.spec.parameters.items():
            parameter = self.get_parameter(name)
            if spec.per_axis and parameter.ndim == 0:
                parameter.data = parameter.data.repeat(num_axes)

    def _rollout(
        self,
        state: Mapping[str, torch.Tensor],
        grid: Grid,
        steps: int,
        dt: float,
        parameters: Mapping[str, torch.Tensor] | None,
        entries: Sequence[str] | None,
    ) -> Iterator[Natives]:
        roles = match_roles(self.spec, list(state))
        stepper = self._stepper(grid)
        batched = next(iter(state.values())).ndim == len(grid.axes) + 2
        now = {}
        for role, name in roles.items():
            native = state[name] if batched else state[name].unsqueeze(0)
            layout = stepper.layouts[role]
            if native.shape[1:] != (layout.channels, *grid.shape):
                raise ConfigError(
                    f"data.fields: {name!r} has the shape {tuple(native.shape[1:])}, as {role} of "
                    f"{self.spec.name} it needs {(layout.channels, *grid.shape)}"
                )
            now[role] = native.to(stepper.dtype)
        if parameters is None:
            parameters = {name: value.detach() for name, value in self.named_parameters()}
        values = self._checked(parameters, len(grid.axes))
        self._check_finite(now, values, entries, 0)
        for frame in range(1, steps + 1):
            substeps = self._substeps(stepper, now, values, dt, frame)
            now = stepper.advance(now, values, dt, substeps)
            self._check_finite(now, values, entries, frame)
            yield {name: now[role] if batched else now[role][0] for role, name in roles.items()}

    def _stepper(self, grid: Grid) -> Stepper:
        dtype = torch.float32 if self.precision == "single" else torch.float64
        key = (grid, self.discretization, dtype)
        if key not in self._steppers:
            operators = self.discretization.operators(grid)
            layouts = role_layouts(self.spec, grid)
            self._steppers[key] = Stepper(self.rate, grid, layouts, operators, dtype)
        return self._steppers[key]

    def _checked(self, parameters: Mapping[str, torch.Tensor], num_axes: int) -> Natives:
        for name, value in parameters.items():
            if value.ndim and value.shape != (num_axes,):
                raise ConfigError(
                    f"model.physical.pde_params.{name}: {value.tolist()}: the data have "
                    f"{num_axes} axes"
                )
        return {
            name: value.expand(num_axes) if self.spec.parameters[name].per_axis else value
            for name, value in parameters.items()
        }

    def _substeps(
        self, stepper: Stepper, state: Natives, parameters: Natives, dt: float, frame: int
    ) -> int:
        if self.numerics.substeps is not None:
            self.substeps_used = self.numerics.substeps
            return self.numerics.substeps
        with torch.no_grad():
            values = stepper.to_values({role: _plain(native) for role, native in state.items()})
            wrapped = stepper.wrap({name: _plain(value) for name, value in parameters.items()})
            speed = self.bound_speed(values, wrapped)
            limit = largest_stable_dt(
                [_largest(_component(speed, axis)) for axis in stepper.grid.axes],
                max((_largest(value) for value in self.bound_diffusivities(wrapped)), default=0.0),
                _largest(self.bound_reaction(values, wrapped)),
                stepper.grid.spacing,
                stepper.operators,
            )
        substeps = count_substeps(dt, limit)
        if substeps is None or substeps > MAX_SUBSTEPS:
            raise DivergenceError(
                f"{self.spec.name}: frame {frame} needs more than {MAX_SUBSTEPS} time steps to be "
                f"stable ({_describe(parameters)}; largest stable step {limit:.3g}, dt {dt:.3g})"
            )
        self.substeps_used = substeps
        return substeps

    def _check_finite(
        self, state: Natives, parameters: Natives, entries: Sequence[str] | None, frame: int
    ) -> None:
        for role, native in state.items():
            finite = torch.isfinite(_plain(native)).flatten(1).all(1)
            if not bool(finite.all()):
                first = int(torch.nonzero(~finite)[0])
                entry = f"simulation {first}" if entries is None else entries[first]
                what = f"diverged in frame {frame}" if frame else "is not finite at the start"
                raise DivergenceError(
                    f"{self.spec.name}: {entry} {what}: {role} is not finite "
                    f"({_describe(parameters)}; {self.substeps_used} time steps a frame)"
                )

    def _with_unit(self, parameters: Values, unit: str) -> list[math.Tensor]:
        return [
            parameters[name] for name, spec in self.spec.parameters.items() if spec.unit == unit
        ]

    def __getstate__(self) -> dict[str, Any]:
        # Compiled steps can be neither copied nor stored; they are made again where needed.
        return {**self.__dict__, "_steppers": {}}


def _from_settings(numerics: NumericsParams) -> Discretization:
    if numerics.scheme == "spectral":
        if numerics.order is not None:
            raise ConfigError(
                f"model.physical.numerics.order: {numerics.order}: the spectral scheme has none"
            )
        return Discretization("spectral", None)
    return Discretization() if numerics.order is None else Discretization(order=numerics.order)


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """The value alone, without forward or reverse derivatives."""
    return torch.autograd.forward_ad.unpack_dual(tensor).primal.detach()


def _component(speed: math.Tensor, axis: str) -> math.Tensor:
    return speed.vector[axis] if "vector" in speed.shape else speed


def _largest(value: math.Tensor) -> float:
    return float(math.max(math.abs(value), value.shape))


def _describe(parameters: Natives) -> str:
    return ", ".join(f"{name}={_plain(value).tolist()}" for name, value in parameters.items())
