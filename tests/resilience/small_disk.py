"""A disk that is easily filled: a small tmpfs."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 64  # a run of the tiny pipeline takes a tenth of it


def reason_for_none() -> str | None:
    """Why there can be none here; ``None`` if there can."""
    if os.geteuid() != 0:
        return "a tmpfs is mounted by root alone"
    if shutil.which("mount") is None:
        return "no `mount` here"
    return None


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A tmpfs on the folder; what it holds goes with it."""
    while os.path.ismount(folder):  # of a campaign that was killed
        _umount(folder)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)], check=True
    )
    try:
        yield
    finally:
        _umount(folder)


def _umount(folder: Path) -> None:
    # a process that is just ending may still have its working directory there
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
