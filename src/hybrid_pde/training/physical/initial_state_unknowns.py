"""Initial states as unknowns of a calibration.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``; the
unknowns are the states of all windows one after the other, each field divided by its scale.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from hybrid_pde.config.checks.calibration import MAX_UNKNOWNS, elimination_problem
from hybrid_pde.errors import ConfigError
from hybrid_pde.training.physical.observations import Observations

# Number of values of a state up to which a rollout with a tangent for each of them is cheaper than
# the iterations of the elimination.
_DENSE = 128


class InitialStates:
    """The initial state of every window as unknowns of order one.

    The first guess of observed values is the observation, that of hidden values the mean of the
    observed ones.

    Args:
        observations: The windows.

    Attributes:
        start: The first guess, ``[W · size]``.
        size: Number of unknowns per window.
    """

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self.size = observations.state_size
        parts = []
        for number in range(len(observations.windows)):
            state = observations.initial([number])
            for name in observations.fields:
                values, weight = state[name][0], observations.initial_weight([number], name)
                if weight is None:
                    values = torch.zeros_like(values)
                elif weight.shape[1:] == values.shape:
                    is_observed = weight[0] > 0
                    values = torch.where(is_observed, values, values[is_observed].mean())
                parts.append(values.reshape(-1) / observations.scale[name])
        self.start = torch.cat(parts).numpy()

    @property
    def is_dense(self) -> bool:
        """True if a column of the Jacobian for each unknown costs less than their elimination."""
        return self.size <= _DENSE and len(self.start) <= MAX_UNKNOWNS

    def check_size(self, count: int) -> None:
        """Check that the states can be eliminated in memory.

        Args:
            count: Number of parameters.

        Raises:
            ConfigError: if they cannot.
        """
        window = self._observations.windows[0]
        readings = 0 if window.readings is None else len(window.readings.times)
        times = window.num_frames + readings
        problem = elimination_problem(len(self._observations.windows), times, self.size, count)
        if problem is not None:
            raise ConfigError(problem)

    def states(self, unknowns: torch.Tensor, numbers: Sequence[int]) -> dict[str, torch.Tensor]:
        """States ``[B, C, *space]`` of windows from all unknowns, differentiable."""
        return self.to_fields(unknowns.reshape(-1, self.size)[list(numbers)])

    def to_fields(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """Fields ``[…, C, *space]`` by name of the unknowns ``[…, size]`` of a window."""
        found, first = {}, 0
        for name, template in self._shapes().items():
            count = template.numel()
            part = rows[..., first : first + count] * self._observations.scale[name]
            found[name] = part.reshape(*rows.shape[:-1], *template.shape)
            first += count
        return found

    def to_unknowns(self, fields: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Derivatives ``[…, size]`` by the unknowns from those by fields ``[…, C, *space]``."""
        axes = len(self._observations.grid.axes) + 1
        return torch.cat(
            [fields[name].flatten(-axes) * scale for name, scale in self._scales().items()], dim=-1
        )

    def residual(self, unknowns: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Weighted differences from the observed initial frames, ``[B, size]``."""
        states, observed = self.states(unknowns, numbers), self._observations.initial(numbers)
        parts = []
        for name in self._observations.fields:
            weight = self._observations.initial_weight(numbers, name)
            off = states[name] - observed[name]
            parts.append((torch.zeros_like(off) if weight is None else off * weight).flatten(1))
        return torch.cat(parts, dim=1)

    def weights(self, numbers: Sequence[int]) -> torch.Tensor:
        """Derivative of each residual of the initial frames by its own unknown, ``[B, size]``."""
        weights = []
        for name, template in self._shapes().items():
            weight = self._observations.initial_weight(numbers, name)
            if weight is None:
                weight = torch.zeros(1, 1, dtype=torch.float64)
            scaled = weight * self._observations.scale[name]
            weights.append(scaled.expand(len(numbers), *template.shape).flatten(1))
        return torch.cat(weights, dim=1)

    def block(self, unknowns: np.ndarray, numbers: Sequence[int], before: int) -> torch.Tensor:
        """``[J r]`` of the initial frames, ``[before + size + 1, B, size]``, columns first."""
        residual = self.residual(torch.from_numpy(np.array(unknowns)), numbers)
        columns = torch.diag_embed(self.weights(numbers)).transpose(0, 1)
        zeros = torch.zeros(before, *residual.shape, dtype=torch.float64)
        return torch.cat([zeros, columns, residual.unsqueeze(0)])

    def _scales(self) -> dict[str, float]:
        return {name: self._observations.scale[name] for name in self._observations.fields}

    def _shapes(self) -> dict[str, torch.Tensor]:
        initial = self._observations.initial([0])
        return {name: initial[name][0] for name in self._observations.fields}
