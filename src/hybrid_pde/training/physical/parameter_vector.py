"""The learnable parameters as one vector of scaled numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import torch

from hybrid_pde.config.equations import ParameterSpec
from hybrid_pde.config.schema import LearnableParameter
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.resampling import resampled_grid
from hybrid_pde.training.physical.fields.parametrization import create_parametrization

# Ratio of the bounds from which the order of magnitude is considered unknown (logarithmic scale).
_LOG_RATIO = 100.0
# Relative difference between the exponentials of NumPy and torch.
_LAST_BITS = 4 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Entry:
    """One learnable number.

    Attributes:
        parameter: Name of the parameter.
        label: ``viscosity``, ``velocity[0]``, ``diffusivity.centre[1].x``.
        start: Initial guess, in physical units.
        scale: Magnitude, in physical units.
        lower: Lower bound, ``-inf`` for none.
        upper: Upper bound, ``inf`` for none.
        is_log: Whether the logarithm is learned.
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
    magnitude of the initial guess, so z starts at 1 and one relative tolerance suits parameters of
    any magnitude.

    Args:
        model: The model at its initial guess.
        learnable: The parameters to estimate, in the order of the experiment.
        grid: Grid of the data; without it, field parameters are left out.
        guess: Initial values, which also set the scale; by default those of the model.

    Attributes:
        entries: Description of each number of the vector.

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
        """Name of every entry: ``viscosity``, ``velocity[0]``."""
        return [entry.label for entry in self.entries]

    def on(self, grid: Grid) -> "ParameterVector":
        """The vector on the grid of the data, with per-axis parameters expanded and with fields."""
        if self.grid == grid:
            return self
        self._model.expand_per_axis(len(grid.axes))
        # Scaled by the first guess, so that z keeps its meaning after a checkpoint was loaded.
        return ParameterVector(self._model, self._learnable, grid, self._guess)

    def encode(self, theta: np.ndarray) -> np.ndarray:
        """Z of values in physical units."""
        if not len(theta):
            return np.zeros(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithm = 1 + np.log(np.maximum(theta, 0) / self.scale)
        return np.where(self.is_log, logarithm, theta / self.scale)

    def values(self, z: np.ndarray) -> np.ndarray:
        """The entries at z in physical units; infinite where an exponential overflows."""
        with np.errstate(over="ignore", invalid="ignore"):  # the rollout reports the divergence
            return np.where(self.is_log, self.scale * np.exp(z - 1), self.scale * z)

    def slopes(self, z: np.ndarray) -> np.ndarray:
        """∂θ/∂z of every entry, in physical units."""
        return np.where(self.is_log, self.values(z), self.scale)

    def sizes(self, unknowns: np.ndarray) -> np.ndarray:
        """Magnitudes to which tolerances are relative: 1 for a logarithm, |z| for all others."""
        sizes = np.abs(unknowns)
        sizes[: len(self)][self.is_log] = 1.0
        return sizes

    def read(self) -> np.ndarray:
        """Z of the current parameters of the model."""
        written = self.values(self._z) if len(self) else np.zeros(0)
        theta = written.copy()
        for name in self.parameters:
            if name not in self._fields:
                own = self._model.get_parameter(name).detach().reshape(-1).cpu().numpy()
                theta[self.owned(name)] = own
        # Written values are read back to the last bit, so cached evaluations at z remain valid.
        same = np.isclose(theta, written, rtol=_LAST_BITS, atol=0)
        return np.where(same, self._z, self.encode(theta))

    def write(self, z: np.ndarray) -> None:
        """Set the model's parameters."""
        self._z = np.array(z, dtype=float)
        decoded = self._decode(torch.from_numpy(self._z), self.grid)
        self._model.set_parameters({name: decoded[name] for name in self.parameters})

    def set_result(self, parameters: Mapping[str, Any]) -> None:
        """Set the model's parameters to the result of an earlier calibration, within the bounds.

        Args:
            parameters: The entry ``parameters`` of the result; parameters with the value ``None``
                are set to their initial guess.
        """
        theta = self.values(self.start)
        for name in self.parameters:
            found = parameters[name]
            if found["value"] is not None:
                theta[self.owned(name)] = found.get("learned", found["value"])
        self.write(np.clip(self.encode(theta), self.lower, self.upper))

    def decode(self, z: torch.Tensor) -> dict[str, torch.Tensor]:
        """All parameters of the model, the learnable ones at z ``[n]``, differentiable.

        A field that may have kinks is at the points of the solver's grid.
        """
        grid, used = self.grid, self._model.discretization
        if self._fields and grid is not None:
            grid = resampled_grid(grid, used.refine, used.coarsen)
        return self._decode(z, grid)

    def _decode(self, z: torch.Tensor, grid: Grid | None) -> dict[str, torch.Tensor]:
        scale, is_log = torch.from_numpy(self.scale), torch.from_numpy(self.is_log)
        theta = scale * z
        if bool(is_log.any()):
            theta = torch.where(is_log, scale * torch.exp(z - 1), theta)
        decoded = {name: value.detach() for name, value in self._model.named_parameters()}
        for name in self.parameters:
            part = theta[self.owned(name)]
            if name in self._fields:
                decoded[name] = self._fields[name].values(part, grid)
            else:
                decoded[name] = part.reshape(self._model.get_parameter(name).shape)
        return decoded

    def penalty(self, z: torch.Tensor) -> torch.Tensor:
        """Smoothness residuals of learned fields, ``[m]``; their squares are added to the loss."""
        parts = [torch.zeros(0, dtype=torch.float64)]
        for name, field in self._fields.items():
            owned = self.owned(name)
            theta = torch.from_numpy(self.scale[owned]) * z[owned]
            if (part := field.penalty(theta)) is not None:
                parts.append(part)
        return torch.cat(parts)

    def adopt_magnitudes(self, z: np.ndarray) -> bool:
        """Scale the penalties of fields by the fields at z; whether one has changed.

        Linearizations from before are then no longer valid.
        """
        theta = torch.from_numpy(self.values(z))
        changed = [field.adopt_magnitude(theta[self.owned(n)]) for n, field in self._fields.items()]
        return any(changed)

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
        """True if some parameter has a prior."""
        return any(parameter.prior is not None for parameter in self._learnable.values())

    def spec_of(self, name: str) -> ParameterSpec:
        """Unit and components of a parameter."""
        return self._model.spec.parameters[name]

    def owned(self, name: str) -> list[int]:
        """Positions of a parameter's entries."""
        return [entry for entry, owner in enumerate(self.names) if owner == name]

    def is_field(self, name: str) -> bool:
        """True if a parameter is learned as a field."""
        return name in self._fields

    def describe(self, z: np.ndarray, name: str) -> dict[str, Any]:
        """Description of a field at z, in plain types."""
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
            parameter.scale == "auto" and spec.positive and _LOG_RATIO <= spread < inf
        )
        sizes = [low, high] if max(abs(low), abs(high)) < inf else [0.0]
        default = largest or max(map(abs, sizes)) or 1.0
        entries = []
        for component, start in enumerate(value.reshape(-1).tolist()):
            label = name
            if value.ndim:
                component_name = spec.components[component] if spec.components else component
                label = f"{name}[{component_name}]"
            entries.append(Entry(name, label, start, abs(start) or default, low, high, is_log))
        return entries

    def _check_start(self) -> None:
        for entry in self.entries:
            if not entry.lower <= entry.start <= entry.upper:
                raise ConfigError(
                    f"trainer_params.learnable_parameters: the initial guess of {entry.label}, "
                    f"{entry.start:g}, lies outside its bounds [{entry.lower:g}, {entry.upper:g}]; "
                    "change the initial guess or the bounds"
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
