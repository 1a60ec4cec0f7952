"""The learnable parameters as one vector of numbers of order one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import torch

from hybrid_pde.config.schema import LearnableParameter
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical.fields.parametrization import create_parametrization

# Bounds this far apart speak of a quantity whose order of magnitude is unknown.
_DECADES = 100.0
# Relative difference between NumPy's exponential and torch's.
_LAST_BITS = 4 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Entry:
    """One number that is learned.

    Attributes:
        parameter: Name of its parameter.
        label: ``viscosity``, ``velocity[0]``, ``diffusivity.centre[1].x``.
        start: Where it starts, in its own unit.
        scale: Its magnitude, in its own unit.
        lower: Lower bound, ``-inf`` for none.
        upper: Upper bound, ``inf`` for none.
        is_log: Whether its logarithm is learned.
    """

    parameter: str
    label: str
    start: float
    scale: float
    lower: float
    upper: float
    is_log: bool = False


class ParameterVector:
    """Maps named parameters to a vector z and back.

    θ = scale · z, or scale · exp(z − 1) for an entry on a logarithmic scale. The scale is the
    magnitude of the initial guess, so that z starts at 1, and one relative tolerance serves a
    viscosity of 1e-4 and a rate of 5 alike.

    Args:
        model: The model at its initial guess.
        learnable: The parameters to be estimated, in the order of the experiment.
        grid: Grid of the data; without it, parameters that are fields are left out.
        guess: The numbers to start from and to be scaled by; the model's present ones by default.

    Attributes:
        entries: What each number of the vector is.

    Raises:
        ConfigError: if an initial guess lies outside its bounds.
    """

    def __init__(
        self,
        model: PhysicalModel,
        learnable: Mapping[str, LearnableParameter],
        grid: Grid | None = None,
        guess: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self._model, self._learnable, self.grid = model, learnable, grid
        present = {name: model.get_parameter(name).detach().clone() for name in learnable}
        self._guess = present if guess is None else dict(guess)
        self.parameters = tuple(learnable)
        self._fields = {}
        self.entries: list[Entry] = []
        for name, parameter in learnable.items():
            if parameter.parametrization is None:
                self.entries += self._number_entries(name, parameter)
            elif grid is not None:
                field = create_parametrization(
                    parameter.parametrization, grid, parameter.initial_guess, name
                )
                self._fields[name] = field
                is_positive = model.spec.parameters[name].positive
                self.entries += _field_entries(name, field, parameter, is_positive)
        self.names = [entry.parameter for entry in self.entries]
        self.scale = np.array([entry.scale for entry in self.entries])
        self.is_log = np.array([entry.is_log for entry in self.entries], dtype=bool)
        self.start = self.encode(np.array([entry.start for entry in self.entries]))
        self.lower = self.encode(np.array([entry.lower for entry in self.entries]))
        self.upper = self.encode(np.array([entry.upper for entry in self.entries]))
        self._check_start()
        self._z = self.start
        if self._fields:
            self.write(self.start)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def labels(self) -> list[str]:
        """A name for every entry: ``viscosity``, ``velocity[0]``."""
        return [entry.label for entry in self.entries]

    def on(self, grid: Grid) -> "ParameterVector":
        """The same vector on the data's grid: numbers an axis are expanded, fields have a place."""
        if self.grid == grid:
            return self
        self._model.expand_per_axis(len(grid.axes))
        # The model may have left its guess since (a checkpoint was loaded): z keeps its meaning.
        return ParameterVector(self._model, self._learnable, grid, self._guess)

    def encode(self, theta: np.ndarray) -> np.ndarray:
        """Z of values in their own units."""
        if not len(theta):
            return np.zeros(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithm = 1 + np.log(np.maximum(theta, 0) / self.scale)
        return np.where(self.is_log, logarithm, theta / self.scale)

    def values(self, z: np.ndarray) -> np.ndarray:
        """The entries at z in their own units."""
        return np.where(self.is_log, self.scale * np.exp(z - 1), self.scale * z)

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """∂θ/∂z of every entry, in its own unit."""
        return np.where(self.is_log, self.values(z), self.scale)

    def read(self) -> np.ndarray:
        """Z of the model's present parameters."""
        written = self.values(self._z) if len(self) else np.zeros(0)
        theta = written.copy()
        for name in self.parameters:
            if name not in self._fields:
                own = self._model.get_parameter(name).detach().reshape(-1).cpu().numpy()
                theta[self.owned(name)] = own
        # What was written is read to the last bit: what is known of that point stays known.
        same = np.isclose(theta, written, rtol=_LAST_BITS, atol=0)
        return np.where(same, self._z, self.encode(theta))

    def write(self, z: np.ndarray) -> None:
        """Set the model's parameters."""
        self._z = np.array(z, dtype=float)
        decoded = self.decode(torch.from_numpy(self._z))
        self._model.set_parameters({name: decoded[name] for name in self.parameters})

    def decode(self, z: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every parameter of the model, the learnable ones at z ``[n]``, differentiably."""
        scale, is_log = torch.from_numpy(self.scale), torch.from_numpy(self.is_log)
        theta = scale * z
        if bool(is_log.any()):
            theta = torch.where(is_log, scale * torch.exp(z - 1), theta)
        decoded = {name: value.detach() for name, value in self._model.named_parameters()}
        for name in self.parameters:
            part = theta[self.owned(name)]
            if name in self._fields:
                decoded[name] = self._fields[name].values(part)
            else:
                decoded[name] = part.reshape(self._model.get_parameter(name).shape)
        return decoded

    def penalty(self, z: torch.Tensor) -> torch.Tensor:
        """Residuals of the smoothness of learned fields, ``[m]``, whose squares add to the loss."""
        parts = [torch.zeros(0, dtype=torch.float64)]
        for name, field in self._fields.items():
            owned = self.owned(name)
            theta = torch.from_numpy(self.scale[owned]) * z[owned]
            if (part := field.penalty(theta)) is not None:
                parts.append(part)
        return torch.cat(parts)

    def priors(self, z: torch.Tensor) -> torch.Tensor:
        """(θ − mean) / std of every parameter with a prior, ``[m]``."""
        parts = [torch.zeros(0, dtype=torch.float64)]
        decoded = self.decode(z)
        for name, parameter in self._learnable.items():
            if parameter.prior is not None:
                off = decoded[name] - parameter.prior.mean
                parts.append(off.reshape(-1) / parameter.prior.std)
        return torch.cat(parts)

    @property
    def has_priors(self) -> bool:
        """Whether a parameter has one."""
        return any(parameter.prior is not None for parameter in self._learnable.values())

    def owned(self, name: str) -> list[int]:
        """Positions of a parameter's entries."""
        return [entry for entry, owner in enumerate(self.names) if owner == name]

    def is_field(self, name: str) -> bool:
        """Whether a parameter is learned as a field."""
        return name in self._fields

    def describe(self, z: np.ndarray, name: str) -> dict[str, Any]:
        """What a field is made of at z, in plain types."""
        return self._fields[name].describe(torch.from_numpy(self.values(z)[self.owned(name)]))

    def by_name(self, flat: Sequence[float] | np.ndarray, name: str) -> float | list[float]:
        """One parameter's entries of a vector: a number, or a list for several."""
        entries = [float(flat[entry]) for entry in self.owned(name)]
        several = name in self._fields or self._model.get_parameter(name).ndim
        return entries if several else entries[0]

    def _number_entries(self, name: str, parameter: LearnableParameter) -> list[Entry]:
        value = self._guess[name].expand(self._model.get_parameter(name).shape)
        spec = self._model.spec.parameters[name]
        lower, upper = parameter.bounds or (None, None)
        low = max(-inf if lower is None else lower, 0.0 if spec.positive else -inf)
        high = inf if upper is None else upper
        largest = float(value.abs().max())
        spread = 0.0 if low <= 0 else high / low
        is_log = parameter.scale == "log" or (
            parameter.scale == "auto" and spec.positive and _DECADES <= spread < inf
        )
        sizes = [low, high] if max(abs(low), abs(high)) < inf else [0.0]
        otherwise = largest or max(map(abs, sizes)) or 1.0
        entries = []
        for component, start in enumerate(value.reshape(-1).tolist()):
            label = name
            if value.ndim:
                place = spec.components[component] if spec.components else component
                label = f"{name}[{place}]"
            entries.append(Entry(name, label, start, abs(start) or otherwise, low, high, is_log))
        return entries

    def _check_start(self) -> None:
        for entry in self.entries:
            if not entry.lower <= entry.start <= entry.upper:
                raise ConfigError(
                    f"trainer_params.learnable_parameters: the initial guess of {entry.label}, "
                    f"{entry.start:g}, lies outside its bounds [{entry.lower:g}, {entry.upper:g}]"
                )


def _field_entries(
    name: str, field: Any, parameter: LearnableParameter, is_positive: bool
) -> list[Entry]:
    lower, upper = parameter.bounds or (None, None)
    if is_positive:
        lower = max(0.0, lower or 0.0)
    is_grid = parameter.parametrization is not None and parameter.parametrization.type == "grid"
    entries = []
    for position, label in enumerate(field.labels):
        low, high = float(field.lower[position]), float(field.upper[position])
        if is_grid:  # the bounds of a field are those of its values
            low = low if lower is None else max(low, lower)
            high = high if upper is None else min(high, upper)
        start, scale = float(field.start[position]), float(field.scale[position])
        entries.append(Entry(name, label, start, scale, low, high))
    return entries
