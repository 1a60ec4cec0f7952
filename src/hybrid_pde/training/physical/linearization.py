"""Residual and Jacobian, reduced block by block with QR.

``[J r] = Q R``: the columns of R have the same inner products as those of ``[J r]``, so least
squares with R gives the same step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hybrid_pde.training.physical.frame_arrays import EndArrays, FrameArrays
from hybrid_pde.training.physical.initial_state_unknowns import InitialStates

# Rows per column that are collected before a reduction: fewer, larger products.
_ROWS_A_COLUMN = 4
# Largest number of values of these (64 MB), with thousands of columns.
_MOST_PENDING = 2**23
# With more parameters, inner products by simulation would cost as much as the reduction.
_MOST_PARAMETERS = 16


@dataclass(frozen=True)
class StateSteps:
    """Gauss-Newton steps of initial states that were eliminated.

    Attributes:
        step: Step of the states with the parameters held, ``[W · size]``.
        response: Change of the states that belongs to one of the parameters, ``[W · size, p]``.
    """

    step: np.ndarray
    response: np.ndarray

    def along(self, step: np.ndarray) -> np.ndarray:
        """Step of the states that belongs to one of the parameters."""
        return np.asarray(self.step + self.response @ step)


@dataclass(frozen=True)
class Linearization:
    """Residual and Jacobian at one point.

    With eliminated states, those of the parameters that remain.

    Attributes:
        z: The point.
        jacobian: Columns of R for the unknowns, ``[rows, n]``.
        residual: Last column of R, ``[rows]``.
        loss: |r|²/N.
        grams: ``[J r]ᵀ[J r]`` of each simulation for the parameters, with its initial states
            eliminated, ``[S, p + 1, p + 1]``; ``None`` with many parameters.
        states: Steps of the initial states, if they were eliminated.
        arrays: Residuals and derivatives of a few windows, where they were collected.
    """

    z: np.ndarray
    jacobian: np.ndarray
    residual: np.ndarray
    loss: float
    grams: np.ndarray | None = None
    states: StateSteps | None = None
    arrays: FrameArrays | EndArrays | None = None

    def stored(self) -> dict[str, Any]:
        """All but the point and the arrays as tensors and numbers, for files."""
        states = self.states
        return {
            # copies, because the memory layout may affect the last bits of later products
            "jacobian": torch.from_numpy(self.jacobian.copy()),
            "residual": torch.from_numpy(self.residual.copy()),
            "grams": None if self.grams is None else torch.from_numpy(self.grams),
            "loss": self.loss,
            "states": None
            if states is None
            else [torch.from_numpy(each.copy()) for each in (states.step, states.response)],
        }

    @classmethod
    def restored(cls, z: np.ndarray, values: Mapping[str, Any]) -> "Linearization":
        """The inverse of :meth:`stored`."""
        grams, states = values["grams"], values["states"]
        return cls(
            np.array(z),
            values["jacobian"].numpy(),
            values["residual"].numpy(),
            values["loss"],
            None if grams is None else grams.numpy(),
            None if states is None else StateSteps(*(each.numpy() for each in states)),
        )

    def of_parameters(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Jacobian and residual of the first unknowns, with all others eliminated.

        The other unknowns (initial states) are projected out, so the covariance of the first ones
        is that of the whole problem.
        """
        num_others = 0 if self.states is not None else self.jacobian.shape[1] - count
        if not num_others:
            return self.jacobian, self.residual
        ordered = np.column_stack(
            [self.jacobian[:, count:], self.jacobian[:, :count], self.residual]
        )
        reduced = np.asarray(np.linalg.qr(ordered, mode="r"))[num_others:, num_others:]
        return reduced[:, :-1], reduced[:, -1]

    def after(self, step: np.ndarray, arrays: EndArrays, num_values: float) -> "Linearization":
        """The linearization after a step so short that the derivatives stay what they are.

        Without eliminated states.
        """
        residual = self.residual + self.jacobian @ step
        moved = None
        if self.grams is not None:
            change = np.eye(len(step) + 1)
            change[:-1, -1] = step
            moved = change.T @ self.grams @ change
        loss = float(residual @ residual) / num_values
        return Linearization(self.z + step, self.jacobian, residual, loss, moved, arrays=arrays)

    def state_columns(
        self, unknowns: np.ndarray, numbers: Sequence[int], windows: int
    ) -> torch.Tensor | None:
        """First guess of the states' share of each column at another point, ``[p + 1, B, size]``.

        Of the residual it is the way from the states that this linearization predicts. ``None``
        without eliminated states.

        Args:
            unknowns: The other point.
            numbers: The windows.
            windows: Number of all windows.
        """
        if self.states is None:
            return None
        change = unknowns - self.z
        count = self.states.response.shape[1]
        off = change[count:] - self.states.along(change[:count])
        known = np.vstack([-self.states.response.T, off])
        return torch.from_numpy(known).reshape(count + 1, windows, -1)[:, list(numbers)]

    def steps(self, count: int, step: np.ndarray) -> np.ndarray:
        """A step of all unknowns: of the first ones as given, and the best one of the others."""
        if self.states is not None:
            return np.concatenate([step, self.states.along(step)])
        others = self.jacobian[:, count:]
        left = -self.residual - self.jacobian[:, :count] @ step
        return np.concatenate([step, np.linalg.lstsq(others, left, rcond=None)[0]])


