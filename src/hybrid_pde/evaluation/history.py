"""Training histories: CSV files with one row an epoch or iteration."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.result_file import damaged
from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.domain.small_file import read_small_text

Row = dict[str, Any]
History = dict[str, list[float]]


def write_history(path: Path, rows: list[Row]) -> None:
    """Write a history atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a history; empty cells are ``None``.

    Raises:
        DamagedResultError: if a cell is not a number.
    """
    rows = read_text_rows(path)
    try:
        return [{name: _number(cell) for name, cell in row.items()} for row in rows]
    except ValueError as error:
        raise damaged(path, str(error)) from None


def read_text_rows(path: Path) -> list[Row]:
    """Read the rows of a history without converting the cells.

    Raises:
        FileNotFoundError: if it does not exist.
        DamagedResultError: if it is no regular file, too large, or no table.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(read_small_text(path), newline="")))
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise damaged(path, getattr(error, "strerror", None) or str(error)) from None
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise damaged(path, f"line {number}: not as many cells as in the first line")
    return rows


def read_columns(path: str | Path, required: Iterable[str] = ()) -> History:
    """Read the columns of a history; empty cells are NaN.

    Args:
        path: The file.
        required: Columns that a history with rows must have.

    Raises:
        DamagedResultError: if a cell is not a number, or a column is missing.
    """
    path = Path(path)
    rows = read_text_rows(path)
    history: History = {name: [] for name in (rows[0] if rows else ())}
    if rows and (missing := [name for name in required if name not in history]):
        raise damaged(path, f"no column {', '.join(missing)}")
    for number, row in enumerate(rows, start=2):
        for name, cell in row.items():
            try:
                history[name].append(float(cell) if cell else math.nan)
            except (TypeError, ValueError) as error:
                reason = f"line {number}, column '{name}': {cell!r:.80} is not a number"
                raise damaged(path, reason) from error
    return history


def parameter_columns(
    history: Mapping[str, Sequence[float]], parameters: Mapping[str, Any]
) -> dict[str, tuple[str, int]]:
    """Parameter and component index of each column that records a parameter.

    A vector has one column per component, in order. Their names begin with the parameter's name,
    followed by a character that is neither a letter nor a digit.
    """
    found: dict[str, tuple[str, int]] = {}
    seen: dict[str, int] = {}
    # The longest name first, so that `velocity_scale` is not taken for a component of `velocity`.
    names = sorted(parameters, key=len, reverse=True)
    fields = {name for name in names if "labels" in parameters[name]}
    for column in history:
        for name in names:
            rest = column.removeprefix(name)
            if column.startswith(name) and not rest[:1].isalnum():
                if name not in fields:
                    found[column] = (name, seen.get(name, 0))
                seen[name] = seen.get(name, 0) + 1
                break
    return found


def component(value: Any, index: int) -> float | None:
    """A number, or one of a list of numbers; ``None`` if missing."""
    chosen = value[index] if isinstance(value, list | tuple) else value
    return None if chosen is None else float(chosen)


def _number(cell: str) -> int | float | None:
    """Value of a cell: an integer, a float, or ``None`` if empty."""
    if not cell:
        return None
    return int(cell) if cell.isdecimal() else float(cell)
