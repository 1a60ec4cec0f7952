"""Result files that the report, a comparison and the end of a run show; each may be absent."""

from pathlib import Path
from typing import Any

from hybrid_pde.config.result_file import read_result_file


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
