"""Simulations of a physical model from random initial states.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from phi.torch.flow import math

from hybrid_pde.config.equations import EquationSpec
from hybrid_pde.data.cache.channel_statistics import lowest_precision
from hybrid_pde.data.field_conversion import to_native, to_values
from hybrid_pde.data.initial_states.random_fields import Projection, State
from hybrid_pde.data.staggered_velocity import Staggering
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.physical.conditions import recorded_conditions
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.fine_structure import unresolved_fields, warn_of_unresolved
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.face_projection import project_faces
from hybrid_pde.numerics.projection import project
from hybrid_pde.numerics.staggered import StaggeredDifference
from hybrid_pde.progress import progress
from hybrid_pde.result_warnings import warn_of_result

GROUP = 5  # simulations advanced together; more are hardly faster, and a partial group wastes more


@dataclass(frozen=True)
class Recording:
    """Settings of simulations: grid, fields, steps, time step, known parameters, units."""

    grid: Grid
    layouts: Sequence[FieldLayout]
    steps: int
    dt: float
    known: Sequence[KnownParameter] = ()
    units: StatedUnits | None = None


@dataclass(frozen=True)
class Start:
    """Initial state of a simulation, and its known parameters.

    Attributes:
        state: ``[C, *space]`` for each field.
        known: Values of the known parameters, as in a cached simulation; ``[steps + 1, …]`` for
            those that change in time.
    """

    state: State
    known: Mapping[str, torch.Tensor] = field(default_factory=dict)


def projections(
    spec: EquationSpec, names: Sequence[str], grid: Grid, staggered: bool = False
) -> dict[str, Projection]:
    """Projections of initial states, by the data field that has to be free of divergence.

    Args:
        spec: The equation.
        names: Names of the data fields.
        grid: Grid of the fields.
        staggered: Whether the divergence has to vanish on a staggered grid.
    """
    roles = match_roles(spec, names)
    project_on = _project_faces if staggered else _project
    free = [role.name for role in spec.fields if role.is_solenoidal and role.name in roles]
    return {roles[name]: partial(project_on, grid) for name in free}


def _project(grid: Grid, velocity: np.ndarray, held: Mapping[str, float]) -> np.ndarray:
    layout = FieldLayout("velocity", grid.axes)
    with math.precision(64):
        values = to_values(torch.from_numpy(np.ascontiguousarray(velocity)), grid, layout)
        free = project(values, grid, {name: math.wrap(value) for name, value in held.items()})
        return to_native(free, grid, layout).numpy()


def _project_faces(grid: Grid, velocity: np.ndarray, held: Mapping[str, float]) -> np.ndarray:
    """Projection on cell faces, with no flow through walls.

    Random velocities need not vanish on walls, where interpolation by sines would give ripples:
    they are averaged onto the faces.
    """
    layout = FieldLayout("velocity", grid.axes)
    with math.precision(64):
        values = to_values(torch.from_numpy(np.ascontiguousarray(velocity)), grid, layout)
        faces = project_faces(StaggeredDifference(grid).at_velocity(values), grid)
        native = to_native(faces, grid, layout)
    return Staggering(grid).to_centres(native.unsqueeze(0))[0].numpy()


def generate(
    model: PhysicalModel,
    recording: Recording,
    start_of: Callable[[int], Start],
    wanted: Collection[int],
) -> Iterator[tuple[int, State]]:
    """Simulate in groups of consecutive simulations, always the whole group.

    The members of a group share their time steps. Since groups do not depend on ``wanted``, a
    simulation depends neither on its shard nor on interruptions.

    Args:
        model: The equation with its parameters.
        recording: Grid, fields, number of steps and dt.
        start_of: Initial state of simulation ``i``.
        wanted: Indices of the simulations to return.

    Yields:
        The index and ``[T, C, *space]`` for each field, T being the steps and the start. A
        simulation that diverges is left out, with a warning; one that the grid does not resolve is
        warned of.
    """
    unresolved = {}
    for number in progress(sorted({index // GROUP for index in wanted}), "simulating"):
        group = range(number * GROUP, (number + 1) * GROUP)
        try:
            simulated = _simulate(model, recording, [start_of(i) for i in group], group)
        except DivergenceError:
            simulated = _simulate_singly(model, recording, start_of, group, wanted)
        for index, fields in zip(group, simulated, strict=True):
            if index in wanted and fields is not None:
                unresolved[f"generated simulation {index}"] = unresolved_fields(fields)
                yield index, fields
    warn_of_unresolved(unresolved)


def _simulate_singly(
    model: PhysicalModel,
    recording: Recording,
    start_of: Callable[[int], Start],
    group: Sequence[int],
    wanted: Collection[int],
) -> list[State | None]:
    """Simulate one by one, so that a simulation that diverges does not stop the others."""
    result: list[State | None] = []
    for index in group:
        try:
            result.extend(_simulate(model, recording, [start_of(index)], [index]))
        except DivergenceError as error:
            if index in wanted:
                warn_of_result(f"generated simulation {index} is left out: {error}")
            result.append(None)
    return result


def _simulate(
    model: PhysicalModel, recording: Recording, starts: Sequence[Start], indices: Sequence[int]
) -> list[State | None]:
    # Rounded as they will be stored, so that a rollout from the stored state gives the same frames.
    stacked = {
        layout.name: np.stack([start.state[layout.name] for start in starts])
        for layout in recording.layouts
    }
    initial = {
        name: torch.from_numpy(values.astype(lowest_precision(values)))
        for name, values in stacked.items()
    }
    types = {name: values.dtype for name, values in initial.items()}
    known = {
        kind.name: torch.stack([start.known[kind.name] for start in starts])
        for kind in recording.known
    }
    conditions = recorded_conditions(recording.known, known)
    with torch.no_grad(), model.at_least(types.values()):
        trajectory = model.rollout(
            initial,
            recording.grid,
            recording.steps,
            recording.dt,
            conditions=conditions,
            entries=[f"simulation {index}" for index in indices],
        )
        frames = [initial]
        frames += [
            {name: each[name].to(kind) for name, kind in types.items()} for each in trajectory
        ]
    simulated = {
        layout.name: torch.stack([frame[layout.name] for frame in frames], dim=1).numpy()
        for layout in recording.layouts
    }
    return [{name: values[i] for name, values in simulated.items()} for i in range(len(starts))]
