"""Base class of every section of an experiment, and the value types that sections share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Index = Annotated[int, Field(ge=0)]
Interval = tuple[float | None, float | None]
Number = float | list[float]


def _no_path(name: str) -> str:
    if name in {".", ".."} or set(name) & set("/\\\0"):
        raise ValueError("must be the name of a folder, without a path")
    return name


FolderName = Annotated[str, AfterValidator(_no_path)]


class Section(BaseModel):
    """A frozen section of the experiment; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )
