"""A small tmpfs as a disk that fills up quickly."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_MB = 64  # a run of the tiny pipeline needs a tenth of it


def unavailable_reason() -> str | None:
    """Why this machine cannot mount one; ``None`` if it can."""
    if os.geteuid() != 0:
        return "mounting a tmpfs needs root"
    if shutil.which("mount") is None:
        return "`mount` is not installed"
    return None


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a tmpfs on the folder; its contents are lost when it is unmounted."""
    while os.path.ismount(folder):  # left by a campaign that was killed
        _umount(folder)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)], check=True
    )
    try:
        yield
    finally:
        _umount(folder)


def _umount(folder: Path) -> None:
    # lazily, because an exiting process may still have its working directory there
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
