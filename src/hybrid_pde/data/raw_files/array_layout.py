"""Description of plain arrays by a YAML file beside them: axes, points, times, units, boundary."""

import json
from pathlib import Path
from typing import Any

from pydantic import PositiveFloat, ValidationError

from hybrid_pde.config.error_messages import format_validation_error
from hybrid_pde.config.schema.section import Section
from hybrid_pde.config.yaml_file import parse_yaml
from hybrid_pde.domain.small_file import MIB, read_small_text
from hybrid_pde.errors import RawDataError

SHARED = "layout.yaml"  # of all files in its folder that have none of their own
ENDINGS = (".yaml", ".yml")
_MAX_BYTES = 4 * MIB


class ArrayLayout(Section):
    """Meaning of the arrays in a file.

    Attributes:
        dims: Names of the axes of each array, or one list for all.
        coordinates: Points along an axis: name of an array, or the two ends of the domain, which
            is then divided into equal cells.
        dt: Time between frames, where no array lists the times.
        start: Time of the first frame.
        units: Units of arrays and axes.
        boundary: Boundary condition, as ``data.boundary``.
        parameters: Numbers that ``data.known_parameters`` can name.
    """

    dims: dict[str, list[str]] | list[str] = {}
    coordinates: dict[str, str | tuple[float, float]] = {}
    dt: PositiveFloat | None = None
    start: float = 0.0
    units: dict[str, str] = {}
    boundary: Any = None
    parameters: dict[str, float | list[float]] = {}

    @property
    def attributes(self) -> dict[str, Any]:
        """Boundary and parameters as global attributes of a file."""
        if self.boundary is None:
            return dict(self.parameters)
        is_plain = isinstance(self.boundary, str | int | float)
        return {
            **self.parameters,
            "boundary": self.boundary if is_plain else json.dumps(self.boundary),
        }


def layout_files(path: Path) -> list[Path]:
    """The file that describes a raw file: of its own name, else the folder's."""
    own = [path.with_suffix(ending) for ending in ENDINGS]
    return next(([each] for each in [*own, path.with_name(SHARED)] if each.is_file()), [])


def read_layout(path: Path) -> ArrayLayout | None:
    """The description of a raw file; ``None`` if there is none.

    Raises:
        RawDataError: naming the description and the key that is wrong.
    """
    for each in layout_files(path):
        try:
            stated = parse_yaml(read_small_text(each, _MAX_BYTES))
            return ArrayLayout.model_validate({} if stated is None else stated)
        except ValidationError as error:
            keys = {"": [*ArrayLayout.model_fields]}
            raise RawDataError(format_validation_error(error, each.name, keys)) from None
        except (OSError, ValueError) as error:
            raise RawDataError(f"{each.name}: cannot be read: {error}") from None
    return None
