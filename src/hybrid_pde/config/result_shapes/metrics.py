"""Shapes of ``evaluation/metrics.json`` and ``evaluation/timing.json``."""

from typing import Annotated

from pydantic import Field

from hybrid_pde.config.result_shapes.shape import Number, Numbers, Shape


class FieldError(Shape):
    """The error of one field."""

    vrmse: Number


class OverTime(Shape):
    """Errors by lead time."""

    vrmse: Annotated[Numbers, Field(min_length=1)]
    nrmse: Numbers = []
    relative_l2: Numbers = []
    correlation: Numbers = []


class Limits(Shape):
    """Smallest and largest error by lead time."""

    min: Numbers
    max: Numbers


class Drift(Shape):
    """Change of a conserved quantity."""

    drift: Number
    by_lead_time: Numbers = []


class Growth(Shape):
    """Largest value by lead time, relative to the initial state."""

    growth: Numbers


class LongRollout(Shape):
    """Long rollouts of a model."""

    steps: int
    finite: bool
    lasted: int
    growth: Number
    by_lead_time: Growth


class Bands(Shape):
    """An error at low, middle and high wavenumbers."""

    low: Number
    mid: Number
    high: Number


class Errors(Shape):
    """Errors of a model."""

    vrmse: Number
    relative_l2: Number
    diverged: int
    by_lead_time: OverTime
    by_field: dict[str, FieldError]
    range_by_lead_time: dict[str, Limits] = {}
    spectral_error: Bands | None = None
    conserved: dict[str, dict[str, Drift]] = {}
    correlation_time: Number = None
    correlation_time_capped: Number | bool = None
    long_rollout: LongRollout | None = None


class Evaluated(Shape):
    """Content of the evaluation."""

    simulations: list[int]
    split: str
    num_steps: int
    dt: float
    conserved: dict[str, dict[str, Number]] = {}
    wavenumbers: list[float] = []


class Metrics(Shape):
    """``evaluation/metrics.json``."""

    evaluated_on: Evaluated
    persistence: Errors
    synthetic: Errors | None = None
    physical: Errors | None = None
    spectra: dict[str, dict[str, Numbers]] = {}
    warnings: list[str] | None = None


class Cost(Shape):
    """Error and time of a step of a model."""

    model: str
    shape: list[int]
    vrmse: Number
    seconds: Number


class Batch(Shape):
    """Seconds for a step of each simulation of a batch."""

    simulations: int


class Timing(Shape):
    """``evaluation/timing.json``."""

    synthetic: Number = None
    physical: Number = None
    batch: Batch | None = None
    speedup: dict[str, float] = {}
    cost: list[Cost] = []
    warnings: list[str] | None = None
