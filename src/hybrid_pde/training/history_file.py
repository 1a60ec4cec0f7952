"""Training history files (CSV): writing and reading."""

import csv
from pathlib import Path
from typing import Any

from hybrid_pde.data.atomic import atomic_path

Row = dict[str, Any]


def write_history(path: Path, rows: list[Row]) -> None:
    """Write one row per epoch or iteration, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path) -> list[Row]:
    """The rows of a history, as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_rows(path: Path) -> list[Row]:
    """The rows of a history, as numbers."""
    return [{name: _number(cell) for name, cell in row.items()} for row in read_history(path)]


def _number(cell: str) -> int | float | None:
    """The number in a cell; ``None`` if it is empty."""
    if not cell:
        return None
    return int(cell) if cell.isdecimal() else float(cell)
