"""Table of the data in the report: grid, times, and statistics of the fields."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.evaluation.number_format import ROUNDING, number, plural


def data_facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each fact about the evaluated data.

    Args:
        data: Entry ``data`` of ``frames.json``.
    """
    if not data:
        return []
    grid, units = data["grid"], data["units"]
    length = f" {units['length']}" if units["length"] else ""
    extents = [
        f"{axis} {_end(low, high - low)} … {_end(high, high - low)}{length} ({points} points)"
        for axis, low, high, points in zip(
            grid["axes"], grid["lower"], grid["upper"], grid["shape"], strict=True
        )
    ]
    sides = [
        f"{axis}: {_side(lower)}" if lower == upper else f"{axis}: {_side(lower)}, {_side(upper)}"
        for axis, (lower, upper) in zip(grid["axes"], grid["boundary"], strict=True)
    ]
    few, many = data["frames"]
    frames = plural(few, "frame") if few == many else f"{few} to {many} frames"
    facts = [
        ("Evaluated", plural(len(data["simulations"]), "simulation")),
        ("Grid", "; ".join(extents)),
        ("Boundary", "; ".join(sides)),
        ("Time", f"{frames}, {time_step(data, data)} apart"),
    ]
    if units.get("epoch"):
        facts.append(("Times count from", str(units["epoch"])))
    return facts


def units_of_data(data: Mapping[str, Any]) -> StatedUnits:
    """Units of length and time, as the entry ``data`` of ``frames.json`` has them."""
    units = data.get("units", {})
    return StatedUnits(
        length=units.get("length", ""),
        time=units.get("time", ""),
        time_of_files=units.get("time_of_files", ""),
        seconds_of_files=data.get("seconds_of_files", 1.0),
    )


def time_step(data: Mapping[str, Any], described: Mapping[str, Any]) -> str:
    """The time between frames with its unit.

    Args:
        data: Entry ``data`` of ``frames.json``.
        described: A description with the time ``dt`` in the system of the data.
    """
    unit, factor = units_of_data(data).shown_time
    return f"{number(factor * described['dt'])} {unit}".rstrip()


def field_rows(data: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row a field or component: mean, standard deviation, range, missing values, unit."""
    return [
        {
            "name": each["name"] + (" (constant in time)" if each["static"] else ""),
            "mean": number(_mean(each), 4),
            **{key: number(each[key], 4) for key in ("std", "min", "max")},
            "missing": number(each["missing"]),
            "unit": each["unit"] or "not stated",
        }
        for each in data.get("fields", [])
    ]


def _end(value: float, length: float) -> str:
    """An end of the domain; half a cell below the first centre may be 0 up to rounding."""
    return number(0.0 if abs(value) < 1e-12 * length else value)


def _mean(statistics: Mapping[str, Any]) -> float | None:
    """The mean; zero where it is the rounding of single precision beside the variation."""
    mean, std = statistics["mean"], statistics["std"]
    if mean is None or std is None:
        return mean
    return 0.0 if abs(mean) < ROUNDING * std else float(mean)


def _side(side: Any) -> str:
    return side if isinstance(side, str) else f"value {number(side)}"
