"""Result files that the report shows, read whatever was put in their place."""

import json
from pathlib import Path
from typing import Any

from hybrid_pde.config.yaml_file import read_yaml_result
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import UserError

_REMEDY = "delete it and call the same command again: its stage then writes it again"


def read_result_file(path: Path) -> dict[str, Any]:
    """Content of a YAML or JSON file.

    Raises:
        UserError: if it is absent, no regular file, too large, or not a mapping.
    """
    try:
        if path.suffix != ".json":
            return read_yaml_result(path)
        content = json.loads(read_small_text(path))
        if not isinstance(content, dict):
            raise ValueError(f"must be a mapping, not {content!r:.80}")
        return content
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: damaged: {' '.join(reason.split())[:300]}; {_REMEDY}") from None


def results_with_warnings(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Contents of ``parameters.yaml``, ``metrics.json`` and ``timing.json``; empty where absent.

    Args:
        folder: The experiment's folder.
    """
    names = ("physical/parameters.yaml", "evaluation/metrics.json", "evaluation/timing.json")
    parameters, metrics, timing = (read_if_present(folder / name) or {} for name in names)
    return parameters, metrics, timing


def read_if_present(path: Path) -> dict[str, Any] | None:
    """Content of a YAML or JSON file; ``None`` if it does not exist."""
    return read_result_file(path) if path.exists() else None
