"""Section ``data``: raw files, how they are read, and which values the trainings may see."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from hybrid_pde.config.schema.section import FolderName, Interval, Section


class SelectParams(Section):
    """The part of the raw data that is read."""

    time: Interval | None = None
    stride: PositiveInt = 1
    crop: dict[str, Interval] = {}
    coarsen: dict[str, PositiveInt] = {}


class ObservationParams(Section):
    """What a training may see of the training simulations, and the noise that is added."""

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
        """Whether anything is kept from being seen; values that are missing are not counted."""
        asked = self.region or self.points is not None or self.sensors is not None
        return bool(self.times is not None or self.every > 1 or asked)


class DataParams(Section):
    """Where the raw files lie and how they are read."""

    data_dir: str = "data"
    dset_name: FolderName = ""
    fields: list[str] = []
    format: Literal["auto", "netcdf", "hdf5-pdebench"] = "auto"
    variables: dict[str, str | list[str]] = {}
    dims: dict[str, str] = {}
    domain: dict[str, tuple[float, float]] = {}
    boundary: Any = None
    time_unit: str | None = None
    select: SelectParams = SelectParams()
    known_parameters: dict[str, str] = {}
    cache_dir: str | None = None
    observations: ObservationParams | None = None
