"""Reading of the result files of a run, whatever was put in their place."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hybrid_pde.config.result_shapes import SHAPES, Shape
from hybrid_pde.config.yaml_file import read_yaml_result
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import DamagedResultError

REMEDY = "delete it and call the same command again: its stage then writes it again"
_MAX_TEXT = 300  # of the reason


def read_result_file(path: Path, shape: type[Shape] | None = None) -> dict[str, Any]:
    """Content of a YAML or JSON file that a stage wrote, and a later one or a command reads.

    Args:
        path: The file.
        shape: What it must hold; by default the one of the file's name in
            :data:`~hybrid_pde.config.result_shapes.SHAPES`, if there is one.

    Raises:
        DamagedResultError: if it is absent, no regular file, too large, not a mapping, or lacks
            what its readers need.
    """
    try:
        content = _read(path)
        if expected := shape or SHAPES.get(path.name):
            expected.model_validate(content)
    except ValidationError as error:
        raise damaged(path, _first(error)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, getattr(error, "strerror", None) or str(error)) from None
    return content


def damaged(path: Path, reason: str) -> DamagedResultError:
    """The error about a result file with other content than its stage writes."""
    return DamagedResultError(f"{path}: damaged: {' '.join(reason.split())[:_MAX_TEXT]}; {REMEDY}")


def _read(path: Path) -> dict[str, Any]:
    if path.suffix != ".json":
        return read_yaml_result(path)
    content = json.loads(read_small_text(path))
    if not isinstance(content, dict):
        raise ValueError(f"must be a mapping, not {content!r:.80}")
    return content


def _first(error: ValidationError) -> str:
    """Key and message of the first wrong value."""
    found = error.errors(include_url=False)[0]
    place = ".".join(map(str, found["loc"])) or "content"
    if found["type"] == "value_error":
        return f"{place}: {found['ctx']['error']}"
    value = "" if found["type"] == "missing" else f", not {found['input']!r:.60}"
    return f"{place}: {found['msg']}{value}"
