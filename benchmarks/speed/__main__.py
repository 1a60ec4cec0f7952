"""Measures speed against other programs, and writes the tables and plots of the documentation.

    make bench
    python -m benchmarks.speed [--only rollouts differences …] [--exponax PYTHON] [--quick]

Every figure is a ratio of times measured in turn, the median of several rounds. They are written to
``docs/measurements/speed.json``, with versions and hardware, and from there to the tables of
``docs/benchmarks.md`` and to ``docs/images``. ``--exponax`` names the interpreter of an environment
with exponax, which ``make bench`` creates. ``--quick`` takes less than a minute: it measures a
rollout and a training against plain torch, and fails below half of the recorded ratios. CI calls
it after the tests.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from benchmarks.speed import documentation
from benchmarks.speed.calibrations import BEFORE, against_practice, against_revision
from benchmarks.speed.curves import curves
from benchmarks.speed.differences import finite_differences, quick_pairs
from benchmarks.speed.linearizations import linearizations
from benchmarks.speed.ratios import Ratio
from benchmarks.speed.raw_to_cache import raw_to_cache
from benchmarks.speed.rollouts import rollouts
from benchmarks.speed.start_up import start_up
from benchmarks.speed.training import quick_rate, training_rates
from hybrid_pde.data.atomic import atomic_path

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs/measurements/speed.json"
# A ratio below this share of the recorded one is a loss of speed, not noise.
_SHARE = 0.5

Section = Callable[[Path, argparse.Namespace], Iterable[Any]]
SECTIONS: dict[str, Section] = {
    "rollouts": lambda scratch, given: rollouts(scratch, given.exponax),
    "differences": lambda scratch, given: finite_differences(),
    "linearizations": lambda scratch, given: linearizations(),
    "training": lambda scratch, given: training_rates(),
    "raw_to_cache": lambda scratch, given: raw_to_cache(scratch),
    "practice": lambda scratch, given: against_practice(scratch),
    "revision": lambda scratch, given: against_revision(scratch, given.before),
    "start_up": lambda scratch, given: start_up(),
    "curves": lambda scratch, given: curves(),
}


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Measure the sections; those that are not measured keep their record."""
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.only:
            found = []
            for each in SECTIONS[name](Path(scratch), given):
                print(json.dumps(each.to_json()), flush=True)
                found.append(each.to_json())
            record[name] = {"environment": environment(), "measured": found}
    return record


def quick_checks() -> Iterator[Callable[[], Ratio]]:
    """Measurements against plain torch that take half a minute together."""
    yield from (pair.measure for pair in quick_pairs())
    yield quick_rate


def slower_than_recorded(checks: Iterable[Callable[[], Ratio]]) -> list[str]:
    """A sentence for each ratio below half of the recorded one, when it is measured twice."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    recorded = {
        (each["what"], each["against"]): each["ratio"]
        for section in ("differences", "training")
        for each in record[section]["measured"]
    }
    slower = []
    for check in checks:
        found = check()
        least = _SHARE * recorded[found.what, found.against]
        if found.ratio < least:  # another program may have run beside it
            found = check()
        said = f"{found.what}: {found.ratio:.2f} times as fast as {found.against}"
        print(f"{said} (at least {least:.2f}, half of what is recorded)", flush=True)
        if found.ratio < least:
            slower.append(f"{said}, half of the recorded ratio is {least:.2f}")
    return slower


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the record, and draw the tables and plots."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--exponax", type=Path, help="interpreter of an environment with exponax")
    parser.add_argument("--before", default=BEFORE, help="revision to compare calibrations with")
    parser.add_argument("--quick", action="store_true", help="check against the record")
    given = parser.parse_args(argv)
    if given.quick:
        sys.exit("\n".join(slower_than_recorded(quick_checks())) or 0)
    if "rollouts" in given.only and given.exponax is None:
        parser.error("rollouts need --exponax; `make bench` gives it")
    record = measure(given)
    RECORD.parent.mkdir(exist_ok=True)
    with atomic_path(RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    documentation.write(record, ROOT / "docs")


if __name__ == "__main__":
    main()
