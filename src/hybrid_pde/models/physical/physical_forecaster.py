"""Forecasts by a calibrated physical model."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from hybrid_pde.errors import StateError
from hybrid_pde.models.forecast import Start, forecast_dataset
from hybrid_pde.models.physical.conditions import recorded_conditions
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.fine_structure import unresolved_fields, warn_of_unresolved
from hybrid_pde.result_warnings import warn_of_result

if TYPE_CHECKING:
    from hybrid_pde.models.physical.physical_model import PhysicalModel

MAX_NUMBERS = 3  # of a parameter that is no field
FAR = 100.0  # ratio to the calibrated value from which a given one is probably in another unit


class PhysicalForecaster:
    """A :class:`~hybrid_pde.models.forecast.Forecaster` that solves the calibrated equation.

    A parameter has the value that is given, else, if it is known in the data, that of the file,
    else the calibrated one.

    Args:
        model: The calibrated model.

    Raises:
        StateError: if the model does not know its data, because it has not been loaded.
    """

    kind = "calibrated physical model"

    def __init__(self, model: "PhysicalModel") -> None:
        if model.data is None:
            raise StateError(
                "a physical model rolls out datasets once it has been loaded with "
                "load_physical_model from the results of a calibration that states its data; "
                "re-run the stage train_physical, or give tensors, a grid, steps and dt"
            )
        self.data = model.data
        dynamic = [layout.name for layout in self.data.layouts if not layout.static]
        self.fields = list(match_roles(model.spec, dynamic).values())
        self.known = [parameter.name for parameter in self.data.known]
        walls = [name for name in self.known if re.match(r"boundary\.", name)]
        self.allowed = [*model.spec.parameters, *walls]
        self._model = model

    def run(self, start: Start, steps: int) -> dict[str, np.ndarray]:
        """The frames ``[T, C, *space]`` of each field."""
        lacking = [name for name in self.known if name not in start.values]
        if lacking:
            raise StateError(
                f"{start.source}: no value of the known parameter {lacking[0]}; give it with "
                f"--parameters {lacking[0]}=… (parameters={{{lacking[0]!r}: …}})"
            )
        for name, values in start.values.items():
            self._check(start.source, name, values)
        conditions = recorded_conditions(start.known, start.values)
        types = {values.dtype for values in start.fields.values()}
        with torch.no_grad(), self._model.at_least(types):
            frames = list(
                self._model.rollout(
                    dict(start.fields),
                    self.data.grid,
                    steps,
                    self.data.dt,
                    entries=[start.source],
                    conditions=conditions,
                )
            )
        found = {name: np.stack([f[name][0].numpy() for f in frames]) for name in self.fields}
        whole = {k: np.concatenate([start.fields[k].numpy(), v]) for k, v in found.items()}
        warn_of_unresolved({start.source: unresolved_fields(whole)})
        return found

    def _check(self, source: str, name: str, values: torch.Tensor) -> None:
        """Reject a value that the parameter cannot have."""
        spec = self._model.spec.parameters.get(name)
        if spec is None or values.numel() > MAX_NUMBERS:  # a boundary value, or a field
            return
        own = self._model.get_parameter(name)
        wanted = {own.numel() if own.numel() <= MAX_NUMBERS else 1}
        if spec.per_axis and own.ndim == 0:
            wanted.add(len(self.data.grid.axes))
        if values.numel() not in wanted:
            raise StateError(
                f"parameter {name!r}: {values.numel()} number(s); the model takes "
                f"{' or '.join(map(str, sorted(wanted)))}"
            )
        if values.numel() == own.numel() == 1 and name not in self.known:
            self._warn_of_magnitude(source, name, float(values))
        if spec.positive and (values < 0).any():
            raise StateError(
                f"parameter {name!r}: {values.flatten().tolist()}: it is 0 or above; correct it"
            )

    def used_parameters(self, start: Start) -> dict[str, Any]:
        """The numbers of each parameter that is no field."""
        fields = {parameter.name for parameter in start.known if parameter.is_field}
        own = {
            name: value.detach().numpy()
            for name, value in self._model.named_parameters()
            if name not in fields
        }
        given = {
            parameter.name: start.values[parameter.name][0].numpy()
            for parameter in start.known
            if not parameter.is_field
        }
        return {k: v for k, v in {**own, **given}.items() if v.size <= MAX_NUMBERS}

    def unit_of(self, parameter: str) -> str:
        """Unit of a parameter in the system of the data."""
        spec = self._model.spec.parameters.get(parameter)
        return "" if spec is None else self.data.units.concrete(spec.unit)

    def _warn_of_magnitude(self, source: str, name: str, value: float) -> None:
        """Warn of a value that is far from the calibrated one: its unit may be another."""
        own = float(self._model.get_parameter(name).detach())
        if own <= 0 or value <= 0 or 1 / FAR <= value / own <= FAR:
            return
        unit = self.unit_of(name)
        warn_of_result(
            f"{source}: parameter {name!r}: {value:.6g} is {value / own:.2g} times the calibrated "
            f"{own:.6g} {unit}".rstrip()
            + f": is it in the unit of the data{f', {unit}' if unit else ''}?"
        )


def rollout_dataset(
    model: "PhysicalModel", dataset: xr.Dataset, steps: int, **options: Any
) -> xr.Dataset:
    """A calibrated model's forecast; see :func:`~hybrid_pde.models.forecast.forecast_dataset`."""
    return forecast_dataset(PhysicalForecaster(model), dataset, steps, **options)
