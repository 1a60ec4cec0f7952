"""Deletion of the checkpoints of finished trainings.

Apart from the other checkpoint modules because the Snakefile imports it, which must not load torch.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from hybrid_pde.domain.small_file import read_small_text

NUMBERED = re.compile(r"(\d{8})_([0-9a-f]{16})\.pt")
UNFINISHED = "new.pt"
# file in a checkpoint folder: the training's result is written; its text says whose folder it is
FINISHED = "finished"
FINISHED_TEXT = "hybrid_pde: the result of this training is written; its checkpoints can go\n"
_FOLDER = re.compile(r"[0-9a-f]{16}")
_TEMPORARY = re.compile(rf"\.{re.escape(UNFINISHED)}\..+\.tmp")


def remove_finished_checkpoints(results: Path) -> None:
    """Delete the checkpoints of an experiment's finished trainings, cycles and replicates included.

    Call it when the workflow or ``run.py`` has registered the results. A job that is killed after
    it has written its result, but before it is registered, starts again and needs them.

    Only files that :class:`~hybrid_pde.training.checkpoint_folder.CheckpointFolder` writes go, in
    folders with its names and its mark, under its lock. Links are not followed.

    Args:
        results: The experiment's folder, ``results/<experiment>``.
    """
    from filelock import FileLock, Timeout  # here, because a dry run does not need it

    runs = [results, *results.glob("cycle_[0-9][0-9]"), *results.glob("replicate_[0-9][0-9]")]
    for run in runs:
        if run.is_symlink():
            continue
        for folder in _finished_folders(run / "checkpoints"):
            lock = FileLock(folder.with_name(f"{folder.name}.lock"), timeout=0)
            with contextlib.suppress(OSError, Timeout), lock:  # a second process may train there
                _remove(folder)


def _finished_folders(root: Path) -> Iterator[Path]:
    """Folders of finished trainings in a folder of checkpoints that is no link."""
    if root.is_symlink() or not root.is_dir():
        return
    for folder in sorted(root.iterdir()):
        if _FOLDER.fullmatch(folder.name) and not folder.is_symlink() and _is_finished(folder):
            yield folder


def _is_finished(folder: Path) -> bool:
    mark = folder / FINISHED
    try:
        return not mark.is_symlink() and read_small_text(mark) == FINISHED_TEXT
    except (OSError, UnicodeDecodeError):
        return False


def _remove(folder: Path) -> None:
    """Delete our files, the mark last, and the folder if it is empty then."""
    with os.scandir(folder) as entries:
        files = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    for name in files:
        if NUMBERED.fullmatch(name) or name == UNFINISHED or _TEMPORARY.fullmatch(name):
            (folder / name).unlink(missing_ok=True)
    if set(os.listdir(folder)) <= {FINISHED}:
        (folder / FINISHED).unlink(missing_ok=True)
        folder.rmdir()
