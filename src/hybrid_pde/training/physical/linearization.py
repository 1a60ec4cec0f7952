"""Residual and Jacobian, compressed by QR as they come.

``[J r] = Q R``: the columns of R have the same inner products as those of ``[J r]``, so that least
squares on them gives the same step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hybrid_pde.training.physical.initial_state_unknowns import InitialStates

# Rows that are gathered before they are folded in, for each column: fewer, larger products.
_ROWS_A_COLUMN = 4


@dataclass(frozen=True)
class Linearization:
    """Residual and Jacobian at one point.

    Attributes:
        z: Where it was taken.
        jacobian: R's columns of the unknowns, ``[rows, n]``.
        residual: R's last column, ``[rows]``.
        loss: |r|²/N.
    """

    z: np.ndarray
    jacobian: np.ndarray
    residual: np.ndarray
    loss: float

    def of_parameters(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Jacobian and residual of the first unknowns, when all others are at their best.

        What the others (initial states) can explain is projected out, so that the covariance of
        the first is that of the whole problem.
        """
        rest = self.jacobian.shape[1] - count
        if not rest:
            return self.jacobian, self.residual
        ordered = np.column_stack(
            [self.jacobian[:, count:], self.jacobian[:, :count], self.residual]
        )
        reduced = np.asarray(np.linalg.qr(ordered, mode="r"))[rest:, rest:]
        return reduced[:, :-1], reduced[:, -1]


class Reduction:
    """Folds blocks of rows into triangles.

    With unknown initial states each window has a triangle of its own, since a state affects its
    window alone; else all windows share one.

    Args:
        num_parameters: Number of unknowns that all windows share.
        states: The initial states, where they are unknown.
    """

    def __init__(self, num_parameters: int, states: InitialStates | None) -> None:
        self._shared, self._own = num_parameters, 0 if states is None else states.size
        self._windows = 0 if states is None else len(states.start) // states.size
        self._triangles: dict[int, torch.Tensor] = {}
        self._waiting: dict[int, list[torch.Tensor]] = {}

    def fold(self, numbers: Sequence[int], block: torch.Tensor) -> None:
        """Add rows ``[J r]``, columns first: ``[shared + own + 1, B, rows]``."""
        if not self._own:
            self._add(0, block.flatten(1).T)
            return
        # A window's own columns first: what is left of the others then concerns them alone.
        order = [*range(self._shared, self._shared + self._own), *range(self._shared)]
        ordered = torch.cat([block[order], block[-1:]])
        for position, number in enumerate(numbers):
            self._add(number, ordered[:, position].T)

    def finish(self, z: np.ndarray, penalties: torch.Tensor, num_values: float) -> Linearization:
        """The linearization of all rows, and of penalties ``[m, n + 1]``."""
        for number in list(self._waiting):
            self._reduce(number)
        size = len(z)
        if not self._own:
            rows = [*self._triangles.values(), penalties]
        else:
            rows = [self._placed(number, size) for number in sorted(self._triangles)]
            rows.append(penalties)
        # As many rows whatever there was to fold: an optimizer compares residuals.
        rows.append(torch.zeros(size + 1, size + 1, dtype=torch.float64))
        stacked = torch.linalg.qr(torch.cat(rows), mode="r").R
        compressed = stacked.numpy()
        residual = compressed[:, -1]
        loss = float(residual @ residual) / num_values
        return Linearization(np.array(z), compressed[:, :-1], residual, loss)

    def _add(self, number: int, rows: torch.Tensor) -> None:
        waiting = self._waiting.setdefault(number, [])
        waiting.append(rows)
        columns = rows.shape[1]
        if sum(len(each) for each in waiting) >= max(_ROWS_A_COLUMN * columns, 1024):
            self._reduce(number)

    def _reduce(self, number: int) -> None:
        before = [self._triangles[number]] if number in self._triangles else []
        rows = torch.cat([*before, *self._waiting.pop(number, [])])
        self._triangles[number] = torch.linalg.qr(rows, mode="r").R

    def _placed(self, number: int, size: int) -> torch.Tensor:
        """A window's triangle with its columns where the unknowns stand."""
        triangle = self._triangles[number]
        placed = torch.zeros(len(triangle), size + 1, dtype=torch.float64)
        first = self._shared + number * self._own
        placed[:, first : first + self._own] = triangle[:, : self._own]
        placed[:, : self._shared] = triangle[:, self._own : -1]
        placed[:, -1] = triangle[:, -1]
        return placed
