"""Reads raw files in a process apart, where a library may crash or hang without harm.

HDF5 and NetCDF are C libraries: on some damaged files they never come back, and no exception tells.
One child process tries every file first. It is started when it is first needed and ends with its
parent; where it dies, the file is named and the next one has a new child.
"""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from src.config.schema import DataParams
from src.data.readers.base import RawFileInfo
from src.errors import ConfigError, RawDataError

LIMIT_S = 120  # without a sign of life: a file system that is slow delivers a block much sooner
_ROOT = Path(__file__).resolve().parents[3]
_LOCK = threading.Lock()
_children: dict[int, "subprocess.Popen[str]"] = {}  # by the parent's process id: a fork starts anew


def inspect(path: Path, data: DataParams) -> RawFileInfo:
    """What a raw file says about its simulations.

    Raises:
        RawDataError: if it cannot be read, or the library that reads it crashes or hangs.
        ConfigError: if the ``data`` section does not fit.
    """
    answer = _ask(path, data, None)
    if "error" in answer:
        kind = {"ConfigError": ConfigError, "RawDataError": RawDataError}[answer["error"]]
        raise kind(answer["message"])
    return RawFileInfo.from_dict(answer["info"])


def try_out(path: Path, data: DataParams, sample: int) -> None:
    """Read all of a simulation once, so that reading it here is safe.

    What Python's exceptions tell is not told here, for they come again.

    Raises:
        RawDataError: if the library that reads the file crashes or hangs.
    """
    _ask(path, data, sample)


def try_out_whole(path: Path) -> None:
    """Read every variable of a NetCDF file once, like :func:`try_out`; for small files.

    Raises:
        RawDataError: if the library that reads the file crashes or hangs.
    """
    _ask(path, None, None)


def _ask(path: Path, data: DataParams | None, sample: int | None) -> dict[str, Any]:
    task = {
        "path": str(path),
        "data": data and data.model_dump(mode="json"),
        "sample": sample,
        "limit_s": LIMIT_S,
        "folder": os.getcwd(),  # that relative paths start from; it may have changed
    }
    with _LOCK:
        child = _children.get(os.getpid()) or _start()
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(json.dumps(task) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        except BaseException:  # interrupted: its answer must not be taken for the next one's
            child.kill()
            _end()
            raise
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = _end()
    raise RawDataError(f"{path}: {_fate(code)}; the file is damaged, copy or write it anew")


def _fate(code: int) -> str:
    """How a child ended that did not answer."""
    if code == -signal.SIGALRM:
        return f"the library that reads it did not come back within {LIMIT_S} s"
    if code < 0:
        return f"the library that reads it crashed ({signal.Signals(-code).name})"
    raise RuntimeError(
        f"the process that reads raw files ended with {code}, its traceback is above"
    )


def _start() -> "subprocess.Popen[str]":
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    child = subprocess.Popen(
        [sys.executable, "-m", "src.data.readers.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    _children[os.getpid()] = child
    return child


@atexit.register
def _end() -> int:
    """End this process's child; returns its code."""
    child = _children.pop(os.getpid(), None)
    if child is None:
        return 0
    with contextlib.suppress(BrokenPipeError):
        child.communicate()  # closes its input, at which it ends
    return child.returncode
