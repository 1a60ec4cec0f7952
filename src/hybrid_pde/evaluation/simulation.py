"""What the evaluation asks of a simulation."""

from collections.abc import Mapping
from typing import Protocol

import torch

from hybrid_pde.domain.grid import FieldLayout, Grid


class Simulation(Protocol):
    """A cached simulation: ``fields`` holds ``[T, C, *space]``, static ones without ``T``."""

    @property
    def dt(self) -> float:
        """Time between frames [time]."""

    @property
    def grid(self) -> Grid:
        """Where the values lie."""

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The fields, static ones included."""

    @property
    def fields(self) -> Mapping[str, torch.Tensor]:
        """The values, read when subscripted; NaN where missing."""

    @property
    def known(self) -> Mapping[str, torch.Tensor]:
        """Values of the known parameters, ``[T, …]`` for those that change in time."""
