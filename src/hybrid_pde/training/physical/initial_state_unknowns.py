"""Initial states as unknowns of a calibration.

Layout of native tensors: ``B`` windows, ``C`` channels, ``X Y Z`` space, ``[B, C, X, Y, Z]``; the
unknowns are the states of all windows one after the other, each field divided by its scale.
"""

from collections.abc import Sequence

import numpy as np
import torch

from hybrid_pde.config.checks.calibration import MAX_UNKNOWNS
from hybrid_pde.errors import ConfigError
from hybrid_pde.training.physical.observations import Observations


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

    def check_dense(self) -> None:
        """Check that a dense Jacobian is small enough.

        Raises:
            ConfigError: if it is too large.
        """
        if len(self.start) > MAX_UNKNOWNS:
            raise ConfigError(
                f"trainer_params.physical.initial_state: estimate: {len(self.start)} unknown "
                f"values are more than gauss-newton takes ({MAX_UNKNOWNS}); use method: L-BFGS-B, "
                "fewer or coarser windows"
            )

    def states(self, unknowns: torch.Tensor, numbers: Sequence[int]) -> dict[str, torch.Tensor]:
        """States ``[B, C, *space]`` of windows from all unknowns, differentiable."""
        rows = unknowns.reshape(-1, self.size)[list(numbers)]
        found, first = {}, 0
        for name, template in self._shapes().items():
            count = template.numel()
            part = rows[:, first : first + count] * self._observations.scale[name]
            found[name] = part.reshape(len(numbers), *template.shape)
            first += count
        return found

    def residual(self, unknowns: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Weighted differences from the observed initial frames, ``[B, size]``."""
        states, observed = self.states(unknowns, numbers), self._observations.initial(numbers)
        parts = []
        for name in self._observations.fields:
            weight = self._observations.initial_weight(numbers, name)
            off = states[name] - observed[name]
            parts.append((torch.zeros_like(off) if weight is None else off * weight).flatten(1))
        return torch.cat(parts, dim=1)

    def block(self, unknowns: np.ndarray, numbers: Sequence[int], before: int) -> torch.Tensor:
        """``[J r]`` of the initial frames, ``[before + size + 1, B, size]``, columns first."""
        residual = self.residual(torch.from_numpy(np.array(unknowns)), numbers)
        weights = []
        for name, template in self._shapes().items():
            weight = self._observations.initial_weight(numbers, name)
            if weight is None:
                weight = torch.zeros(1, 1, dtype=torch.float64)
            scaled = weight * self._observations.scale[name]
            weights.append(scaled.expand(len(numbers), *template.shape).flatten(1))
        columns = torch.diag_embed(torch.cat(weights, dim=1)).transpose(0, 1)
        zeros = torch.zeros(before, *residual.shape, dtype=torch.float64)
        return torch.cat([zeros, columns, residual.unsqueeze(0)])

    def _shapes(self) -> dict[str, torch.Tensor]:
        initial = self._observations.initial([0])
        return {name: initial[name][0] for name in self._observations.fields}
