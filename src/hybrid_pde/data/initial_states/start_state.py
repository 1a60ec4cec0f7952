"""One state of a raw file or a dataset, read as the data that a model was made with.

The fields may have any order of axes and any units that convert to the model's. A file is read with
the settings of the model's raw files if they fit it (names of variables, coarsening), else by the
names of the fields, as files of predictions have them.

Layout: ``C`` channel, ``X Y Z`` space.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.cache.compatibility import TOLERANCE
from hybrid_pde.data.raw_files.file_units import following
from hybrid_pde.data.raw_files.raw_file import RawFile, RawFileInfo
from hybrid_pde.data.raw_files.single_frames import single_frames
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.grid import FieldLayout, Grid, axis_points
from hybrid_pde.domain.known_values import TENSOR_PREFIX, KnownParameter
from hybrid_pde.errors import ConfigError, RawDataError, StateError

Opener = Callable[[DataParams], AbstractContextManager[RawFile]]
# keys of the `data` section that also apply to a single state
_KEYS = ("variables", "dims", "domain", "boundary", "time_unit", "directions")


@dataclass(frozen=True)
class StateRequest:
    """Choice of a state, and of the parameters of its rollout.

    Attributes:
        simulation: Number of the simulation in its file.
        index: Number of the frame, negative from the end; ``None`` for the last one.
        parameters: Values of parameters, which take precedence over those of the file.
        regrid: Whether a state on another grid is interpolated to the model's.
    """

    simulation: int = 0
    index: int | None = None
    parameters: Mapping[str, Sequence[float]] = field(default_factory=dict)
    regrid: bool = False


@dataclass(frozen=True)
class StartState:
    """A state, in the units of the model's data.

    Attributes:
        source: Name of the file or dataset.
        fields: Values ``[C, *space]`` of each field.
        known: Known parameters with their numbers.
        tensors: Values ``[C, *space]`` of those that are fields.
        grid: The grid, with the boundary of the model's.
        frame: Number of the frame.
        time: Its time, 0 in a file of one frame [time].
        since: Reference date of the time; empty without one.
    """

    source: str
    fields: Mapping[str, np.ndarray]
    known: tuple[KnownParameter, ...]
    tensors: Mapping[str, np.ndarray]
    grid: Grid
    frame: int
    time: float
    since: str = ""


def read_start(
    source: str,
    open_file: Opener,
    data: DataDescription,
    fields: Sequence[str],
    parameters: Collection[str],
    request: StateRequest,
) -> StartState:
    """Read a state for a model.

    Args:
        source: Name of the file, for messages.
        open_file: Opens it with the given settings.
        data: The data that the model was made with.
        fields: The fields to read.
        parameters: Known parameters to read where the file has them.
        request: Which state.

    Raises:
        StateError: if grid, axes, boundary or fields differ from the model's (other grids are
            returned with ``request.regrid``), or there is no such simulation or frame.
        RawDataError: if the file cannot be read, lacks a field, or has other units.
    """
    layouts = [layout for layout in data.layouts if layout.name in fields]
    failures: list[Exception] = []
    misfits: list[str] = []
    for must_fit in (True, False) if request.regrid else (True,):
        for settings, described in _readings(data, fields, parameters):
            try:
                with (
                    following(described.units, has_epoch=False),
                    single_frames(),
                    open_file(settings) as raw,
                ):
                    problem = _difference(raw.info, settings, data, layouts, must_fit)
                    if problem is None:
                        return _state(source, raw, data, request)
                    misfits.append(problem)
            except (RawDataError, ConfigError) as error:
                failures.append(error)
    if misfits:
        raise StateError(f"{source}: {misfits[-1]}")
    reason = str(_most_telling(failures))
    if "no variable" in reason:
        reason += (
            f". A state for this model has the field(s) {', '.join(fields)} on the axes "
            f"{', '.join(data.grid.axes)}; rename or add variables to match"
        )
    raise StateError(reason) from failures[0]


def _most_telling(failures: Sequence[Exception]) -> Exception:
    """The first failure that is not of settings that the file need not fit."""
    unfit = ("no variable", "data.known_parameters", "data.domain")
    telling = (each for each in failures if not any(words in str(each) for words in unfit))
    return next(telling, failures[0])


def _readings(
    data: DataDescription, fields: Sequence[str], parameters: Collection[str]
) -> Iterator[tuple[DataParams, DataDescription]]:
    """Settings to read a file with: those of the model's raw files, then plain ones."""
    stored = {key: data.reading[key] for key in _KEYS if data.reading.get(key)}
    stored["variables"] = _of(stored.get("variables"), fields)
    stored["directions"] = _of(stored.get("directions"), fields)
    select = dict(data.reading.get("select") or {})
    stored["select"] = {key: select[key] for key in ("crop", "coarsen") if select.get(key)}
    names = data.reading.get("known_parameters") or {}
    same = {name: name for name in parameters}
    ends = {
        axis: (lower, upper)
        for axis, lower, upper in zip(data.grid.axes, data.grid.lower, data.grid.upper, strict=True)
    }
    # the ends of the domain that values of the raw files show need not show in a single state
    plain = replace(data, units=replace(data.units, ends=()))
    own = {"directions": stored["directions"]}
    for settings, described, known in (
        (stored, data, names),
        ({**own, "domain": ends}, plain, same),
        (own, plain, same),
    ):
        wanted = _of(known, parameters)
        for chosen in (wanted, {}) if wanted else ({},):
            section = {**settings, "fields": list(fields), "known_parameters": chosen}
            yield DataParams.model_validate(section), described


