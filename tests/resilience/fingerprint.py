"""Digests of a run's results, for comparing interrupted and uninterrupted runs."""

import csv
import hashlib
import json
from pathlib import Path

# Files that are not compared, with the reason; all others in `results` and `data` are.
EXCLUDED = {
    "logs": "say when and how often a stage ran",
    "benchmarks": "wall times",
    "checkpoints": "files of locks; what else is left in there is counted as litter",
    ".locks": "files of locks",
    "timing.json": "wall times",
    "report.html": "shows wall times",
    "training.png": "shows wall times",
    "sources.json": "times of the raw files",
    "index-*.json": "times of the raw files",
}
WALL_TIME = "seconds"  # a column of histories


def fingerprint(folder: Path) -> dict[str, str]:
    """Digest of every result by its path in the folder."""
    return {
        str(path.relative_to(folder)): _digest(path)
        for top in ("results", "data")
        for path in sorted((folder / top).rglob("*"))
        if path.is_file() and not _is_excluded(path.relative_to(folder)) and not _is_litter(path)
    }


def differing(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """Files that are missing, unexpected, or have another digest."""
    return sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))


def litter(folder: Path) -> list[str]:
    """Temporary files and checkpoints that were left behind."""
    found = [
        path
        for top in ("results", "data")
        for path in (folder / top).rglob("*")
        if path.is_file() and _is_litter(path)
    ]
    return sorted(str(path.relative_to(folder)) for path in found)


def _is_litter(path: Path) -> bool:
    left = "checkpoints" in path.parts and path.suffix != ".lock"
    return left or (path.name.startswith(".") and path.suffix == ".tmp")


def _is_excluded(path: Path) -> bool:
    return path.suffix == ".lock" or any(
        Path(part).match(pattern) for part in path.parts for pattern in EXCLUDED
    )


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.name == "history.csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        kept = [{name: cell for name, cell in row.items() if name != WALL_TIME} for row in rows]
        content = json.dumps(kept).encode()
    return hashlib.sha256(content).hexdigest()
