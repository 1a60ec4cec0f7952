"""Windows in which a surrogate's predictions take the place of hidden values.

Layout of native tensors: ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Iterator
from typing import Any

import torch
from phi.torch.flow import math

from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.field_conversion import from_field, to_field
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError, ExchangeError
from hybrid_pde.training.physical.observed_dataset import ObservedDataset
from hybrid_pde.training.physical.sensor_readings import Readings


class GuidedDataset:
    """Windows of the data and of a surrogate's predictions.

    Predictions of a training simulation's hidden values take their place. Predictions from new
    initial states are additional windows, after those of the data. Predicted values have the
    weight ``weight``, observed values the weight 1.

    Args:
        data: Windows of the data as PhiFlow fields.
        predictions: Simulations of :class:`~hybrid_pde.training.hybrid.guidance.GuidanceMaker`.
        weight: ``hybrid.interaction_weight``.
        initial_known: Whether windows start from known states; otherwise these are observations.

    Attributes:
        grid: Grid of the fields.
        dt: Time between frames [time].
        predictions: The predictions.

    Raises:
        ConfigError: if a field of the equation is not predicted.
        ExchangeError: if there is no prediction for any value.
    """

    def __init__(
        self,
        data: HybridDataset | ObservedDataset,
        predictions: SimulationStore,
        weight: float,
        initial_known: bool = True,
    ) -> None:
        self._data, self._weight, self._known = data, weight, initial_known
        self.predictions = predictions
        self._windows = data.dataset if isinstance(data, ObservedDataset) else data
        self.grid: Grid = data.grid
        self.dt: float = data.dt
        self._names = [layout.name for layout in self._windows.output_layouts]
        self._predicted: dict[int, tuple[int, Any]] = {}
        self._new: list[HybridDataset] = []
        for index in predictions.indices():
            self._check_fields(predictions, index)
            header = predictions.header(index)
            if header.source["new"]:
                self._new.append(self._whole(predictions, index, header.num_frames))
            else:
                fields = predictions.load(index).fields
                self._predicted[header.source["simulation"]] = header.source["frame"], fields
        if not self._new and not any(self._has_predictions(window) for window in range(len(data))):
            raise ExchangeError(
                f"{predictions.directory}: the synthetic model predicts no hidden value of the "
                "training simulations, so it cannot guide the physical model"
            )

    def __len__(self) -> int:
        return len(self._data) + len(self._new)

    def __iter__(self) -> Iterator[Any]:
        """Pairs of fields with observed and predicted values; :meth:`mask` tells them apart."""
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> tuple[dict[str, Any], dict[str, list[Any]]]:
        if self.is_predicted(number):
            return self._new[number - len(self._data)][0]
        initial, targets = self._data[number]
        for name in self._names:
            initial[name] = self._filled(number, name, 0, initial[name])
            targets[name] = [
                self._filled(number, name, frame, field)
                for frame, field in enumerate(targets[name], 1)
            ]
        return initial, targets

    def mask(self, window: int, name: str, frame: int) -> torch.Tensor | None:
        """Which values ``[C, *space]`` of a window's frame are observed; ``None`` for all."""
        if not self.is_predicted(window):
            if isinstance(self._data, ObservedDataset):
                return self._data.mask(window, name, frame)
            return None
        if frame == 0 and self._known:
            return None  # given, not predicted
        layout = next(each for each in self._windows.output_layouts if each.name == name)
        return torch.zeros(layout.channels, *self.grid.shape, dtype=torch.bool)

    def window(self, window: int) -> tuple[int, int]:
        """Simulation and first frame of a window; −1 for the simulation of predicted windows."""
        return (-1, 0) if self.is_predicted(window) else self._data.window(window)

    def readings(self, window: int) -> Readings | None:
        """Sensor readings during a window."""
        if self.is_predicted(window) or not isinstance(self._data, ObservedDataset):
            return None
        return self._data.readings(window)

    def is_predicted(self, window: int) -> bool:
        """True if a window has only predicted values."""
        return window >= len(self._data)

    def hidden_weight(self, window: int, frame: int) -> float:
        """Weight of the predictions of hidden values; 0 if there are none."""
        if self.is_predicted(window) or self._prediction(window, frame) is not None:
            return self._weight
        return 0.0

    def _prediction(self, window: int, frame: int) -> Any:
        """Predictions of a window's frame, ``[C, *space]`` by field; ``None`` without any."""
        simulation, start = self._data.window(window)
        if simulation not in self._predicted:
            return None
        first, fields = self._predicted[simulation]
        place = start + frame - first
        inside = 0 <= place < len(fields[self._names[0]])
        return {name: fields[name][place] for name in self._names} if inside else None

    def _has_predictions(self, window: int) -> bool:
        """True if any hidden value of a window's targets is predicted."""
        return any(
            self.mask(window, name, frame) is not None and self.hidden_weight(window, frame) > 0
            for frame in range(1, 1 + self._windows.num_predict_steps)
            for name in self._names
        )

    def _filled(self, window: int, name: str, frame: int, field: Any) -> Any:
        mask = self.mask(window, name, frame)
        predicted = None if mask is None else self._prediction(window, frame)
        if mask is None or predicted is None:
            return field
        layout = next(each for each in self._windows.output_layouts if each.name == name)
        with math.precision(64):  # otherwise PhiFlow casts to single precision
            native = from_field(field, self.grid, layout).double()
            values = torch.where(mask, native, predicted[name].double())
            return to_field(values, self.grid, layout)

    def _whole(self, predictions: SimulationStore, index: int, frames: int) -> HybridDataset:
        """One window over all frames of a prediction."""
        return HybridDataset(
            predictions, [index], self._names, num_predict_steps=frames - 1, return_fields=True
        )

    def _check_fields(self, predictions: SimulationStore, index: int) -> None:
        predicted = {layout.name for layout in predictions.header(index).layouts}
        missing = [name for name in self._names if name not in predicted]
        if missing:
            raise ConfigError(
                f"model.synthetic.output_specs: {missing}: fields of the equation, which the "
                "surrogate has to predict in hybrid cycles; add them"
            )
