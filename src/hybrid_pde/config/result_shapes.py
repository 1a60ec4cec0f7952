"""Shapes of the result files of a run, as their readers need them: keys and kinds of values.

Keys that are not listed may be there. A number may be ``null``, where a simulation diverged or the
data do not determine it.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Number = float | None
Numbers = list[Number]
# of a parameter: a number, a vector, a list over the simulations, or the description of a field
Value = Number | list[Number | Numbers] | dict[str, Any]


class Shape(BaseModel):
    """Part of a result file."""

    model_config = ConfigDict(extra="allow", strict=True)


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


class Axis(Shape):
    """An axis of a picture."""

    label: str
    lower: str
    upper: str


Axes = Annotated[list[Axis], Field(min_length=2, max_length=2)]


class Line(Shape):
    """A line of a picture, with a path for each frame."""

    model: str
    title: str
    paths: list[str]


class Image(Shape):
    """A column of frames of a field, or of its error."""

    title: str
    scale: str
    png: str


class Scale(Shape):
    """A colour scale."""

    label: str
    lower: str
    upper: str
    stops: list[str]


class Images(Shape):
    """Pictures of a field in two dimensions or more."""

    kind: Literal["images"]
    panels: Annotated[list[Image], Field(min_length=1)]
    ratio: float
    axes: Axes
    scales: dict[str, Scale]


class Curves(Shape):
    """Values of a field in one dimension, or their errors."""

    label: str
    axes: Axes
    lines: list[Line]


class Drawings(Shape):
    """Curves of a field in one dimension."""

    kind: Literal["lines"]
    width: float
    height: float
    pitch: float
    panels: list[Curves]


class Rollout(Shape):
    """A rollout with its pictures."""

    title: str
    simulation: int
    time_unit: str
    frames: Annotated[list[int], Field(min_length=1)]
    times: list[str]
    fields: list[Annotated[Images | Drawings, Field(discriminator="kind")]]

    @model_validator(mode="after")
    def _a_time_for_each_frame(self) -> Self:
        if len(self.times) != len(self.frames):
            raise ValueError(f"{len(self.times)} times for {len(self.frames)} frames")
        return self


class Box(Shape):
    """The grid of the data."""

    axes: list[str]
    shape: list[int]
    lower: list[float]
    upper: list[float]
    boundary: list[list[str | float]]


class Statistics(Shape):
    """Statistics of a field or component."""

    name: str
    unit: str
    static: bool
    mean: Number
    std: Number
    min: Number
    max: Number
    missing: int


class Data(Shape):
    """Description of the data."""

    grid: Box
    dt: float
    frames: Annotated[list[int], Field(min_length=2, max_length=2)]
    units: dict[str, str]
    simulations: list[int]
    fields: list[Statistics]


class Frames(Shape):
    """``evaluation/frames.json``."""

    simulations: list[Rollout]
    data: Data | None = None


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


SHAPES: dict[str, type[Shape]] = {
    "parameters.yaml": Parameters,
    "metrics.json": Metrics,
    "timing.json": Timing,
    "frames.json": Frames,
    "residuals.json": Residuals,
}
