"""Solutions of the calibrated equation from and to native tensors.

Layout: ``B`` simulations, ``C`` channels, then space.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch

from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import TENSOR_PREFIX, KnownParameter
from hybrid_pde.errors import DivergenceError
from hybrid_pde.evaluation.predictors import State
from hybrid_pde.models.physical.conditions import recorded_conditions
from hybrid_pde.models.physical.field_roles import match_roles

logger = logging.getLogger(__name__)


class PhysicalPredictor:
    """Rollout of the calibrated physical model on native tensors.

    Args:
        model: Object with ``spec`` and ``rollout(state, grid, steps, dt, conditions=…)``.
        grid: Grid of the data.
        layouts: Fields of the data.
        dt: Time between frames [time].
        known: Known parameters of the data.
    """

    def __init__(
        self,
        model: Any,
        grid: Grid,
        layouts: Sequence[FieldLayout],
        dt: float,
        known: Sequence[KnownParameter] = (),
    ) -> None:
        self.model = model
        self.grid = grid
        self.dt = dt
        self.known = tuple(known)
        dynamic = [layout.name for layout in layouts if not layout.static]
        self.fields = tuple(match_roles(model.spec, dynamic).values())

    def __call__(self, initial: State, steps: int) -> dict[str, torch.Tensor]:
        """Predict the states after ``initial``, using the known parameters among its entries."""
        values = {each.name: initial[TENSOR_PREFIX + each.name] for each in self.known}
        conditions = recorded_conditions(self.known, values)
        state = {name: initial[name] for name in self.fields}
        frames: list[Mapping[str, torch.Tensor]] = []
        precise = getattr(self.model, "at_least", None)
        types = {values.dtype for values in state.values()}
        with torch.no_grad(), precise(types) if precise else nullcontext():
            rollout = self.model.rollout(state, self.grid, steps, self.dt, conditions=conditions)
            try:
                for frame in rollout:
                    frames.append(frame)
            except DivergenceError as error:
                logger.info("%s", error)  # the errors become infinite, with a warning
        like = frames[0] if frames else state
        lost = {name: torch.full_like(values, torch.nan) for name, values in like.items()}
        frames += [lost] * (steps - len(frames))
        return {name: torch.stack([frame[name] for frame in frames], dim=1) for name in self.fields}
