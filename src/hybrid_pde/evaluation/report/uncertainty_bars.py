"""Stacked bars of the sources of each parameter's uncertainty."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.evaluation.history import component
from hybrid_pde.evaluation.number_format import MISSING, number
from hybrid_pde.evaluation.report.parameter_tables import component_name

# Sources in the order of the bar, with their titles and colours.
SOURCES = {
    "noise": ("noise", "#0072b2"),
    "scheme": ("scheme", "#d55e00"),
    "discretization": ("discretization", "#e69f00"),
    "precision": ("precision of the data", "#8a8a8a"),
    "initial_state": ("first frames", "#009e73"),
}


def uncertainty_rows(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per parameter or vector component with a known uncertainty.

    Each has ``name``, ``uncertainty`` and ``parts``: title, colour, value, and start and width of
    its section of the bar in percent. Squares add, so a section is a share of the variance.
    """
    rows = []
    for name, parameter in parameters.get("parameters", {}).items():
        total, parts = parameter.get("uncertainty"), parameter.get("uncertainty_parts")
        if total is None or parts is None or parameter.get("per_simulation"):
            continue
        many = isinstance(total, list)
        for index in range(len(total) if many else 1):
            size = component(total, index)
            rows.append(
                {
                    "name": component_name(name, total, index),
                    "uncertainty": number(size, 2),
                    "parts": _sections(parts, index, size),
                }
            )
    return rows


def _sections(parts: Mapping[str, Any], index: int, total: float | None) -> list[dict[str, Any]]:
    found, start = [], 0.0
    for key, (title, colour) in SOURCES.items():
        value = component(parts.get(key), index)
        width = 100 * (value / total) ** 2 if value and total else 0.0
        found.append(
            {
                "title": title,
                "colour": colour,
                "value": MISSING if value is None else number(value, 2),
                "start": round(start, 2),
                "width": round(width, 2),
            }
        )
        start += width
    return found
