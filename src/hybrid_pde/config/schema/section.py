"""Base class of every section of an experiment, and the value types that sections share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hybrid_pde.config.safe_names import field_problem, name_problem

Index = Annotated[int, Field(ge=0)]
Interval = tuple[float | None, float | None]
Number = float | list[float]


def _folder_name(name: str) -> str:
    if name in {".", ".."} or "/" in name:
        raise ValueError("must be the name of a folder, without a path")
    return _without(name_problem(name), name, "rename the folder")


def _field_name(name: str) -> str:
    return _without(
        field_problem(name),
        name,
        "give the field a plain name; data.variables says what it is called in the files",
    )


def _without(problem: str | None, name: str, remedy: str) -> str:
    if problem is not None:
        raise ValueError(f"{problem}; {remedy}")
    return name


FolderName = Annotated[str, AfterValidator(_folder_name)]
FieldName = Annotated[str, AfterValidator(_field_name)]  # also of a parameter


class Section(BaseModel):
    """A frozen section of the experiment; unknown keys are errors.

    The text below each key is its meaning in the reference and in the published JSON schema.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )
