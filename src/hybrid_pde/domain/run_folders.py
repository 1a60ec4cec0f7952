"""Folders below an experiment's results: of hybrid cycles, and of surrogates with other seeds."""

import shutil
from pathlib import Path

# In a folder of checkpoints: the result of the training is written.
FINISHED = "finished"


def cycle_folder(results: Path, cycle: int) -> Path:
    """Folder of a hybrid cycle, counted from 1."""
    return results / f"cycle_{cycle:02d}"


def replicate_folder(results: Path, replicate: int) -> Path:
    """Folder of a surrogate with another seed, counted from 1; that with the first is the model."""
    return results / f"replicate_{replicate:02d}"


def remove_finished_checkpoints(results: Path) -> None:
    """Delete the checkpoints of trainings whose results are written, in all folders below.

    To be called when whoever asked for the results knows of them: a job that is ended in its last
    moment, when its result is written and nobody has heard of it, is begun again.
    """
    for mark in results.glob(f"**/checkpoints/*/{FINISHED}"):
        shutil.rmtree(mark.parent, ignore_errors=True)
