"""Runs the fuzz suite and prints its table: ``python -m tests.fuzz.report --cases 10000``."""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.cases import draw
from tests.fuzz.pool import Case, Result, run_cases

FINE = ("read", "refused")
FINDINGS = ("crash", "hang", "memory", "differs", "exception", "unnamed")


def fuzz(count: int, seed: int, scratch: Path) -> list[tuple[Case, Result]]:
    """Every case with its outcome."""
    return list(run_cases(draw(count, seed), scratch))


def table(results: list[tuple[Case, Result]]) -> str:
    """The outcomes of each kind of file as a Markdown table."""
    counts = Counter((case["subject"], result["outcome"]) for case, result in results)
    subjects = list(dict.fromkeys(case["subject"] for case, _ in results))
    head = ("file", "cases", *FINE, *FINDINGS)
    rows = [
        (name, sum(counts[name, each] for each in (*FINE, *FINDINGS)))
        + tuple(counts[name, each] for each in (*FINE, *FINDINGS))
        for name in sorted(subjects)
    ]
    sums = ("all", *(sum(int(row[place]) for row in rows) for place in range(1, len(head))))
    lines = [" | ".join(map(str, each)) for each in (head, ("---",) * len(head), *rows, sums)]
    return "\n".join(f"| {line} |" for line in lines)


def findings(results: list[tuple[Case, Result]]) -> list[str]:
    """The cases that ended in neither of the allowed outcomes."""
    return [
        f"{result['outcome']}: {result['detail'][:300]}\n    {json.dumps(case)[:600]}"
        for case, result in results
        if result["outcome"] not in FINE
    ]


def main() -> None:
    """Print the table; exits with 1 where there are findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    since = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        results = fuzz(arguments.cases, arguments.seed, Path(scratch))
    found = findings(results)
    print("\n".join(found))
    print(table(results))
    print(f"{len(results)} cases, seed {arguments.seed}, {time.monotonic() - since:.0f} s")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
