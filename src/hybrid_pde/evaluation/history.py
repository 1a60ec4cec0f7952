"""Training histories: CSV files with one row an epoch or iteration."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import UserError

Row = dict[str, Any]
History = dict[str, list[float]]


def write_history(path: Path, rows: list[Row]) -> None:
    """Write a history atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a history; empty cells are ``None``."""
    return [{name: _number(cell) for name, cell in row.items()} for row in read_text_rows(path)]


def read_text_rows(path: Path) -> list[Row]:
    """Read the rows of a history without converting the cells.

    Raises:
        FileNotFoundError: if it does not exist.
        UserError: if it is no regular file, or too large.
    """
    try:
        text = read_small_text(path)
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: no history: {reason}; its stage then writes it again") from None
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read_columns(path: str | Path) -> History:
    """Read the columns of a history; empty cells are NaN.

    Raises:
        UserError: if a cell is not a number.
    """
    rows = read_text_rows(Path(path))
    history: History = {name: [] for name in (rows[0] if rows else ())}
    for number, row in enumerate(rows, start=2):
        for name, cell in row.items():
            try:
                history[name].append(float(cell) if cell else math.nan)
            except (TypeError, ValueError) as error:
                raise UserError(
                    f"{path}, line {number}, column '{name}': {cell!r} is not a number"
                ) from error
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