class Reduction:
    """Reduction of blocks of rows ``[J r]`` to triangular factors R.

    With estimated initial states each window has its own factor, because a state affects only its
    window; otherwise all windows share one.

    Args:
        num_parameters: Number of unknowns shared by all windows.
        states: The initial states, if they are unknowns.
        simulations: Number of the simulation of each window, from 0.
    """

    def __init__(
        self, num_parameters: int, states: InitialStates | None, simulations: Sequence[int]
    ) -> None:
        self._shared, self._own = num_parameters, 0 if states is None else states.size
        self._simulations = list(simulations)
        self._grams: torch.Tensor | None = None
        if num_parameters <= _MOST_PARAMETERS:
            size = num_parameters + 1
            shape = (max(simulations) + 1, size, size)
            self._grams = torch.zeros(shape, dtype=torch.float64)
        self._windows = 0 if states is None else len(states.start) // states.size
        self._triangles: dict[int, torch.Tensor] = {}
        self._pending: dict[int, list[torch.Tensor]] = {}

    def fold(self, numbers: Sequence[int], block: torch.Tensor) -> None:
        """Add rows ``[J r]``, columns first: ``[shared + own + 1, B, rows]``."""
        if not self._own:
            self._add(0, block.flatten(1))
            if self._grams is not None:
                rows = block.transpose(0, 1)
                self._add_products(numbers, rows @ rows.transpose(1, 2))
            return
        # Own columns of the window first, so that the remaining rows depend on shared columns only.
        order = [*range(self._shared, self._shared + self._own), *range(self._shared)]
        ordered = torch.cat([block[order], block[-1:]])
        for position, number in enumerate(numbers):
            self._add(number, ordered[:, position])

    def finish(self, z: np.ndarray, penalties: torch.Tensor, num_values: float) -> Linearization:
        """The linearization of all rows, and of penalties ``[m, n + 1]``."""
        for number in list(self._pending):
            self._reduce(number)
        size = len(z)
        if not self._own:
            rows = [*self._triangles.values(), penalties]
        else:
            for number, triangle in self._triangles.items():
                remaining = triangle[self._own :, self._own :]
                self._add_products([number], (remaining.T @ remaining).unsqueeze(0))
            rows = [self._placed(number, size) for number in sorted(self._triangles)]
            rows.append(penalties)
        # A fixed number of rows: the optimizer compares residuals.
        missing = max(0, size + 1 - sum(len(each) for each in rows))
        rows.append(torch.zeros(missing, size + 1, dtype=torch.float64))
        stacked = torch.linalg.qr(torch.cat(rows), mode="r").R
        compressed = stacked.numpy()
        residual = compressed[:, -1]
        loss = float(residual @ residual) / num_values
        grams = None if self._grams is None else self._grams.numpy()
        return Linearization(np.array(z), compressed[:, :-1], residual, loss, grams)

    def _add_products(self, numbers: Sequence[int], products: torch.Tensor) -> None:
        """Add inner products of the rows of windows, ``[B, p + 1, p + 1]``."""
        if self._grams is not None:
            self._grams.index_add_(
                0, torch.tensor([self._simulations[number] for number in numbers]), products
            )

    def _add(self, number: int, columns: torch.Tensor) -> None:
        """Add rows, as columns ``[n, rows]``: in the order of memory that LAPACK wants."""
        pending = self._pending.setdefault(number, [])
        pending.append(columns)
        count = len(columns)
        enough = min(_ROWS_A_COLUMN * count, _MOST_PENDING // count)
        if sum(each.shape[1] for each in pending) >= max(enough, 1024):
            self._reduce(number)

    def _reduce(self, number: int) -> None:
        before = [self._triangles[number].T] if number in self._triangles else []
        columns = torch.cat([*before, *self._pending.pop(number, [])], dim=1)
        self._triangles[number] = torch.linalg.qr(columns.T, mode="r").R

    def _placed(self, number: int, size: int) -> torch.Tensor:
        """The factor of a window with its columns at the positions of the unknowns."""
        triangle = self._triangles[number]
        placed = torch.zeros(len(triangle), size + 1, dtype=torch.float64)
        first = self._shared + number * self._own
        placed[:, first : first + self._own] = triangle[:, : self._own]
        placed[:, : self._shared] = triangle[:, self._own : -1]
        placed[:, -1] = triangle[:, -1]
        return placed
