"""Runs the fuzz suite and prints its table: ``python -m tests.fuzz.report --cases 10000``."""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.fuzz.cases import draw
from tests.fuzz.pool import Case, Result, run_cases

FINE = ("read", "refused")
FINDINGS = ("crash", "hang", "memory", "differs", "exception", "unnamed")


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


def findings(results: Iterable[tuple[Case, Result]]) -> list[str]:
    """Cases with an outcome other than the allowed ones."""
    return [
        f"{result['outcome']}: {result['detail'][:300]}\n    {json.dumps(case)[:600]}"
        for case, result in results
        if result["outcome"] not in FINE
    ]


def main() -> None:
    """Print the table; exit with 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    since = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        results = []
        for ended in run_cases(draw(arguments.cases, arguments.seed), Path(scratch)):
            results.append(ended)
            for finding in findings([ended]):
                print(finding, flush=True)
    print(table(results))
    for what in ("did not return", "crashed ("):
        count = sum(what in result["detail"] for _, result in results)
        print(f"files reported because the library that reads them {what.strip(' (')}: {count}")
    print(f"{len(results)} cases, seed {arguments.seed}, {time.monotonic() - since:.0f} s")
    sys.exit(bool(findings(results)))


if __name__ == "__main__":
    main()
