"""Forecasts: a model's rollout from a state of a file or a dataset, as a dataset.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import xarray as xr

from hybrid_pde import __version__
from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.cache.channel_statistics import lowest_precision
from hybrid_pde.data.cf_dataset import cf_dataset
from hybrid_pde.data.initial_states.start_state import (
    Opener,
    StartState,
    StateRequest,
    read_start,
)
from hybrid_pde.data.raw_files.dataset_in_memory import NAME, open_in_memory
from hybrid_pde.data.raw_files.raw_file import RawFile
from hybrid_pde.data.raw_files.subprocess_reader import open_in_subprocess
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import DivergenceError, StateError
from hybrid_pde.models.state_regridding import regridded

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Start of a rollout as tensors with a batch of one.

    Attributes:
        source: Name of the file, for messages.
        fields: Values ``[1, C, *space]`` of each field.
        known: Known parameters and those that were given.
        values: Their values by name, ``[1, …]`` as in a cached simulation.
    """

    source: str
    fields: Mapping[str, torch.Tensor]
    known: tuple[KnownParameter, ...]
    values: Mapping[str, torch.Tensor]


class Forecaster(Protocol):
    """A model that continues a state."""

    @property
    def kind(self) -> str:
        """The kind of model, for the attributes of the result."""

    @property
    def data(self) -> DataDescription:
        """The data that it was made with."""

    @property
    def fields(self) -> Sequence[str]:
        """The fields that it needs."""

    @property
    def known(self) -> Sequence[str]:
        """Parameters that it takes from the file where they are there."""

    @property
    def allowed(self) -> Sequence[str]:
        """Parameters that may be given."""

    def run(self, start: Start, steps: int) -> dict[str, np.ndarray]:
        """The frames 1 … ``steps``, ``[T, C, *space]`` of each predicted field."""

    def used_parameters(self, start: Start) -> dict[str, Any]:
        """Numbers of every parameter of the rollout, for the attributes of the result."""

    def unit_of(self, parameter: str) -> str:
        """Unit of a parameter; empty if it is not known."""


def forecast_dataset(
    model: Forecaster,
    dataset: xr.Dataset,
    steps: int,
    *,
    simulation: int = 0,
    index: int | None = None,
    parameters: Mapping[str, float | Sequence[float]] | None = None,
    regrid: bool = False,
) -> xr.Dataset:
    """Continue a state of a dataset.

    Args:
        model: The model.
        dataset: The state: the fields of the model's data with coordinates, in any order of axes.
            Units that differ from the model's are converted.
        steps: Number of frames.
        simulation: Number of the simulation on the axis ``sample``, if there is one.
        index: Number of the frame, negative from the end; by default the last one.
        parameters: Values of parameters, which take precedence over those of the dataset.
        regrid: Whether a state on another grid is interpolated to the model's.

    Returns:
        Frames 1 … ``steps`` of the predicted fields, with CF attributes. The dimensions are
        ``time``, ``vector`` for vectors, then x, y, z. Static fields are carried along.

    Raises:
        StateError: if the state does not fit the model.
        DivergenceError: if the forecast becomes infinite.
    """

    def open_file(data: DataParams) -> AbstractContextManager[RawFile]:
        return open_in_memory(dataset, data)

    request = StateRequest(simulation, index, _numbers(parameters or {}), regrid)
    return _forecast(model, NAME, open_file, steps, request)


def forecast_file(model: Forecaster, path: Path, steps: int, request: StateRequest) -> xr.Dataset:
    """Continue a state of a raw file of any format; see :func:`forecast_dataset`.

    Raises:
        StateError: if the state does not fit the model.
        RawDataError: if the file cannot be read.
        DivergenceError: if the forecast becomes infinite.
    """
    if not path.exists():
        raise StateError(f"{path}: there is no such file")

    def open_file(data: DataParams) -> AbstractContextManager[RawFile]:
        return open_in_subprocess(path, data)

    return _forecast(model, str(path), open_file, steps, request)


