"""Wall time of each stage, from Snakemake's benchmarks."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import UserError
from hybrid_pde.evaluation import number_format as numbers
from hybrid_pde.result_warnings import STAGES

TIMED_STAGES = (*STAGES[:3], "calibrate", *STAGES[3:])  # the longest name of a prefix wins


def stage_seconds(folders: Iterable[Path]) -> dict[str, tuple[int, float]]:
    """Number of jobs and seconds of each stage, summed over its jobs, in the stages' order.

    Args:
        folders: Folders of results, each with ``benchmarks``; one may have none.
    """
    found: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for folder in folders:
        for path in sorted((folder / "benchmarks").glob("*.tsv")):
            stage = next((name for name in TIMED_STAGES if path.stem.startswith(name)), None)
            if stage is None:
                continue
            for measured in _seconds(path):
                jobs, seconds = found[stage]
                found[stage] = jobs + 1, seconds + measured
    return {stage: found[stage] for stage in TIMED_STAGES if stage in found}


def _seconds(path: Path) -> list[float]:
    """Wall times in a record of Snakemake.

    Raises:
        UserError: if it has other content.
    """
    try:
        rows = csv.DictReader(io.StringIO(read_small_text(path)), delimiter="\t")
        return [float(row.get("s") or 0.0) for row in rows]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{path}: damaged: {reason:.200}; delete it, and call the same command again: the "
            "report then leaves this time out"
        ) from None


def stage_rows(folder: Path, data: Iterable[Path] = ()) -> list[dict[str, str | int | float]]:
    """One row a stage of an experiment: name, jobs, time as text, and share of the longest.

    Args:
        folder: The experiment's folder; cycles and replicates in it count.
        data: Folders of raw and cached simulations, made by earlier stages.
    """
    runs = (each for kind in ("cycle_*", "replicate_*") for each in sorted(folder.glob(kind)))
    times = stage_seconds([*data, folder, *runs])
    longest = max((seconds for _, seconds in times.values()), default=0.0) or 1.0
    return [
        {
            "stage": stage,
            "jobs": jobs,
            "time": numbers.duration(seconds),
            "share": round(100 * seconds / longest, 1),
        }
        for stage, (jobs, seconds) in times.items()
    ]
