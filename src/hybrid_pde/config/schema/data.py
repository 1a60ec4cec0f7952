"""Section ``data``: raw files, reading options, and observations used for training."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    PositiveInt,
    Tag,
    field_validator,
)

from hybrid_pde.config.raw_formats import RawFormat
from hybrid_pde.config.schema.section import FieldName, FolderName, Interval, Section


class SelectParams(Section):
    """Part of the raw data to read."""

    time: Interval | None = None
    """First and last time [s, or the files' unitless time]; `null` leaves an end open."""
    stride: PositiveInt = 1
    """Reads every n-th frame."""
    crop: dict[str, Interval] = {}
    """Lower and upper coordinate of the part of an axis that is read [length]."""
    coarsen: dict[str, PositiveInt] = {}
    """Number of neighbouring cells along an axis to average into one."""


class ObservationParams(Section):
    """Observed part of the training simulations, and noise added to it."""

    times: list[float] | None = None
    """Times of the observed frames [as the frames' times]. Default: all."""
    every: PositiveInt = 1
    """Observes every n-th frame, counted from the initial one."""
    region: dict[str, Interval] = {}
    """Lower and upper coordinate of the observed part of an axis, ends included [length]; `null`
    leaves an end open.
    """
    points: PositiveInt | None = None
    """Number of pairs of frame and point drawn for each simulation, after `times`, `every` and
    `region`. Default: all.
    """
    sensors: str | None = None
    """NetCDF file with measurements of fixed or moving sensors, which may be between grid points;
    relative to `project_root`. On its own it is all that is observed.
    """
    noise: NonNegativeFloat = 0.0
    """Standard deviation of Gaussian noise added to the observed values, as a fraction of the
    field's.
    """
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """Seed of the points and the noise. Default: `run_params.seed`."""
    missing: Literal["error", "mask"] = "error"
    """`error` rejects missing values in the raw files, `mask` treats them as unobserved; a
    surrogate cannot be trained on such data.
    """

    @property
    def hides(self) -> bool:
        """True if values are hidden from training, not counting missing values."""
        selected = self.region or self.points is not None or self.sensors is not None
        return bool(self.times is not None or self.every > 1 or selected)


class NameParameter(Section):
    """A parameter that the name of each raw file states."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    source: Literal["filename"] = Field(alias="from")
    """`filename`: the number is in the name of each raw file."""
    pattern: str
    """The file's name with `{}` where the number is, and `*` for any text, e.g. `"nu={}.h5"`; it
    may match any part of the name.
    """

    @field_validator("pattern")
    @classmethod
    def _has_one_place(cls, pattern: str) -> str:
        if pattern.count("{}") != 1:
            raise ValueError(
                "must have {} once, where the number is, e.g. 'nu={}.h5' or 'Du=*_Dv={}_k=*.h5'; * "
                "stands for any text"
            )
        return pattern


def _derivation(rule: str) -> str:
    if not re.fullmatch(r"(curl|velocity)\([^()]+\)", rule):
        raise ValueError(
            "must be curl(…) of a velocity, e.g. curl(velocity), or velocity(…) of a vorticity, "
            "e.g. velocity(vorticity)"
        )
    return rule


Derivation = Annotated[str, AfterValidator(_derivation)]


def _kind_of_source(value: Any) -> str:
    if isinstance(value, NameParameter | dict):
        return "mapping[from]"
    return "list[str]" if isinstance(value, list | tuple) else "str"


KnownSource = Annotated[
    Annotated[str, Tag("str")]
    | Annotated[list[str], Field(min_length=1), Tag("list[str]")]
    | Annotated[NameParameter, Tag("mapping[from]")],
    Discriminator(_kind_of_source),
]


class DataParams(Section):
    """Location of the raw files and options for reading them."""

    data_dir: str = "data"
    """Folder of all raw data; absolute, or relative to `project_root`."""
    dset_name: FolderName = ""
    """Name of the data set; its raw files are in `<data_dir>/<dset_name>/`."""
    fields: list[FieldName] = []
    """Fields to read, in the order of their channels; other variables are ignored."""
    format: RawFormat = "auto"
    """Format of the raw files; `auto` decides by their names and content. data.md describes them.
    """
    variables: dict[str, str | list[str]] = {}
    """The variable of a field, or its component variables, if the names differ, e.g. `{velocity:
    [u, v]}`.
    """
    dims: dict[str, str] = {}
    """The dimension for a role (`time`, `x`, `y`, `z`, `sample`, `vector`) if the names differ,
    e.g. `{time: t_hours, x: lon}`.
    """
    domain: dict[str, tuple[float, float]] = {}
    """Lower and upper end of each axis [length], if the coordinates do not define them."""
    boundary: Any = None
    """`periodic`, `zero-gradient`, a number (the fixed value), or one of these for each axis or for
    each side, e.g. `{x: {lower: 1.0, upper: 0.0}}`. Default: the files' attribute `boundary`, else
    `periodic`.
    """
    time_unit: str | None = None
    """Unit of the times, if the files have none; e.g. `hours`."""
    directions: dict[str, Literal["up", "down"]] = {}
    """`up` or `down` for each field or known parameter: the vertical direction in which its
    component is positive, if the files do not say; e.g. `{velocity: up}`.
    """
    select: SelectParams = SelectParams()
    """The part of the raw data that is read."""
    known_parameters: dict[FieldName, KnownSource] = {}
    """Where each simulation states the value of a parameter or of a fixed boundary: a variable or
    an attribute of its file, e.g. `{viscosity: nu, boundary.x.lower: inflow}`; variables for the
    components, `{velocity: [u, v]}`; or the file's name, `{viscosity: {from: filename, pattern:
    "nu={}.h5"}}`.
    """
    derive: dict[FieldName, Derivation] = {}
    """Fields that are computed from others while the files are read, on boxes that are periodic
    along all axes: `{vorticity: curl(velocity)}`, or `{velocity: velocity(vorticity)}` in the
    plane.
    """
    cache_dir: str | None = None
    """Folder for the caches of all data sets. Default: `<data_dir>/cache`."""
    observations: ObservationParams | None = None
    """The values of the training simulations that the trainings may use. Default: all."""

    @property
    def known_names(self) -> dict[str, str]:
        """Variable or attribute of each known parameter, in an opened file.

        There, :func:`hybrid_pde.data.raw_files.parameter_sources.with_named_sources` has replaced
        numbers in the file's name and lists of components by one.
        """
        names = {name: each for name, each in self.known_parameters.items()}
        assert all(isinstance(each, str) for each in names.values()), names
        return {name: str(each) for name, each in names.items()}
