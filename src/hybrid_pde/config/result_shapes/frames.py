"""Shape of ``evaluation/frames.json``: pictures of rollouts, and what the data are."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hybrid_pde.config.result_shapes.shape import Number, Shape


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
