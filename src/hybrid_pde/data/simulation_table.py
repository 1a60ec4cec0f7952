"""Table of the estimates of each simulation, ``per_simulation.csv``."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import CalibrationError

FILE = "per_simulation.csv"
COLUMNS = (
    "simulation",
    "file",
    "parameter",
    "value",
    "std",
    "uncertainty",
    "loss",
    "status",
    "known",
)
_NUMBERS = ("value", "std", "uncertainty", "loss", "known")
MAX_BYTES = 2**30  # some millions of rows

Row = dict[str, Any]


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table atomically; empty cells are missing numbers."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def read_table(path: Path) -> list[Row]:
    """Read the table; empty cells are ``None``.

    Raises:
        CalibrationError: if it is missing or has other content.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(read_small_text(path, MAX_BYTES), newline="")))
        for row in rows:
            if None in row or None in row.values():
                raise ValueError(f"a line with another number of cells than {len(COLUMNS)}")
            row["simulation"] = int(row["simulation"])
            row.update({key: float(row[key]) if row[key] else None for key in _NUMBERS})
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise CalibrationError(
            f"{path}: no table of estimates: {error!r:.200}; re-run the stage train_physical"
        ) from None
    return rows


def values_by_simulation(rows: Sequence[Row]) -> dict[int, dict[str, Any]]:
    """Values of the parameters by simulation: a number, or a list for several.

    A simulation that lacks the value of a parameter is left out.
    """
    found: dict[int, dict[str, Any]] = {}
    without = {row["simulation"] for row in rows if row["value"] is None}
    for row in rows:
        if row["simulation"] in without:
            continue
        values = found.setdefault(row["simulation"], {})
        name, bracket, _ = row["parameter"].partition("[")
        if bracket:
            values.setdefault(name, []).append(row["value"])
        else:
            values[name] = row["value"]
    return found


def typical_value(parameter: Mapping[str, Any]) -> Any:
    """Median of a parameter's values over the training simulations, component by component.

    ``None`` if no simulation has a value.
    """
    values = [value for value in parameter["value"] if value is not None]
    if not values:
        return None
    if isinstance(values[0], list):
        return [median(component) for component in zip(*values, strict=True)]
    return median(values)