def _of(values: Any, names: Collection[str]) -> dict[str, Any]:
    """The entries with these names."""
    return {name: value for name, value in (values or {}).items() if name in names}


def _difference(
    info: RawFileInfo,
    settings: DataParams,
    data: DataDescription,
    layouts: Sequence[FieldLayout],
    must_fit: bool,
) -> str | None:
    """The first difference from the model's data, or ``None``."""
    if info.grid.axes != data.grid.axes:
        return (
            f"the axes are {', '.join(info.grid.axes)} here, {', '.join(data.grid.axes)} in the "
            "data of the model; they must be the same"
        )
    for found, wanted in zip(info.layouts, layouts, strict=True):
        if found.components != wanted.components:
            return (
                f"{found.name}: {_kind(found)} here, {_kind(wanted)} in the data of the model; "
                "give it the same components"
            )
    if info.boundary_stated and settings.boundary is None:
        problem = _boundary_difference(info.grid, data)
        if problem:
            return problem
    return _grid_difference(info.grid, data.grid) if must_fit else None


def _kind(layout: FieldLayout) -> str:
    return f"a vector ({', '.join(layout.components)})" if layout.components else "a scalar"


def _boundary_difference(grid: Grid, data: DataDescription) -> str | None:
    own = {parameter.name for parameter in data.known}
    for axis, found, wanted in zip(grid.axes, grid.boundary, data.grid.boundary, strict=True):
        for side, here, there in zip(("lower", "upper"), found, wanted, strict=True):
            if isinstance(here, str) or isinstance(there, str):
                is_same = here == there
            else:  # each simulation has its own value
                is_same = f"boundary.{axis}.{side}" in own or math.isclose(here, there)
            if not is_same:
                return (
                    f"{axis}: the boundary at the {side} end is {here!r} here, {there!r} in the "
                    "data of the model, which holds for no other; correct the attribute boundary, "
                    "or train a model on such data"
                )
    return None


def _grid_difference(grid: Grid, wanted: Grid) -> str | None:
    """The first axis with other points."""
    here, there = axis_points(grid), axis_points(wanted)
    for place, axis in enumerate(grid.axes):
        slack = TOLERANCE * wanted.spacing[place]
        if grid.shape[place] != wanted.shape[place] or (
            np.abs(here[axis] - there[axis]).max() > slack
        ):
            return (
                f"{axis}: {_points(here[axis])} here, {_points(there[axis])} in the data of the "
                "model; give a state on the model's grid, or interpolate it (--regrid, "
                "regrid=True)"
            )
    return None


def _points(values: np.ndarray) -> str:
    return f"{len(values)} points from {values[0]:.6g} to {values[-1]:.6g}"


def _state(source: str, raw: RawFile, data: DataDescription, request: StateRequest) -> StartState:
    """The chosen state of an open file."""
    info = raw.info
    if not 0 <= request.simulation < info.num_samples:
        raise StateError(
            f"{source}: simulation {request.simulation}: the file has {info.num_samples}, counted "
            "from 0; choose another one with --simulation"
        )
    frame = info.num_frames - 1 if request.index is None else request.index
    frame += info.num_frames if frame < 0 else 0
    if not 0 <= frame < info.num_frames:
        raise StateError(
            f"{source}: frame {request.index}: the file has {info.num_frames}, counted from 0; "
            "choose another one with --index"
        )
    values = {**raw.static(request.simulation)}
    for name, frames in _frame(raw, request.simulation, frame).items():
        values[name] = frames
    known = raw.known(request.simulation) if info.known else ()
    return StartState(
        source,
        {layout.name: np.asarray(values[layout.name]) for layout in info.layouts},
        known,
        {name: array for name, array in values.items() if name.startswith(TENSOR_PREFIX)},
        replace(info.grid, boundary=data.grid.boundary),
        frame,
        float(raw.times[frame]),
        info.units.epoch,
    )


def _frame(raw: RawFile, simulation: int, frame: int) -> dict[str, np.ndarray]:
    """Values ``[C, *space]`` of one frame, of everything that changes in time."""
    first = 0
    for block in raw.frames(simulation):
        length = len(next(iter(block.values()), ()))
        if first <= frame < first + length:
            return {name: values[frame - first] for name, values in block.items()}
        first += length
    return {}
