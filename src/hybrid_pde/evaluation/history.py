"""Training histories: CSV files with one row an epoch or iteration."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.errors import UserError

Row = dict[str, Any]
History = dict[str, list[float]]


def write_history(path: Path, rows: list[Row]) -> None:
    """Write one row an epoch or iteration as CSV, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def read_rows(path: Path) -> list[Row]:
    """The rows of a training's history as the numbers that they were written from."""
    return [{name: _number(cell) for name, cell in row.items()} for row in read_text_rows(path)]


def read_text_rows(path: Path) -> list[Row]:
    """The rows of a history as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_columns(path: str | Path) -> History:
    """The columns of a history file; an empty cell is NaN.

    Raises:
        UserError: if a cell is no number.
    """
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    history: History = {name: [] for name in (rows[0] if rows else ())}
    for number, row in enumerate(rows, start=2):
        for name, cell in row.items():
            try:
                history[name].append(float(cell) if cell else math.nan)
            except (TypeError, ValueError) as error:
                raise UserError(
                    f"{path}, line {number}, column '{name}': {cell!r} is no number"
                ) from error
    return history


def parameter_columns(
    history: Mapping[str, Sequence[float]], parameters: Mapping[str, Any]
) -> dict[str, tuple[str, int]]:
    """For each column that follows a parameter: its parameter and the component.

    A vector has several columns, whose names start with the parameter's and go on with something
    else than a letter or digit, in the order of the components.
    """
    found: dict[str, tuple[str, int]] = {}
    seen: dict[str, int] = {}
    # The longest name first, so that `velocity_scale` is not taken for a part of `velocity`.
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
    """A number, or one of a list of numbers; None where it is missing."""
    chosen = value[index] if isinstance(value, list | tuple) else value
    return None if chosen is None else float(chosen)


def _number(cell: str) -> int | float | None:
    """What a cell of a training's history was written from."""
    if not cell:
        return None
    return int(cell) if cell.isdecimal() else float(cell)
