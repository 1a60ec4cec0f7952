"""Text that ``hybrid-pde inspect`` prints: a compact table."""

from typing import Any

from hybrid_pde.command_line.aligned_columns import aligned
from hybrid_pde.data.inspection.description import Inspection
from hybrid_pde.errors import printable

MAX_VALUES = 6  # of a parameter that differs between simulations


def table_of(found: Inspection) -> str:
    """The description as lines for a terminal."""
    time, several = found.time, "simulation" if found.simulations == 1 else "simulations"
    step = "" if time["dt"] is None else f", {_step(found)} apart"
    lines = [
        f"{found.format}: {found.simulations} {several} of {time['steps']} frame(s){step}",
        "",
        *aligned(
            [["field", "dims", "shape", "min", "max", "mean", "missing", "unit"]]
            + [
                [
                    name,
                    ", ".join(each["dims"]),
                    " × ".join(map(str, each["shape"])),
                    *(_number(each[key]) for key in ("min", "max", "mean")),
                    str(each["missing"]),
                    each["unit"] or "-",
                ]
                for name, each in found.fields.items()
            ]
        ),
        "",
        *aligned(
            [["axis", "points", "from", "to", "unit", "points are"]]
            + [
                [
                    axis,
                    str(each["points"]),
                    *(_number(each[key]) for key in ("lower", "upper")),
                    each["unit"] or "-",
                    "nodes on the ends" if each["nodes"] else "cell centres",
                ]
                for axis, each in found.axes.items()
            ]
        ),
        "",
        f"boundary: {found.boundary}",
    ]
    lines += [f"{name} = {_values(each)}" for name, each in found.parameters.items()]
    if found.notes:
        lines += ["", "notes:", *(f"- {note}" for note in found.notes)]
    return printable("\n".join(lines))


def _step(found: Inspection) -> str:
    """The time between frames, also in the files' unit: ``86400 s (1 day)``."""
    dt, units = found.time["dt"], found.info.units
    shown = _number(dt, found.time["unit"])
    in_files = units.in_files("time")
    return shown if in_files is None else f"{shown} ({_number(dt * in_files[1], in_files[0])})"


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.8g} {unit}".rstrip()


def _values(value: Any) -> str:
    if not isinstance(value, list):
        return str(value) if value is None else f"{value:.9g}"
    shown = ", ".join(map(_values, value[:MAX_VALUES]))
    return f"[{shown}{', …' if len(value) > MAX_VALUES else ''}]"
