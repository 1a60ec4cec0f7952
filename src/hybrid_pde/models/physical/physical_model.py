"""Differentiable PDE solver with the equation's parameters as torch parameters.

Layout of native tensors: ``B`` simulations, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``.
"""

import copyreg
import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, overload

import torch
from phi.torch.flow import Field, math

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.checks.equation import (
    domain_errors,
    scheme_errors,
    staggered_conflict,
)
from hybrid_pde.config.schema import NumericsParams
from hybrid_pde.data.field_conversion import (
    empty_field,
    from_field,
    grid_of,
    layout_of,
    next_frame,
)
from hybrid_pde.data.staggered_conversion import to_staggered
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.coefficients import Directions, Natives
from hybrid_pde.models.physical.conditions import Conditions, conditions_of, split_known
from hybrid_pde.models.physical.equation import Equation
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.initial_parameters import (
    initial_values,
    learnable_parameters,
    pde_options,
)
from hybrid_pde.models.physical.solver import RolloutSpec, Solver
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.workload import Workload

if TYPE_CHECKING:
    import xarray as xr

_FORECASTER = "hybrid_pde.models.physical.physical_forecaster"


class PhysicalModel(torch.nn.Module, Equation):
    """An equation u_t = rate(u; parameters), discretized on the grid of the given fields.

    :func:`physical_model_class` makes one of an :class:`Equation`, which needs no PyTorch. A direct
    subclass gives ``spec`` and ``rate`` itself; see :class:`Equation` for the methods that bound
    the time step.

    Args:
        config: The experiment, a plain mapping or an :class:`Experiment`.

    Attributes:
        discretization: The scheme in use; set it to change the scheme.
        precision: ``single`` or ``double``, of rollouts.
        data: The data that a loaded model was calibrated on.

    Raises:
        ConfigError: if a parameter has no value, or one that is not allowed.
    """

    def __init__(self, config: Mapping[str, Any] | Experiment) -> None:
        super().__init__()
        self.data: DataDescription | None = None
        self.experiment = parse_experiment(config)
        section = self.experiment.model.physical
        self.numerics = NumericsParams() if section is None else section.numerics
        self.precision: str = self.numerics.precision
        self.options = pde_options(self.spec, self.experiment)
        self.discretization = self._initial_scheme()
        learnable = learnable_parameters(self.spec, self.experiment)
        for name, value in initial_values(self.spec, self.experiment).items():
            if hasattr(self, name):
                raise ConfigError(
                    f"{self.spec.name}: parameter {name!r}: PhysicalModel has an attribute of that "
                    "name; rename the parameter"
                )
            self.register_parameter(
                name, torch.nn.Parameter(value, requires_grad=name in learnable)
            )
        self._solver = Solver(self)

    def predict_trajectory(
        self, initial_fields: Mapping[str, Any], steps: int, dt: float
    ) -> dict[str, list[Field]]:
        """The fields at dt, 2 dt, … steps·dt after the initial ones, which are not repeated.

        Differentiable with respect to the parameters that require a gradient; under
        ``torch.no_grad()`` nothing is recorded.

        Args:
            initial_fields: Cell-centred fields by name, possibly with the batch dimension
                ``window``; a velocity may be a staggered grid, and then stays one. An entry with
                the name of a parameter, or of a fixed boundary value (``boundary.x.lower``), is
                its known value in these simulations: a PhiML tensor, a field, or, if it changes in
                time, a list of ``steps + 1`` of them.
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
        staggered = {name: f.boundary for name, f in fields.items() if f.is_staggered}
        likes: dict[str, Field] = {}
        for frame in self.rollout(state, grid, steps, dt, parameters, conditions=conditions):
            for name, native in frame.items():
                if name in staggered:
                    with math.precision(bits):
                        frames[name].append(to_staggered(native, grid, staggered[name]))
                    continue
                if name not in likes:
                    likes[name] = empty_field(native.shape, native.dtype, grid, layouts[name])
                frames[name].append(next_frame(native, likes[name], layouts[name]))
        return frames

    @overload
    def rollout(self, state: "xr.Dataset", steps: int, **options: Any) -> "xr.Dataset": ...

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
        directions: Directions | None = None,
        rollouts: int = 1,
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
        directions: Directions | None = None,
        rollouts: int = 1,
    ) -> Iterator[Natives]: ...

    def rollout(self, state: Any, *arguments: Any, **options: Any) -> Any:
        """Yields the frames one after the other, without keeping them.

        A state of tensors is followed by ``grid, steps, dt`` and, by name:

        - ``grid``: Grid of every field.
        - ``steps``: Number of frames.
        - ``dt``: Time between frames [time]; or between each two of them.
        - ``parameters``: Values to use, possibly with derivatives; the others are the model's own,
          detached.
        - ``entries``: Names of the entries of the batch in error messages; by default
          ``simulation 0``, ``simulation 1``, ….
        - ``conditions``: Parameters and boundary values of each simulation.
        - ``directions``: Directions of forward-mode derivatives, if there are several.
        - ``rollouts``: Expected number of such rollouts; many are worth compiling the steps for.

        A dataset of xarray, for a loaded model, is followed by ``steps`` and the options of
        :func:`hybrid_pde.models.forecast.forecast_dataset`, and a dataset is returned.

        Args:
            state: ``[(B,) C, *space]`` by field name; or the tensor alone for one field; or a
                dataset.
            *arguments: See above.
            **options: The same by name.

        Yields:
            The state at dt, 2 dt, …, in the form of ``state`` and in the model's precision.

        Raises:
            ConfigError: if the equation cannot be solved on the grid, or not by the scheme.
        """
        if hasattr(state, "data_vars"):  # a calibration must not depend on code for files
            forecaster = importlib.import_module(_FORECASTER)
            return forecaster.rollout_dataset(self, state, *arguments, **options)
        return self._frames(state, *arguments, **options)

    def _frames(
        self,
        state: torch.Tensor | Mapping[str, torch.Tensor],
        grid: Grid,
        steps: int,
        dt: float | Sequence[float],
        parameters: Mapping[str, torch.Tensor] | None = None,
        entries: Sequence[str] | None = None,
        conditions: Conditions | None = None,
        directions: Directions | None = None,
        rollouts: int = 1,
    ) -> Iterator[torch.Tensor] | Iterator[Natives]:
        """The generator of :meth:`rollout`."""
        own = {name: value.detach() for name, value in self.named_parameters()}
        parameters = {**own, **(parameters or {})}
        intervals = [float(dt)] * steps if isinstance(dt, int | float) else list(dt)
        assert len(intervals) == steps, f"{len(intervals)} intervals, {steps} steps"
        self._check_solvable(grid)
        spec = RolloutSpec(
            grid,
            intervals,
            parameters,
            conditions or Conditions(),
            entries,
            self.discretization,
            torch.float32 if self.precision == "single" else torch.float64,
            self.numerics.substeps,
            directions or Directions(),
            Workload(self.experiment.workflow.compile, steps, rollouts),
        )
        if isinstance(state, torch.Tensor):
            role = self.spec.fields[0].name
            return (frame[role] for frame in self._solver.rollout({role: state}, spec))
        return self._solver.rollout(state, spec)

    @contextmanager
    def at_least(self, types: Iterable[torch.dtype]) -> Iterator[None]:
        """Compute in double precision within the block if any of the types is double.

        Args:
            types: Types of the states, which are double where single loses their variation.
        """
        before = self.precision
        if torch.float64 in types:
            self.precision = "double"
        try:
            yield
        finally:
            self.precision = before

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

    @property
    def has_compiled_steps(self) -> bool:
        """True if the time steps of some rollout were compiled."""
        return self._solver.has_compiled_steps

    @has_compiled_steps.setter
    def has_compiled_steps(self, value: bool) -> None:
        self._solver.has_compiled_steps = value

    def set_parameters(self, values: Mapping[str, torch.Tensor]) -> None:
        """Set parameters by name; a number for each axis, or a field, may replace a scalar."""
        for name, value in values.items():
            parameter = self.get_parameter(name)
            parameter.data = value.detach().to(torch.float64).reshape(value.shape).clone()

    def expand_per_axis(self, num_axes: int) -> None:
        """Repeat scalars ``num_axes`` times, of the parameters with a number for each axis."""
        for name, spec in self.spec.parameters.items():
            parameter = self.get_parameter(name)
            if spec.per_axis and parameter.ndim == 0:
                parameter.data = parameter.data.repeat(num_axes)

    def _initial_scheme(self) -> Discretization:
        """The scheme of the experiment; for ``auto`` finite differences, until the data choose."""
        section, numerics = self.experiment.model.physical, self.numerics
        if prescribed := self.prescribed_scheme():
            if section is not None and (problem := staggered_conflict(section)):
                raise ConfigError(problem)
            return Discretization(*prescribed, numerics.refine)
        scheme = "finite_difference" if numerics.scheme == "auto" else numerics.scheme
        return Discretization.of(scheme, numerics.order, numerics.refine)

    def _check_solvable(self, grid: Grid) -> None:
        sides = [side for pair in grid.boundary for side in pair]
        problems = [
            *scheme_errors(self.spec, self.discretization.scheme),
            *domain_errors(self.spec, grid.axes, sides),
        ]
        if problems:
            raise ConfigError("\n".join(problems))

    def __getstate__(self) -> dict[str, Any]:
        # Compiled steps can be neither copied nor pickled; a copy compiles its own.
        return {key: value for key, value in self.__dict__.items() if key != "_solver"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._solver = Solver(self)


@cache
def physical_model_class(equation: type[Equation]) -> type[PhysicalModel]:
    """The physical model of an equation; of a :class:`PhysicalModel` the class itself.

    Raises:
        TypeError: if the equation has an attribute that would replace one of the model.
    """
    if issubclass(equation, PhysicalModel):
        return equation
    own = {name for base in equation.__mro__ if base not in Equation.__mro__ for name in vars(base)}
    own -= {*vars(Equation), *vars(object)} - {"__init__"}
    if clash := sorted(own & {*dir(PhysicalModel)}):
        raise TypeError(
            f"{equation.__name__}: {', '.join(clash)}: PhysicalModel has attributes of that name; "
            "rename those of the equation"
        )
    made = type(equation.spec.name, (equation, PhysicalModel), {"__doc__": equation.__doc__})
    made.__module__ = __package__
    copyreg.pickle(made, lambda model: (_restored, (equation,), model.__getstate__()))
    return made


def _restored(equation: type[Equation]) -> PhysicalModel:
    """An empty model, for the state of a pickled one."""
    made = physical_model_class(equation)
    return made.__new__(made)
