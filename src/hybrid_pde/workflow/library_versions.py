"""Versions of the libraries that made each result, recorded beside the job's log.

A different version re-runs nothing; the user gets a warning and decides.
"""

import json
from collections import defaultdict
from pathlib import Path

from hybrid_pde.data.atomic import write_json
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.evaluation.provenance import collect_provenance

LIBRARIES = ("torch", "phiflow", "phiml")  # those that determine results
_SUFFIX = ".versions.json"


def record_versions(log: Path | None) -> None:
    """Record the versions beside a job's log."""
    if log is not None:
        write_json(log.with_suffix(_SUFFIX), collect_provenance())


def version_differences(folders: list[Path]) -> list[str]:
    """A warning for each version of a library that made results and is not the installed one.

    Args:
        folders: Folders of results, e.g. ``results/<name>`` and its hybrid cycles.
    """
    installed = collect_provenance()["packages"]
    jobs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for folder in folders:
        for path in sorted((folder / "logs").glob(f"*{_SUFFIX}")):
            for library, version in _recorded(path).items():
                if library in LIBRARIES and version != installed.get(library):
                    jobs[library, version].append(str(folder / path.name.removesuffix(_SUFFIX)))
    return [
        f"made with {library} {version}, not the installed {installed.get(library)}: "
        f"{', '.join(names)}; they are kept, `snakemake --forceall` recomputes them"
        for (library, version), names in sorted(jobs.items())
    ]


def _recorded(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(read_small_text(path))["packages"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}  # a missing or damaged record only means no warning
