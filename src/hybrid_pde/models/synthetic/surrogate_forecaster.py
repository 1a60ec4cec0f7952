"""Forecasts by a surrogate."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
import xarray as xr

from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.known_values import TENSOR_PREFIX
from hybrid_pde.errors import StateError
from hybrid_pde.models.forecast import Start, forecast_dataset
from hybrid_pde.models.synthetic.extrapolation import warn_of_leaving, warn_of_unlike_start
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor


class Surrogate(Protocol):
    """A surrogate with the description of its data."""

    data: DataDescription | None

    @property
    def input_specs(self) -> Mapping[str, int]:
        """Channels of each input."""

    @property
    def output_specs(self) -> Mapping[str, int]:
        """Channels of each predicted field."""

    @property
    def parameter_defaults(self) -> Mapping[str, tuple[float, ...]]:
        """Values of parameters for simulations without their own."""

    @property
    def training_range(self) -> Mapping[str, Sequence[Sequence[float]]]:
        """Smallest and largest value of each channel of each input in the training, if known."""

    def rollout(self, state: torch.Tensor, steps: int) -> torch.Tensor:
        """``[B, C_in, *space]`` to ``[B, steps, C_out, *space]``."""


class SurrogateForecaster:
    """A :class:`~hybrid_pde.models.forecast.Forecaster` that steps with a surrogate.

    An input that is no field of the data is a parameter: it has the value that is given, else that
    of the file, else the model's default.

    Args:
        model: The surrogate.

    Raises:
        StateError: if the surrogate does not know its data, because it has not been loaded.
    """

    kind = "neural surrogate"

    def __init__(self, model: Surrogate) -> None:
        if model.data is None:
            raise StateError(
                "a surrogate rolls out datasets once it has been loaded from its file with "
                "load_synthetic_model; this one does not know the grid of its data"
            )
        self.data = model.data
        names = {layout.name for layout in self.data.layouts}
        self.fields = [name for name in model.input_specs if name in names]
        self.known = [name for name in model.input_specs if name not in names]
        self.allowed = self.known
        self._model = model

    def run(self, start: Start, steps: int) -> dict[str, np.ndarray]:
        """The predicted frames ``[T, C, *space]`` of each field."""
        for name in self.known:
            self._check(name, start)
        numbers = {name: start.values[name] for name in self.known if name in start.values}
        ranges = self._model.training_range
        warn_of_unlike_start(start.source, {**start.fields, **numbers}, ranges)
        values = {TENSOR_PREFIX + name: value for name, value in start.values.items()}
        frames = SyntheticPredictor(self._model)({**start.fields, **values}, steps)
        found = {name: each[0].numpy() for name, each in frames.items()}
        warn_of_leaving(start.source, found, ranges)
        return found

    def used_parameters(self, start: Start) -> dict[str, Any]:
        """The numbers of each parameter."""
        defaults = {name: np.squeeze(each) for name, each in self._model.parameter_defaults.items()}
        given = {name: start.values[name][0].numpy() for name in self.known if name in start.values}
        return {**defaults, **given}

    def unit_of(self, parameter: str) -> str:
        """Unit of a parameter; empty if it is not known."""
        return self.data.units.of(parameter)

    def _check(self, name: str, start: Start) -> None:
        """Reject a missing parameter, and another number of numbers."""
        wanted = self._model.input_specs[name]
        if name not in start.values:
            if name not in self._model.parameter_defaults:
                raise StateError(
                    f"{start.source}: no value of the parameter {name}, an input of the model; "
                    f"give it with --parameters {name}=… (parameters={{{name!r}: …}})"
                )
        elif start.values[name].numel() != wanted:
            raise StateError(
                f"parameter {name!r}: {start.values[name].numel()} number(s); the model takes "
                f"{wanted}"
            )


def rollout_dataset(
    model: Surrogate, dataset: xr.Dataset, steps: int, **options: Any
) -> xr.Dataset:
    """A surrogate's forecast; see :func:`~hybrid_pde.models.forecast.forecast_dataset`."""
    return forecast_dataset(SurrogateForecaster(model), dataset, steps, **options)
