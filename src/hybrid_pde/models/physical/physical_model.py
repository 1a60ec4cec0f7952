"""A differentiable PDE solver whose parameters are torch parameters.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import torch
from phi.torch.flow import Field, math

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.config.schema import NumericsParams
from hybrid_pde.data.field_conversion import from_field, grid_of, layout_of, to_field
from hybrid_pde.data.staggered_conversion import to_staggered
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.coefficients import LinearTerms, Natives, Values
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.initial_parameters import (
    initial_values,
    learnable_parameters,
    pde_options,
)
from hybrid_pde.models.physical.known_conditions import conditions_of, split_known
from hybrid_pde.models.physical.solver import Conditions, Course, Solver
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.operators import Operators


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
        self.discretization = _initial_scheme(self.numerics)
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
        self.options = pde_options(self.spec, self.experiment)
        self._solver = Solver(self)

    @abstractmethod
    def rate(self, state: Values, parameters: Values, operators: Operators) -> Values:
        """Rate of change of every field [field/time].

        Parameters must be taken from the argument, never from ``self``: the step is compiled once
        and called with other values.

        Args:
            state: PhiML tensor by role; vectors have the dimension ``vector``.
            parameters: PhiML tensor by name; numbers an axis have the dimension ``vector``, named
                numbers the dimension ``component``, fields the spatial dimensions.
            operators: Derivatives, see :class:`hybrid_pde.numerics.operators.Operators`.
        """

    def bound_speed(self, state: Values, parameters: Values) -> math.Tensor:
        """Velocity of advection [length/time]; its largest magnitude bounds the time step.

        It is also what the semi-Lagrangian schemes transport every field with. Default: the sum of
        the equation's vector fields and its parameters in length/time.
        """
        fields = [state[role.name] for role in self.spec.fields if role.is_vector]
        return sum([*fields, *self._with_unit(parameters, "length/time")], math.wrap(0.0))

    def bound_diffusivities(self, parameters: Values) -> Sequence[math.Tensor]:
        """Diffusivities, of which the largest counts; default: parameters in length²/time."""
        return self._with_unit(parameters, "length²/time")

    def bound_reaction(self, state: Values, parameters: Values) -> math.Tensor:
        """∂rate/∂u of the terms without derivatives [1/time]; default: parameters in 1/time."""
        return sum(map(math.abs, self._with_unit(parameters, "1/time")), math.wrap(0.0))

    def linear_terms(self, parameters: Values) -> LinearTerms:
        """The terms of the rate with constant coefficients, by role and order of derivative.

        Order 0 is u, 1 with a vector v is v·∇u, 2 is ∇²u, 3 is Σ ∂³u/∂x_i³, 4 is ∇⁴u. The
        exponential integrator of the spectral scheme solves them exactly, so that they do not bound
        its time step. A term may be left out, and one with a coefficient that varies in space must
        be. Default: none.
        """
        return {}

    def constrain(self, before: Values, moved: Values, operators: Operators) -> Values:
        """The state after a step of transport, within what the equation demands of every state.

        Only for schemes that transport fields apart from the rest of the rate. Default: as it is.

        Args:
            before: The state before transport.
            moved: The state after it.
            operators: Derivatives.
        """
        return moved

    def predict_trajectory(
        self, initial_fields: Mapping[str, Any], steps: int, dt: float
    ) -> dict[str, list[Field]]:
        """The fields at dt, 2 dt, … steps·dt after the given ones, which are not repeated.

        Differentiable with respect to the parameters that require a gradient; under
        ``torch.no_grad()`` nothing is recorded.

        Args:
            initial_fields: Cell-centred fields by name, possibly with the batch dimension
                ``window``; a velocity may be a staggered grid, and then stays one. An entry with
                the name of a parameter, or of a fixed boundary value (``boundary.x.lower``), is its
                known value in these simulations: a PhiML tensor, a field, or a list of
                ``steps + 1`` of them for what changes in time.
            steps: Number of frames.
            dt: Time between frames [time].

        Raises:
            ConfigError: if the fields do not fit the equation, or the boundary is not supported.
            DivergenceError: naming the simulation, the frame and the parameters.
        """
        fields, known = split_known(self.spec, initial_fields)
        grid = grid_of(next(iter(fields.values())))
        layouts = {name: layout_of(name, field) for name, field in fields.items()}
        # PhiFlow casts what goes into and out of a field to the precision in force.
        bits = 32 if self.precision == "single" else 64
        with math.precision(bits):
            state = {name: from_field(f, grid, layouts[name]) for name, f in fields.items()}
            conditions = conditions_of(known, grid, next(iter(state.values())))
        names = match_roles(self.spec, list(state)).values()
        frames: dict[str, list[Field]] = {name: [] for name in names}
        parameters = dict(self.named_parameters())
        for frame in self.rollout(state, grid, steps, dt, parameters, conditions=conditions):
            with math.precision(bits):
                for name, native in frame.items():
                    like = fields[name]
                    frames[name].append(
                        to_staggered(native, grid, like.boundary)
                        if like.is_staggered
                        else to_field(native, grid, layouts[name])
                    )
        return frames

    @overload
    def rollout(
        self,
        state: torch.Tensor,
        grid: Grid,
        steps: int,
        dt: float | Sequence[float],
        parameters: Mapping[str, torch.Tensor] | None = None,
        entries: Sequence[str] | None = None,
        conditions: Conditions | None = None,
    ) -> Iterator[torch.Tensor]: ...

    @overload
    def rollout(
        self,
        state: Mapping[str, torch.Tensor],
        grid: Grid,
        steps: int,
        dt: float | Sequence[float],
        parameters: Mapping[str, torch.Tensor] | None = None,
        entries: Sequence[str] | None = None,
        conditions: Conditions | None = None,
    ) -> Iterator[Natives]: ...

    def rollout(
        self,
        state: torch.Tensor | Mapping[str, torch.Tensor],
        grid: Grid,
        steps: int,
        dt: float | Sequence[float],
        parameters: Mapping[str, torch.Tensor] | None = None,
        entries: Sequence[str] | None = None,
        conditions: Conditions | None = None,
    ) -> Iterator[torch.Tensor] | Iterator[Natives]:
        """Frame after frame, none of which is kept.

        Args:
            state: ``[(B,) C, *space]`` by field name; or the tensor alone for one field.
            grid: Grid of every field.
            steps: Number of frames.
            dt: Time between frames [time]; or between each two of them.
            parameters: Values to use, possibly with derivatives; the model's own, detached, by
                default.
            entries: What the entries of the batch are called in messages; by default
                ``simulation 0``, ``simulation 1``, ….
            conditions: What differs from simulation to simulation.

        Yields:
            The state at dt, 2 dt, …, in the form of ``state`` and in the model's precision.
        """
        if parameters is None:
            parameters = {name: value.detach() for name, value in self.named_parameters()}
        intervals = [float(dt)] * steps if isinstance(dt, int | float) else list(dt)
        assert len(intervals) == steps, f"{len(intervals)} intervals, {steps} steps"
        course = Course(grid, intervals, parameters, conditions or Conditions(), entries)
        if isinstance(state, torch.Tensor):
            role = self.spec.fields[0].name
            return (frame[role] for frame in self._solver.rollout({role: state}, course))
        return self._solver.rollout(state, course)

    @property
    def substeps_used(self) -> int:
        """Time steps in the last frame of the last rollout."""
        return self._solver.substeps_used

    @property
    def time_stepping_used(self) -> str:
        """Name of the integrator of the last rollout."""
        stages = self._solver.stages_used
        if stages is None:
            return self.discretization.time_stepping
        return f"runge-kutta-chebyshev, {stages} stages"

    def set_parameters(self, values: Mapping[str, torch.Tensor]) -> None:
        """Take over values by name; numbers an axis, or a field, may replace a scalar."""
        for name, value in values.items():
            parameter = self.get_parameter(name)
            parameter.data = value.detach().to(torch.float64).reshape(value.shape).clone()

    def expand_per_axis(self, num_axes: int) -> None:
        """Give every parameter with a number for each axis its ``num_axes`` components."""
        for name, spec in self.spec.parameters.items():
            parameter = self.get_parameter(name)
            if spec.per_axis and parameter.ndim == 0:
                parameter.data = parameter.data.repeat(num_axes)

    def _with_unit(self, parameters: Values, unit: str) -> list[math.Tensor]:
        return [
            parameters[name] for name, spec in self.spec.parameters.items() if spec.unit == unit
        ]

    def __getstate__(self) -> dict[str, Any]:
        # Compiled steps can be neither copied nor stored; they are made again where needed.
        return {key: value for key, value in self.__dict__.items() if key != "_solver"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._solver = Solver(self)


def _initial_scheme(numerics: NumericsParams) -> Discretization:
    """The scheme asked for; for ``auto`` the differences, until the data choose."""
    scheme = "finite_difference" if numerics.scheme == "auto" else numerics.scheme
    return Discretization.of(scheme, numerics.order, numerics.refine)
