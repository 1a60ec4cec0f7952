"""Which libraries each result was made with: recorded beside its log, told where others are used.

Another version of a library is no reason to make a result again: that is the user's to decide.
"""

import json
from collections import defaultdict
from pathlib import Path

from hybrid_pde.data.atomic import write_json
from hybrid_pde.evaluation.provenance import collect_provenance

LIBRARIES = ("torch", "phiflow", "phiml")  # those that results come from
_SUFFIX = ".versions.json"


def record_versions(log: Path | None) -> None:
    """Note beside a job's log what its result was made with."""
    if log is not None:
        write_json(log.with_suffix(_SUFFIX), collect_provenance())


def other_versions(folders: list[Path]) -> list[str]:
    """A sentence for each library of which results were made with another version than today's.

    Args:
        folders: Those of results, e.g. ``results/<name>`` and its hybrid cycles.
    """
    installed = collect_provenance()["packages"]
    jobs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for folder in folders:
        for path in sorted((folder / "logs").glob(f"*{_SUFFIX}")):
            for library, version in _recorded(path).items():
                if library in LIBRARIES and version != installed.get(library):
                    jobs[library, version].append(str(folder / path.name.removesuffix(_SUFFIX)))
    return [
        f"made with {library} {version}, not today's {installed.get(library)}: "
        f"{', '.join(names)}; they are kept, `snakemake --forceall` makes them anew"
        for (library, version), names in sorted(jobs.items())
    ]


def _recorded(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text("utf-8"))["packages"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # nothing depends on it
