"""Folders below an experiment's results: of hybrid cycles, and of surrogates with other seeds."""

from pathlib import Path


def cycle_folder(results: Path, cycle: int) -> Path:
    """Folder of a hybrid cycle, counted from 1."""
    return results / f"cycle_{cycle:02d}"


def replicate_folder(results: Path, replicate: int) -> Path:
    """Folder of a surrogate with another seed, counted from 1; that with the first is the model."""
    return results / f"replicate_{replicate:02d}"
