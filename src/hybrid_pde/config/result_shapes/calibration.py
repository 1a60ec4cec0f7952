"""Shapes of what the calibration writes: parameters, residuals, the estimates of shards."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from hybrid_pde.config.result_shapes.shape import Number, Numbers, Shape, Value


class Parameter(Shape):
    """An entry of ``parameters`` in ``parameters.yaml``."""

    value: Value
    std: Value = None
    uncertainty: Value = None
    initial_guess: Value = None
    bounds: Annotated[Numbers, Field(min_length=2, max_length=2)] | None = None
    interval_90: list[Any] | None = None
    uncertainty_parts: dict[str, Value] | None = None
    discretization_error: Value = None
    unit: str | None = None
    labels: list[str] = []
    per_simulation: bool = False

    @model_validator(mode="after")
    def _an_interval_has_two_ends(self) -> Self:
        limits = None if self.per_simulation else self.interval_90
        if limits is None:
            return self
        if len(limits) != 2 or any(isinstance(each, str | dict) for each in limits):
            raise ValueError(f"interval_90: must be two limits, not {limits!r:.60}")
        return self


class Candidate(Shape):
    """A numerical scheme."""

    scheme: str
    order: int | None = None


class Compared(Candidate):
    """A scheme that was compared with others."""

    loss: Number
    parameters: dict[str, Any] | None = None


class Numerics(Shape):
    """The scheme that was used."""

    scheme: str | None = None
    order: int | None = None
    substeps: int | None = None
    candidates: list[Compared] | None = None


class Direction(Shape):
    """The least determined combination of parameters."""

    weights: dict[str, float]
    condition: Number


class Profile(Shape):
    """A profile likelihood."""

    values: Numbers
    increases: Numbers
    threshold: float


class Parameters(Shape):
    """``physical/parameters.yaml``."""

    parameters: dict[str, Parameter]
    status: str | None = None
    loss: Number = None
    iterations: int | None = None
    numerics: Numerics | None = None
    correlations: dict[str, dict[str, float]] | None = None
    least_determined: Direction | None = None
    profiles: dict[str, Profile] | None = None
    warnings: list[str] | None = None


class Correlation(Shape):
    """Autocorrelation of the residuals along an axis."""

    step: float
    values: Numbers


class Residuals(Shape):
    """``physical/residuals.json``."""

    correlation: dict[str, Correlation] = {}
    sentences: list[str] = []
    map: list[Number | Numbers] | None = None
    mean_map: list[Number | Numbers] | None = None
    by_time: Numbers | None = None
    dt: float | None = None
    axes: list[str] | None = None
    lower: list[float] | None = None
    upper: list[float] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        around = ("mean_map", "by_time", "dt", "axes", "lower", "upper")
        if self.map is not None and (left := [key for key in around if getattr(self, key) is None]):
            raise ValueError(f"a map without {', '.join(left)}")
        for rows in (self.map, self.mean_map):
            if len({len(row) if isinstance(row, list) else 0 for row in rows or ()}) > 1:
                raise ValueError("a map with rows of different lengths")
        return self


class SimulationEstimate(Shape):
    """An estimate of the parameters of one simulation."""

    simulation: int
    identity: str


class EstimateManifest(Shape):
    """The estimates of a shard: their files with digests."""

    files: dict[str, str]
