"""Reads raw files in a process apart, where a library may crash or hang without harm.

HDF5 and NetCDF are C libraries: on some damaged files they never come back, and no exception tells.
So a child process reads, and hands over what it has read. It is started when it is first needed and
ends with its parent; where it dies, the file is named and the next one has a new child.
"""

import atexit
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.readers.base import Block, RawFile, RawFileInfo
from hybrid_pde.data.readers.subprocess_protocol import receive, send
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import ConfigError, RawDataError

LIMIT_S = 120  # without a sign of life: a file system that is slow delivers a block much sooner
_ROOT = Path(__file__).resolve().parents[3]  # the folder that holds the package
_LOCK = threading.Lock()
_numbers = itertools.count()  # of open files


@contextlib.contextmanager
def open_apart(path: Path, data: DataParams) -> Iterator[RawFile]:
    """Open a raw file with the reader for its suffix; another process reads it.

    Args:
        path: The file.
        data: How raw files are read.

    Raises:
        RawDataError: if it cannot be read, or the library that reads it crashes or hangs.
        ConfigError: if the ``data`` section does not fit.
    """
    child, number = _running(), next(_numbers)
    task = {**_where(path), "do": "open", "data": data.model_dump(mode="json")}
    answer, _ = child.ask(path, number, task)
    try:
        yield _FileApart(child, path, number, RawFileInfo.from_dict(answer["info"]))
    finally:
        with contextlib.suppress(RawDataError):  # all that was asked for has been read
            child.ask(path, number, {"do": "close", "with": {}})


def inspect(path: Path, data: DataParams) -> RawFileInfo:
    """What a raw file says about its simulations; raises what :func:`open_apart` raises."""
    with open_apart(path, data) as raw:
        return raw.info


def try_out_whole(path: Path) -> None:
    """Read every variable of a small NetCDF file once, so that reading it here is safe.

    Raises:
        RawDataError: if it cannot be read, or the library that reads it crashes or hangs.
    """
    _running().ask(path, next(_numbers), {**_where(path), "do": "read_all"})


class _Child:
    """A process that reads files; several may be open in it."""

    def __init__(self) -> None:
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hybrid_pde.data.readers.subprocess_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self.has_ended = False

    def ask(self, path: Path, number: int, task: dict[str, Any]) -> tuple[dict[str, Any], Block]:
        """The answer to a task about an open file.

        Raises:
            RawDataError: if the file cannot be read, or the process ends.
            ConfigError: if the ``data`` section does not fit.
        """
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        with _LOCK:
            if self.has_ended:
                raise RawDataError(f"{path}: the process that read it has ended; start again")
            try:
                send(stdin, {**task, "file": number, "limit_s": LIMIT_S})
                answer, block = receive(stdout)
            except (BrokenPipeError, EOFError):
                fate = _fate(self.end())
                raise RawDataError(
                    f"{path}: {fate}; the file is damaged, copy or write it anew"
                ) from None
            except BaseException:  # interrupted: its answer must not be taken for the next one's
                self.process.kill()
                self.end()
                raise
        if "error" in answer:
            kind = {"ConfigError": ConfigError, "RawDataError": RawDataError}[answer["error"]]
            raise kind(answer["message"])
        return answer, block

    def end(self) -> int:
        """Let the process end; returns its code."""
        self.has_ended = True
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()  # closes its input, at which it ends
        return self.process.returncode


_children: dict[int, _Child] = {}  # by the parent's process id: a fork starts anew


class _FileApart:
    """A :class:`RawFile` that is open in another process."""

    def __init__(self, child: _Child, path: Path, number: int, info: RawFileInfo) -> None:
        self.info = info
        self._child, self._path, self._number = child, path, number

    @property
    def times(self) -> np.ndarray:
        return np.array(self._ask("times")[0]["times"], np.float64)

    def static(self, sample: int) -> Block:
        return self._ask("static", sample=sample)[1]

    def known(self, sample: int) -> tuple[KnownParameter, ...]:
        answer, _ = self._ask("known", sample=sample)
        return tuple(KnownParameter.from_dict(each) for each in answer["known"])

    def frames(self, sample: int) -> Iterator[Block]:
        self._ask("frames", sample=sample)
        while True:
            answer, block = self._ask("block")
            if answer["is_last"]:
                return
            yield block

    def _ask(self, what: str, **details: int) -> tuple[dict[str, Any], Block]:
        return self._child.ask(self._path, self._number, {"do": what, "with": details})


def _where(path: Path) -> dict[str, str]:
    return {"path": str(path), "folder": os.getcwd()}  # that relative paths start from


def _running() -> _Child:
    """This process's child, a new one where it has died."""
    child = _children.get(os.getpid())
    if child is None or child.has_ended:
        child = _children[os.getpid()] = _Child()
    return child


def _fate(code: int) -> str:
    """How a child ended that did not answer."""
    if code == -signal.SIGALRM:
        return f"the library that reads it did not come back within {LIMIT_S} s"
    if code < 0:
        return f"the library that reads it crashed ({signal.Signals(-code).name})"
    raise RuntimeError(
        f"the process that reads raw files ended with {code}, its traceback is above"
    )


@atexit.register
def _end() -> None:
    """End this process's child."""
    child = _children.get(os.getpid())
    if child is not None and not child.has_ended:
        child.end()
