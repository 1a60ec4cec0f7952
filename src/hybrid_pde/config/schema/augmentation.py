"""Sections ``augmentation`` and ``hybrid``: generated simulations and hybrid cycles."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from hybrid_pde.config.schema.generation import InitialCondition
from hybrid_pde.config.schema.section import Index, Section


class AugmentationParams(Section):
    """Simulations generated with the calibrated model.

    ``alpha`` is the share of generated windows in training.
    """

    enabled: bool = True
    num_simulations: Index = 64
    alpha: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    steps: PositiveInt | None = None
    initial_condition: InitialCondition | None = None
    parameters: Literal["estimate", "distribution"] | dict[str, tuple[float, float]] = "estimate"
    symmetries: list[Literal["translation", "reflection", "rotation", "galilean"]] = []
    max_disk_mb: PositiveFloat | None = None
    max_left_out: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1


class HybridParams(Section):
    """Alternating cycles of calibration and surrogate training."""

    cycles: PositiveInt = 1
    interaction_weight: PositiveFloat = 0.1
    revert_if_worse: bool = True
