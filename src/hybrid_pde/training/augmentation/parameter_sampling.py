"""Random equation parameters of generated simulations."""

import zlib
from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np
import torch
from scipy.stats import truncnorm

from hybrid_pde.config.schema import Experiment
from hybrid_pde.domain.grid import Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.parameter_ranges import value_within
from hybrid_pde.errors import CalibrationError, ConfigError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.result_warnings import warn_of_result

KEY = "augmentation.parameters"
_NEGLIGIBLE = 0.01  # of the width of the values found: their own errors


class ParameterSampler:
    """Draws values by simulation, as ``augmentation.parameters`` says.

    ``distribution`` draws every learned number from the normal distribution of its estimate and
    standard deviation, truncated at its bounds. Of parameters with a value for each simulation, it
    draws a training simulation, and all of them about the values of that one. Ranges are drawn
    from uniformly, in the logarithm if both ends are positive and a factor of 10 or more apart. A
    value depends only on the seed, the simulation and the parameter's name.

    Args:
        experiment: Section ``augmentation`` and the learnable parameters.
        model: The calibrated model, whose values are the estimates.
        grid: The grid, for parameters with a number for each axis.
        calibrated: Calibrated ``std`` and ``bounds`` of each parameter, as in ``parameters`` of
            ``parameters.yaml``; needed for ``distribution``.

    Raises:
        ConfigError: if a parameter is unknown.
        CalibrationError: if it has no standard deviation.
    """

    def __init__(
        self,
        experiment: Experiment,
        model: PhysicalModel,
        grid: Grid,
        calibrated: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._model, self._grid = model, grid
        asked = experiment.augmentation.parameters
        self._ranges = {} if isinstance(asked, str) else asked
        for name in self._ranges:
            if name not in model.spec.parameters:
                raise ConfigError(f"{KEY}.{name}: no parameter of {model.spec.name}")
        self._spreads: dict[str, tuple[np.ndarray, float, float]] = {}
        self._population: dict[str, np.ndarray] = {}
        if asked == "distribution":
            learned = experiment.trainer_params.physical.learnable_parameters
            numbers = [each.name for each in learned if each.parametrization is None]
            self._spreads = {name: self._spread(name, calibrated) for name in numbers}
        own = [name for name, each in (calibrated or {}).items() if each.get("per_simulation")]
        found = {name: _values_found((calibrated or {})[name]) for name in own}
        self._population = {name: found[name] for name in own if name in self._spreads}
        self._warn_of_extrapolation(found)

    @property
    def names(self) -> list[str]:
        """Names of the drawn parameters."""
        return [*self._ranges, *self._spreads]

    @property
    def kinds(self) -> list[KnownParameter]:
        """The drawn parameters as known parameters, without values."""
        return [KnownParameter(name, self._components(name)) for name in self.names]

    def draw(self, entropy: tuple[int, ...]) -> dict[str, torch.Tensor]:
        """Values of one simulation in double precision, a number or numbers by name.

        Args:
            entropy: Seeds of the random numbers, e.g. ``(seed, index)``.
        """
        values = {}
        for name in self.names:
            # seeded by name, so another parameter does not change the values of the others
            generator = np.random.default_rng([*entropy, zlib.crc32(name.encode())])
            shape = (len(self._components(name)),) if self._components(name) else ()
            shares = generator.random(shape)
            if name in self._ranges:
                drawn = self._within(name, shares)
            else:
                drawn = self._about(name, shares, entropy)
            values[name] = torch.as_tensor(drawn, dtype=torch.float64)
        return values

    def _warn_of_extrapolation(self, found: Mapping[str, np.ndarray]) -> None:
        """Warn of ranges that reach beyond the values of the training simulations."""
        for name in self._ranges:
            if name not in found:
                continue
            (lower, upper), least, largest = (
                self._ranges[name], float(found[name].min()), float(found[name].max())
            )  # fmt: skip
            slack = _NEGLIGIBLE * (largest - least)
            if lower < least - slack or upper > largest + slack:
                warn_of_result(
                    f"{KEY}.{name}: {[lower, upper]}: reaches beyond the values found in the "
                    f"training simulations, {least:.5g} to {largest:.5g}; simulations generated "
                    "outside them rely on the equation alone. Narrow the range, or add data there"
                )

    def _within(self, name: str, shares: Any) -> Any:
        lower, upper = self._ranges[name]
        return np.vectorize(lambda share: value_within(lower, upper, share))(shares)

    def _about(self, name: str, shares: Any, entropy: tuple[int, ...]) -> Any:
        std, lower, upper = self._spreads[name]
        mean = self._model.get_parameter(name).detach().numpy()
        if name in self._population:
            # the same simulation for all parameters: their values belong together
            chosen = np.random.default_rng(entropy).integers(len(std))
            mean, std = self._population[name][chosen], std[chosen]
        safe = np.where(std > 0, std, 1.0)
        cut = truncnorm.ppf(shares, (lower - mean) / safe, (upper - mean) / safe, mean, safe)
        return np.where(std > 0, cut, mean)

    def _components(self, name: str) -> tuple[str, ...]:
        """Names of a parameter's components; empty for a scalar."""
        spec = self._model.spec.parameters[name]
        if spec.components:
            return spec.components
        single = name in self._spreads and self._model.get_parameter(name).ndim == 0
        return self._grid.axes if spec.per_axis and not single else ()

    def _spread(
        self, name: str, calibrated: Mapping[str, Mapping[str, Any]] | None
    ) -> tuple[np.ndarray, float, float]:
        """Standard deviation and bounds of a learned parameter."""
        report = (calibrated or {}).get(name, {})
        std: Any = report.get("std")
        if report.get("per_simulation"):
            std = [s for s, v in zip(std, report["value"], strict=True) if v is not None]
        elif not report.get("determined", True):
            std = None
        if std is None or None in np.ravel(np.array(std, dtype=object)):
            why = "the data do not determine it" if report else "it has not been calibrated"
            raise CalibrationError(
                f"{KEY}: distribution: {name} has no standard deviation ({why}); give its range "
                f"instead, {{{name}: [lower, upper]}}, or take estimate"
            )
        lower, upper = report.get("bounds") or (None, None)
        lower, upper = (-inf if lower is None else lower), (inf if upper is None else upper)
        if self._model.spec.parameters[name].positive:
            lower = max(lower, 0.0)
        return np.asarray(std, dtype=float), lower, upper


def _values_found(report: Mapping[str, Any]) -> np.ndarray:
    """Values of a parameter of each simulation, ``[S]`` or ``[S, C]``."""
    return np.array([value for value in report["value"] if value is not None], dtype=float)
