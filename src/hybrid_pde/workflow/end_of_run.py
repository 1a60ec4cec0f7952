"""Last lines of a run of Snakemake: what was found, or what the failed stages said."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from hybrid_pde.evaluation.report.end_summary import summary_of_folder
from hybrid_pde.workflow.job_lock import is_running, still_running
from hybrid_pde.workflow.plan import Plan

MAX_LOG_BYTES = 2**20  # from the end of a log
_LOG = re.compile(r"^ +log: (.+?) \(check log file", re.MULTILINE)
_RECORD = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ ([A-Z]+) \S+: ", re.MULTILINE)


def summaries(plans: Iterable[Plan]) -> Iterator[str]:
    """Parameters, errors, warnings and report of each experiment that has results."""
    for plan in plans:
        folder = Path(plan.results)
        results = ("evaluation/metrics.json", "physical/parameters.yaml")
        if any((folder / name).exists() for name in results):
            yield summary_of_folder(folder)


def failures(snakemake_logs: Iterable[Path]) -> list[str]:
    """Messages of the failed stages of a run: the last error in the log of each, once.

    Of a stage without one, which may have been killed, the log is named.

    Args:
        snakemake_logs: Snakemake's own logs of the run, which name the logs of failed jobs.
    """
    text = "\n".join(map(_end_of, snakemake_logs))
    found = [_last_error(_end_of(Path(name))) or _ended(name) for name in _LOG.findall(text)]
    return list(dict.fromkeys(found))


def _ended(log: str) -> str:
    if is_running(Path(log)):
        return still_running(Path(log))
    return (
        f"{log}: the stage ended without a message of its own, as one does that is killed, e.g. "
        "for lack of memory; the same command continues it"
    )


def _last_error(text: str) -> str:
    records = [*_RECORD.finditer(text)]
    starts = [record.start() for record in records]
    ends = [*starts[1:], len(text)][: len(records)]  # a stage that was ended may have no record
    said = [
        text[record.end() : end].strip()
        for record, end in zip(records, ends, strict=True)
        if record[1] == "ERROR"
    ]
    return said[-1].partition("\nTraceback")[0] if said else ""


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
