"""Text that ``hybrid-pde check`` prints for an experiment without errors."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from hybrid_pde.command_line.aligned_columns import aligned
from hybrid_pde.command_line.checking.estimate import Work, used_simulations, work_of
from hybrid_pde.data.cache.announcements import ASSUMED_PERIODIC
from hybrid_pde.workflow.plan import Plan

_SECONDS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def summary_of(plan: Plan, command: str) -> str:
    """Work of the experiment, its approximate time and its disk space."""
    work = work_of(plan)
    needed = sum(each.disk for each in work)
    free = shutil.disk_usage(_existing(Path.cwd())).free
    rows = [[each.stage, *_about(each), each.content] for each in work]
    total = f"about {_rounded(sum(each.seconds for each in work), _SECONDS)} on 2 cores"
    disk = f"about {_rounded(needed, _BYTES)} of disk ({_rounded(free, _BYTES)} are free)"
    lines = [
        f"{plan.path}: no errors",
        "",
        *aligned(rows),
        "",
        f"together {total} and {disk}; mostly within a factor of three, and what is done is not "
        "repeated",
        *_warnings(plan, needed, free),
        f"run: {command}",
    ]
    return "\n".join(lines)


def _about(work: Work) -> tuple[str, str]:
    """Time and disk of a stage."""
    disk = _rounded(work.disk, _BYTES) if work.disk else ""
    return f"about {_rounded(work.seconds, _SECONDS)}", disk


def _warnings(plan: Plan, needed: float, free: float) -> list[str]:
    lines = []
    if needed > free:
        lines.append("the disk is too small: free some space, or set data.cache_dir to another one")
    if not plan.is_generated:
        if not plan.index.boundary_stated:
            lines.append(ASSUMED_PERIODIC)
        if left := len(plan.index.errors):
            lines.append(f"{left} raw file(s) cannot be used, and no stage needs them")
    left_out = plan.num_simulations - len(used_simulations(plan))
    if left_out:
        lines.append(f"{left_out} simulation(s) are in no split, and are not used")
    return lines


def _rounded(amount: float, units: Sequence[tuple[float, str]]) -> str:
    """One significant digit with the largest unit that fits."""
    for size, unit in units:
        if amount >= size:
            return f"{float(f'{amount / size:.1g}'):g} {unit}"
    return f"1 {units[-1][1]}"


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