def _forecast(
    model: Forecaster, source: str, open_file: Opener, steps: int, request: StateRequest
) -> xr.Dataset:
    if steps < 1:
        raise StateError(f"steps: {steps}: a forecast has 1 or more")
    unknown = [name for name in request.parameters if name not in model.allowed]
    if unknown:
        raise StateError(
            f"parameter {unknown[0]!r}: the {model.kind} has "
            f"{', '.join(model.allowed) or 'no parameters'}; leave it out, correct its name, or "
            "take a model that has it"
        )
    wanted = [name for name in model.known if name not in request.parameters]
    state = read_start(source, open_file, model.data, model.fields, wanted, request)
    if state.grid.shape != model.data.grid.shape or request.regrid:
        state = regridded(state, model.data.grid)
    start = _start(state, model.data, request)
    logger.info("%s: simulation %d, frame %d, time %.6g", source, request.simulation, state.frame,
                state.time)  # fmt: skip
    frames = model.run(start, steps)
    for name, values in frames.items():
        finite = np.isfinite(values).reshape(steps, -1).all(axis=1)
        if not finite.all():
            raise DivergenceError(
                f"{source}: the forecast of {name} is infinite from step {finite.argmin() + 1} of "
                f"{steps} on; ask for fewer steps, or start from a state like those of the training"
            )
    static = {layout.name for layout in model.data.layouts if layout.static}
    carried = {name: state.fields[name] for name in model.fields if name in static}
    data, known = model.data, [*_known_fields(model.data, start)]
    forecast = cf_dataset(
        {**frames, **carried, **{layout.name: values for layout, values, _ in known}},
        data.grid,
        [*data.layouts, *(layout for layout, *_ in known)],
        state.time + data.dt * np.arange(1, steps + 1),
        replace(data.units, epoch=state.since),
        _attributes(model, state, request),
    )
    for layout, _, unit in known:
        forecast[layout.name].attrs |= {"units": unit} if unit else {}
    return _with_parameters(forecast, model.used_parameters(start))


def _known_fields(
    data: DataDescription, start: Start
) -> Iterator[tuple[FieldLayout, np.ndarray, str]]:
    """Known parameters that are fields: layout in the files, values ``[C, *space]`` and unit."""
    names = data.reading.get("known_parameters") or {}
    for parameter in start.known:
        if not parameter.is_field:
            continue
        variable, unit = names.get(parameter.name, parameter.name), data.units.of(parameter.name)
        values = start.values[parameter.name][0].numpy()
        if isinstance(variable, str):
            yield FieldLayout(variable, parameter.components, static=True), values, unit
        elif isinstance(variable, list):
            for component, channel in zip(variable, values, strict=True):
                yield FieldLayout(component, static=True), channel[None], unit


def _start(state: StartState, data: DataDescription, request: StateRequest) -> Start:
    """The state as tensors, in single precision where that keeps its variation."""
    fields = {}
    for name, values in state.fields.items():
        precision = lowest_precision(values[None])
        fields[name] = torch.from_numpy(np.ascontiguousarray(values[None], precision))
    known, values_of = [], {}
    for parameter in state.known:
        if not parameter.static:
            raise StateError(
                f"{state.source}: the parameter {parameter.name} changes in time there, and its "
                f"future is not known; give one value with --parameters {parameter.name}=…"
            )
        own = state.tensors.get(parameter.layout.name)
        numbers = parameter.values if own is None else own
        known.append(parameter)
        values_of[parameter.name] = torch.as_tensor(np.asarray(numbers, np.float64))[None]
    for name, numbers in request.parameters.items():
        components = data.grid.axes if len(numbers) == len(data.grid.axes) > 1 else ()
        known.append(KnownParameter(name, components if len(numbers) > 1 else ()))
        given = np.asarray(numbers if len(numbers) > 1 else numbers[0], np.float64)
        values_of[name] = torch.from_numpy(given)[None]
    return Start(state.source, fields, tuple(known), values_of)


def _attributes(model: Forecaster, state: StartState, request: StateRequest) -> dict[str, Any]:
    """Provenance of a forecast."""
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    frame = f"simulation {request.simulation}, frame {state.frame}"
    start = f"{state.time:.9g} {model.data.units.time}".rstrip()
    return {
        "title": f"Forecast by a {model.kind}",
        "source": f"{model.kind}, hybrid_pde {__version__}",
        "history": f"{date}: forecast from {Path(state.source).name}, {frame}",
        "initial_state": f"{Path(state.source).name}, {frame}, time {start}",
        "dt": model.data.dt,
    }


def _with_parameters(forecast: xr.Dataset, parameters: Mapping[str, Any]) -> xr.Dataset:
    """A forecast with its parameters under their names, so that it can be continued.

    They are attributes. A parameter that is named as one of the CF conventions, such as the
    ``source`` of an equation, is a variable.
    """
    for name, value in parameters.items():
        is_number = np.ndim(value) == 0
        if name not in forecast.attrs:
            forecast.attrs[name] = float(value) if is_number else np.asarray(value, np.float64)
        else:
            dims = () if is_number else (f"{name}_component",)
            forecast[name] = (dims, np.asarray(value, np.float64), {"long_name": name})
    return forecast


def _numbers(parameters: Mapping[str, float | Sequence[float]]) -> dict[str, tuple[float, ...]]:
    return {
        name: (float(value),) if isinstance(value, int | float) else tuple(map(float, value))
        for name, value in parameters.items()
    }
