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


class NameParameter(Section):
    """A parameter that the name of each raw file states."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    source: Literal["filename"] = Field(alias="from")
    pattern: str

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
    known_parameters: dict[FieldName, KnownSource] = {}
    derive: dict[FieldName, Derivation] = {}
    cache_dir: str | None = None
    observations: ObservationParams | None = None

    @property
    def known_names(self) -> dict[str, str]:
        """Variable or attribute of each known parameter, in an opened file.

        There, :func:`hybrid_pde.data.raw_files.parameter_sources.with_named_sources` has replaced
        numbers in the file's name and lists of components by one.
        """
        names = {name: each for name, each in self.known_parameters.items()}
        assert all(isinstance(each, str) for each in names.values()), names
        return {name: str(each) for name, each in names.items()}
