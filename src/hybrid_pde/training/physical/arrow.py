"""Elimination of a simulation's own parameters from its linearization."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Arrow:
    """Linearization of one simulation with its own parameters eliminated.

    Attributes:
        own: Triangle of the own parameters ``[n_own, n_own]``.
        coupling: Its columns of the shared ones ``[n_own, n_shared]``.
        residual: Its residual ``[n_own]``.
        jacobian: Remaining rows for the shared parameters ``[rows, n_shared]``.
        rest: Their residual ``[rows]``.
        squares: |r|² of the simulation.
    """

    own: np.ndarray
    coupling: np.ndarray
    residual: np.ndarray
    jacobian: np.ndarray
    rest: np.ndarray
    squares: float

    def own_step(self, shared_step: np.ndarray) -> np.ndarray:
        """Step of the own parameters that belongs to one of the shared ones."""
        return _solve(self.own, -(self.residual + self.coupling @ shared_step))

    @property
    def response(self) -> np.ndarray:
        """∂ own / ∂ shared at the optimum, ``[n_own, n_shared]``."""
        return _solve(self.own, -self.coupling)


def eliminate(
    jacobian: np.ndarray, residual: np.ndarray, own: Sequence[int], shared: Sequence[int]
) -> Arrow:
    """Eliminate the own parameters by QR.

    Args:
        jacobian: ``[rows, n]``.
        residual: ``[rows]``.
        own: Columns of the own parameters.
        shared: Columns of the shared ones.
    """
    ordered = np.column_stack([jacobian[:, own], jacobian[:, shared], residual])
    size, count = ordered.shape[1], len(own)
    padded = np.vstack([ordered, np.zeros((size, size))])
    triangle = np.asarray(np.linalg.qr(padded, mode="r"))
    return Arrow(
        triangle[:count, :count],
        triangle[:count, count:-1],
        triangle[:count, -1],
        triangle[count:, count:-1],
        triangle[count:, -1],
        float(residual @ residual),
    )


def shared_step(arrows: Sequence[Arrow]) -> np.ndarray:
    """Gauss-Newton step of the shared parameters."""
    jacobian = np.vstack([each.jacobian for each in arrows])
    return _solve(jacobian, -np.concatenate([each.rest for each in arrows]))


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])
