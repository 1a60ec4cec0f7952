"""Base class and kinds of values of the shapes of result files."""

from typing import Any

from pydantic import BaseModel, ConfigDict

# ``null`` where a simulation diverged or the data do not determine it
Number = float | None
Numbers = list[Number]
# of a parameter: a number, a vector, a list over the simulations, or the description of a field
Value = Number | list[Number | Numbers] | dict[str, Any]


class Shape(BaseModel):
    """Part of a result file."""

    model_config = ConfigDict(extra="allow", strict=True)
