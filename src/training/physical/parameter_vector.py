"""The learnable parameters as one vector of numbers of order one."""

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np
import torch

from src.config.schema import LearnableParameter
from src.errors import ConfigError
from src.models.physical.physical_model import PhysicalModel


class ParameterVector:
    """Maps named parameters to z = parameter / scale and back.

    The scale of a parameter is the magnitude of its initial guess, so that one relative
    tolerance serves a viscosity of 1e-4 and a rate of 5 alike.

    Args:
        model: The model at its initial guess.
        learnable: The parameters to be estimated, in the order of the experiment.

    Attributes:
        names: Name of every entry's parameter.
        components: Index of every entry within its parameter.
        scale: What an entry of z is multiplied by.
        lower: Lower bounds of z, ``-inf`` where there is none.
        upper: Upper bounds of z, ``inf`` where there is none.

    Raises:
        ConfigError: if an initial guess lies outside its bounds.
    """

    def __init__(self, model: PhysicalModel, learnable: Mapping[str, LearnableParameter]) -> None:
        self._model, self._learnable = model, learnable
        self.parameters = tuple(learnable)
        self.names: list[str] = []
        self.components: list[int] = []
        scale, bounds = [], []
        for name, parameter in learnable.items():
            values = model.get_parameter(name).detach().reshape(-1)
            bounds += [self._bounds(name, parameter)] * len(values)
            self.names += [name] * len(values)
            self.components += range(len(values))
            largest = float(values.abs().max())
            scale += [float(abs(value)) or largest or 1.0 for value in values]
        self.scale = np.array(scale)
        self.lower, self.upper = np.array(bounds).T / self.scale
        self.start = self.read()
        self._check_start()

    @property
    def labels(self) -> list[str]:
        """A name for every entry: ``viscosity``, ``velocity[0]``."""
        return [
            name if self._model.get_parameter(name).ndim == 0 else f"{name}[{component}]"
            for name, component in zip(self.names, self.components, strict=True)
        ]

    def read(self) -> np.ndarray:
        """Z of the model's present parameters."""
        values = [
            self._model.get_parameter(name).detach().reshape(-1).numpy() for name in self.parameters
        ]
        return np.concatenate(values) / self.scale

    def write(self, z: np.ndarray) -> None:
        """Set the model's parameters."""
        self._model.set_parameters(self.tensors(z))

    def expanded(self) -> "ParameterVector":
        """The same vector after parameters have become one number an axis."""
        if len(self.names) == sum(self._model.get_parameter(n).numel() for n in self.parameters):
            return self
        return ParameterVector(self._model, self._learnable)

    def project(self) -> None:
        """Move the model's parameters onto the nearest values within bounds."""
        self.write(np.clip(self.read(), self.lower, self.upper))

    def tensors(self, z: np.ndarray) -> dict[str, torch.Tensor]:
        """The learnable parameters at z, by name."""
        flat = torch.from_numpy(np.asarray(z * self.scale))
        return {name: self._part(flat, name) for name in self.parameters}

    def from_flat(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every parameter of the model, the learnable ones from a vector in their own units."""
        fixed = {name: value.detach() for name, value in self._model.named_parameters()}
        return {**fixed, **{name: self._part(flat, name) for name in self.parameters}}

    def all_tensors(self, z: np.ndarray) -> dict[str, torch.Tensor]:
        """Every parameter of the model, the learnable ones at z."""
        return self.from_flat(torch.from_numpy(np.asarray(z * self.scale)))

    def direction(self, entry: int) -> tuple[str, torch.Tensor]:
        """∂parameter/∂z[entry]: the parameter's name, and a tensor of its shape."""
        unit = np.zeros(len(self.names))
        unit[entry] = 1.0
        name = self.names[entry]
        return name, self.tensors(unit)[name]

    def by_name(self, flat: Sequence[float] | np.ndarray, name: str) -> float | list[float]:
        """One parameter's entries of a vector: a number, or a list for numbers an axis."""
        entries = [float(v) for v, owner in zip(flat, self.names, strict=True) if owner == name]
        return entries if self._model.get_parameter(name).ndim else entries[0]

    def _part(self, flat: torch.Tensor, name: str) -> torch.Tensor:
        chosen = [entry for entry, owner in enumerate(self.names) if owner == name]
        return flat[chosen].reshape(self._model.get_parameter(name).shape)

    def _bounds(self, name: str, parameter: LearnableParameter) -> tuple[float, float]:
        lower, upper = parameter.bounds or (None, None)
        lowest = 0.0 if self._model.spec.parameters[name].positive else -inf
        return (
            lowest if lower is None else max(lower, lowest),
            inf if upper is None else upper,
        )

    def _check_start(self) -> None:
        for entry, label in enumerate(self.labels):
            if not self.lower[entry] <= self.start[entry] <= self.upper[entry]:
                lower, upper = (
                    float(bound[entry] * self.scale[entry]) for bound in (self.lower, self.upper)
                )
                raise ConfigError(
                    f"trainer_params.learnable_parameters: the initial guess of {label}, "
                    f"{self.start[entry] * self.scale[entry]:g}, lies outside its bounds "
                    f"[{lower:g}, {upper:g}]"
                )
