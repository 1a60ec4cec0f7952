"""Summary of parameters with a value for each simulation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybrid_pde.data.simulation_table import Row
from hybrid_pde.evaluation.number_format import MISSING, number, percent

# 90 % of a normal distribution lie within this many standard deviations.
_NORMAL_90 = 1.6448536269514722


def simulation_rows(table: Sequence[Row]) -> list[dict[str, Any]]:
    """One row a parameter: numbers of simulations, uncertainty, and errors of stated values.

    Args:
        table: Rows of ``per_simulation.csv``.
    """
    rows = []
    for name in dict.fromkeys(row["parameter"] for row in table):
        own = [row for row in table if row["parameter"] == name]
        valued = [row for row in own if row["value"] is not None]
        spreads = [row["uncertainty"] for row in valued if row["uncertainty"] is not None]
        stated = [row for row in valued if row["known"] is not None]
        errors = [abs(row["value"] / row["known"] - 1) for row in stated if row["known"]]
        inside = [
            abs(row["value"] - row["known"]) <= _NORMAL_90 * row["uncertainty"]
            for row in stated
            if row["uncertainty"] is not None
        ]
        rows.append(
            {
                "name": name,
                "count": len(own),
                "missing": len(own) - len(valued),
                "uncertainty": number(float(np.median(spreads)), 2) if spreads else MISSING,
                "stated": len(stated),
                "median_error": percent(float(np.median(errors))) if errors else MISSING,
                "largest_error": percent(max(errors)) if errors else MISSING,
                "inside": f"{sum(inside)} of {len(inside)}" if inside else MISSING,
            }
        )
    return rows
