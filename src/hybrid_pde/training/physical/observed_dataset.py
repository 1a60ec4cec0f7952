"""Calibration windows restricted to the observed values.

Layout of native tensors: ``T`` time, ``C`` channel, ``X Y Z`` space; ``K`` reading times, ``S``
sensors.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from phi.torch.flow import math

from hybrid_pde.config.schema import DataParams, Experiment, ObservationParams
from hybrid_pde.data.field_conversion import from_field, to_field
from hybrid_pde.data.observations.observed_values import ObservedValues
from hybrid_pde.data.observations.sensors import SensorReadings, read_sensors
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import RawDataError
from hybrid_pde.numerics.interpolation import interpolation_matrix
from hybrid_pde.training.physical.sensor_readings import Readings

logger = logging.getLogger(__name__)


class ObservedDataset:
    """A data set with the hidden values, noise and sensors of ``data.observations``.

    If values are hidden and initial states are known, only windows at the start of a simulation are
    used, because later states are not known.

    Args:
        dataset: All windows as PhiFlow fields, in time order.
        experiment: Sections ``data.observations`` and ``trainer_params.physical.initial_state``.

    Attributes:
        grid: Grid of the fields.
        dt: Time between frames [time].

    Raises:
        ConfigError: if the observations do not fit the data, or hide everything.
        RawDataError: if the first frame of every window has missing values.
    """

    def __init__(self, dataset: HybridDataset, experiment: Experiment) -> None:
        section = experiment.data.observations or ObservationParams()
        self._dataset, self._section = dataset, section
        self.grid: Grid = dataset.grid
        self.dt: float = dataset.dt
        training = experiment.trainer_params.physical
        self._known = training.initial_state == "known"
        self._data: DataParams = experiment.data
        self._root = Path(experiment.project_root)
        self._values = ObservedValues(
            dataset.store,
            section,
            experiment.run_params.seed,
            self._known,
        )
        self._sensors: dict[int, SensorReadings] = {}
        windows = range(len(dataset))
        if self._known and section.hides:
            self._windows = [w for w in windows if dataset.window(w)[1] == 0]
        else:
            self._windows = list(windows)
        if self._known and section.missing == "mask":
            self._windows = self._with_complete_starts()
        for window in self._windows:  # reports errors before anything is computed
            self._values.plan(dataset.window(window)[0])
            if section.sensors is not None:
                self._sensor(dataset.window(window)[0])

    @property
    def dataset(self) -> HybridDataset:
        """All windows, with all their values."""
        return self._dataset

    def window(self, window: int) -> tuple[int, int]:
        """Simulation and first frame of a window."""
        return self._dataset.window(self._windows[window])

    def __len__(self) -> int:
        return len(self._windows)

    def __iter__(self) -> Iterator[Any]:
        """Pairs of fields with noise; hidden values are included, see :meth:`mask`."""
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> tuple[dict[str, Any], dict[str, list[Any]]]:
        simulation, start = self._dataset.window(self._windows[number])
        initial, targets = self._dataset[self._windows[number]]
        if self._section.noise == 0:
            return initial, targets
        for layout in self._dataset.output_layouts:
            name = layout.name
            targets[name] = [
                self._noisy(simulation, name, start + 1 + k, field)
                for k, field in enumerate(targets[name])
            ]
            initial[name] = self._noisy(simulation, name, start, initial[name])
        return initial, targets

    def mask(self, window: int, name: str, frame: int) -> torch.Tensor | None:
        """Mask of observed values ``[C, *space]`` of a frame; ``None`` for all.

        Args:
            window: Number of the window.
            name: The field.
            frame: Frame of the window; 0 for its initial state.
        """
        simulation, start = self._dataset.window(self._windows[window])
        return self._values.mask(simulation, name, start + frame)

    def readings(self, window: int) -> Readings | None:
        """Sensor readings during a window."""
        if self._section.sensors is None:
            return None
        simulation, start = self._dataset.window(self._windows[window])
        found = self._sensor(simulation)
        first = self._times(simulation)[0] + start * self.dt
        length = self._dataset.num_predict_steps * self.dt
        since = found.times - first
        within = (since > 1e-9 * self.dt) & (since <= length * (1 + 1e-9))
        positions = found.positions[within]
        points = positions.reshape(-1, positions.shape[-1])
        indices, weights = interpolation_matrix(self.grid, points)
        values, present = {}, {}
        for layout in self._dataset.output_layouts:
            shape = (*positions.shape[:2], layout.channels)
            if layout.name in found.values:
                read = found.values[layout.name][within].reshape(shape)
            else:
                read = np.full(shape, np.nan)
            is_present = np.isfinite(read)
            present[layout.name] = torch.from_numpy(is_present)
            values[layout.name] = torch.from_numpy(np.where(is_present, read, 0.0))
        return Readings(
            torch.from_numpy(since[within]),
            torch.as_tensor(indices).reshape(*positions.shape[:2], -1),
            torch.as_tensor(weights).reshape(*positions.shape[:2], -1),
            values,
            present,
        )

    def _with_complete_starts(self) -> list[int]:
        """The windows without missing values in the first frame."""
        complete = []
        for window in self._windows:
            simulation, start = self._dataset.window(window)
            fields = self._dataset.store.load(simulation).fields
            names = [layout.name for layout in self._dataset.output_layouts]
            if all(bool(torch.isfinite(fields[name][start]).all()) for name in names):
                complete.append(window)
        if not complete:
            raise RawDataError(
                "data.observations.missing: mask: the first frame of every window has "
                "missing values; set trainer_params.physical.initial_state: estimate"
            )
        left_out = len(self._windows) - len(complete)
        if left_out:
            logger.info("%d windows left out: missing values in their first frame", left_out)
        return complete

    def _sensor(self, simulation: int) -> SensorReadings:
        if simulation not in self._sensors:
            assert self._section.sensors is not None
            times = self._times(simulation)
            self._sensors[simulation] = read_sensors(
                self._root / self._section.sensors,
                self.grid,
                self._dataset.output_layouts,
                (times[0], times[-1]),
                self._data,
                simulation,
                self._dataset.store.header(simulation).units,
            )
        return self._sensors[simulation]

    def _times(self, simulation: int) -> tuple[float, ...]:
        return self._dataset.store.header(simulation).times

    def _noisy(self, simulation: int, name: str, frame: int, field: Any) -> Any:
        layout = self._values.layouts[name]
        with math.precision(64):  # otherwise PhiFlow casts to single precision
            native = from_field(field, self.grid, layout)
            return to_field(self._values.noisy(simulation, name, frame, native), self.grid, layout)
