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
    """`false` generates no simulations."""
    num_simulations: Index = 64
    """Number of generated simulations."""
    alpha: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Fraction of generated windows among those drawn for training."""
    steps: PositiveInt | None = None
    """Length of generated simulations. Default: that of the first training simulation."""
    initial_condition: InitialCondition | None = None
    """Distribution of the initial states; the kinds are listed below. Default: that of
    `generation_params`, else `resembling`.
    """
    parameters: Literal["estimate", "distribution"] | dict[str, tuple[float, float]] = "estimate"
    """`estimate` uses the calibrated values; `distribution` draws from a normal distribution of the
    estimated values and standard deviations, within the bounds; `{viscosity: [0.001, 0.1]}` draws
    uniformly from ranges (uniformly in the logarithm if both ends are positive and a factor of 10
    or more apart).
    """
    symmetries: list[Literal["translation", "reflection", "rotation", "galilean"]] = []
    """Symmetries of the equation and its boundary; a random one is applied to each window drawn.
    One that does not hold is rejected.
    """
    max_disk_mb: PositiveFloat | None = None
    """Maximum size of the generated simulations on disk [MB]; more is rejected before anything is
    generated.
    """
    max_left_out: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Largest fraction of the generated simulations that may diverge and be left out; if more do,
    the surrogate is not trained.
    """


class HybridParams(Section):
    """Alternating cycles of calibration and surrogate training."""

    cycles: PositiveInt = 1
    """Number of cycles in which the two models teach each other: the physical model is calibrated
    on the observed values and, from the second cycle on, on the synthetic model's predictions of
    hidden ones; the synthetic model is trained on the observed values and on those the physical
    model generates.
    """
    interaction_weight: PositiveFloat = 0.1
    """Weight of a value predicted by the other model, relative to an observed one."""
    revert_if_worse: bool = True
    """Keeps the previous cycle's model if the new one fits the measured values worse than chance
    explains, or has larger errors on the validation simulations.
    """
