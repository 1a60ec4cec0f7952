"""Section ``data``: raw files, reading options, and observations used for training."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from hybrid_pde.config.raw_formats import RawFormat
from hybrid_pde.config.schema.section import FieldName, FolderName, Interval, Section


class SelectParams(Section):
    """Part of the raw data to read."""

    time: Interval | None = None
    stride: PositiveInt = 1
    crop: dict[str, Interval] = {}
    coarsen: dict[str, PositiveInt] = {}


class ObservationParams(Section):
    """Observed part of the training simulations, and noise added to it."""

    times: list[float] | None = None
    every: PositiveInt = 1
    region: dict[str, Interval] = {}
    points: PositiveInt | None = None
    sensors: str | None = None
    noise: NonNegativeFloat = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    missing: Literal["error", "mask"] = "error"

    @property
    def hides(self) -> bool:
        """True if values are hidden from training, not counting missing values."""
        selected = self.region or self.points is not None or self.sensors is not None
        return bool(self.times is not None or self.every > 1 or selected)


class DataParams(Section):
    """Location of the raw files and options for reading them."""

    data_dir: str = "data"
    dset_name: FolderName = ""
    fields: list[FieldName] = []
    format: RawFormat = "auto"
    variables: dict[str, str | list[str]] = {}
    dims: dict[str, str] = {}
    domain: dict[str, tuple[float, float]] = {}
    boundary: Any = None
    time_unit: str | None = None
    directions: dict[str, Literal["up", "down"]] = {}
    select: SelectParams = SelectParams()
    known_parameters: dict[FieldName, str] = {}
    cache_dir: str | None = None
    observations: ObservationParams | None = None
