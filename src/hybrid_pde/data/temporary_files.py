"""Files that are being written, and those that a killed process has left half written."""

import os
import re
import secrets
import socket
import time
from pathlib import Path

import psutil

# No file takes so long to be written, whatever machine writes it [s].
_OLD_S = 24 * 3600.0
_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


def temporary_sibling(path: Path) -> Path:
    """A name beside ``path`` for what is to take its place, which tells who writes it."""
    writer = f"{socket.gethostname()}-{os.getpid()}"
    return path.with_name(f".{path.name}.{writer}.{secrets.token_hex(4)}.tmp")


def remove_leftovers(folder: Path) -> int:
    """Delete what processes that are no more have left in a folder and those in it.

    Returns:
        The number of files.
    """
    found = [path for path in folder.rglob(".*.tmp") if _is_leftover(path)]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _is_leftover(path: Path) -> bool:
    if not _NAME.fullmatch(path.name):
        return False
    here = re.search(rf"\.{re.escape(socket.gethostname())}-(\d+)\.[0-9a-f]{{8}}\.tmp$", path.name)
    if here is not None:
        return not psutil.pid_exists(int(here[1]))
    try:
        return time.time() - path.stat().st_mtime > _OLD_S
    except FileNotFoundError:  # just renamed
        return False
