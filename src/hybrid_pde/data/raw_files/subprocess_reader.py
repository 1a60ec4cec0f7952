"""Raw files read in a subprocess, so that a crash in HDF5 cannot take down the workflow.

HDF5 and NetCDF are C libraries: on some damaged files they crash or never return, without an
exception. The subprocess is started when it is first needed and ends with its parent. If it dies,
the error names the file, and the next file gets a new subprocess.
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
from hybrid_pde.data.raw_files.file_units import reference
from hybrid_pde.data.raw_files.formats import reader_folders
from hybrid_pde.data.raw_files.inspection_mode import is_inspecting
from hybrid_pde.data.raw_files.raw_file import Block, RawFileInfo
from hybrid_pde.data.raw_files.single_frames import single_frames_allowed
from hybrid_pde.data.raw_files.subprocess_protocol import receive, send
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import ConfigError, RawDataError

LIMIT_S = 120  # time without an answer; even a slow file system delivers a block much sooner
_ROOT = Path(__file__).resolve().parents[3]  # the folder with the package
_LOCK = threading.Lock()
_file_numbers = itertools.count()


@contextlib.contextmanager
def open_in_subprocess(path: Path, data: DataParams) -> Iterator["SubprocessFile"]:
    """Open a raw file; a subprocess reads it, in the system of ``following`` if there is one.

    Args:
        path: The file.
        data: The experiment's ``data`` section.

    Raises:
        RawDataError: if the file cannot be read, or the library that reads it crashes or hangs.
        ConfigError: if the ``data`` section does not fit the file.
    """
    process, number, first = _running_process(), next(_file_numbers), reference()
    task = {
        **_location(path),
        "do": "open",
        "data": data.model_dump(mode="json"),
        "reader_folders": reader_folders(),
        "single_frames": single_frames_allowed(),
        "inspecting": is_inspecting(),
        "reference": None if first is None else [first.units.to_dict(), first.has_epoch],
    }
    answer, _ = process.ask(path, number, task)
    try:
        yield SubprocessFile(process, path, number, RawFileInfo.from_dict(answer["info"]))
    finally:
        with contextlib.suppress(RawDataError):  # all values asked for have been read
            process.ask(path, number, {"do": "close", "with": {}})


def read_info(path: Path, data: DataParams) -> RawFileInfo:
    """The description of a raw file; raises the errors of :func:`open_in_subprocess`."""
    with open_in_subprocess(path, data) as raw:
        return raw.info


def check_readable(path: Path) -> None:
    """Read every variable of a small NetCDF file once, so that it is safe to read in this process.

    Raises:
        RawDataError: if the file cannot be read, or the library that reads it crashes or hangs.
    """
    _running_process().ask(path, next(_file_numbers), {**_location(path), "do": "read_all"})


class _ReaderProcess:
    """A subprocess that reads files; several may be open in it."""

    def __init__(self) -> None:
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hybrid_pde.data.raw_files.subprocess_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self.has_ended = False

    def ask(self, path: Path, number: int, task: dict[str, Any]) -> tuple[dict[str, Any], Block]:
        """The answer to a task about an open file.

        Raises:
            RawDataError: if the file cannot be read, or the subprocess ends.
            ConfigError: if the ``data`` section does not fit.
        """
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        with _LOCK:
            if self.has_ended:
                raise RawDataError(f"{path}: the subprocess that read it has ended; start again")
            try:
                send(stdin, {**task, "file": number, "limit_s": LIMIT_S})
                answer, block = receive(stdout)
            except (BrokenPipeError, EOFError):
                reason = _reason_of_end(self.end())
                raise RawDataError(
                    f"{path}: {reason}; the file is damaged, copy or write it again"
                ) from None
            except BaseException:  # interrupted: the next task must not get this task's answer
                self.process.kill()
                self.end()
                raise
        if "error" in answer:
            kind = {"ConfigError": ConfigError, "RawDataError": RawDataError}[answer["error"]]
            raise kind(answer["message"])
        return answer, block

    def end(self) -> int:
        """Let the subprocess end; returns its exit code."""
        self.has_ended = True
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()  # it ends when its input is closed
        return self.process.returncode


# by the parent's process id: after a fork, the new process starts its own
_processes: dict[int, _ReaderProcess] = {}


class SubprocessFile:
    """A :class:`RawFile` that is open in a subprocess."""

    def __init__(self, process: _ReaderProcess, path: Path, number: int, info: RawFileInfo) -> None:
        self.info = info
        self._process, self._path, self._number = process, path, number

    def inspection(self) -> dict[str, Any]:
        """The settings that an inspected file is read with, its format, and the findings."""
        return self._ask("inspection")[0]

    @property
    def times(self) -> np.ndarray:
        """Time of each selected frame [time], double precision."""
        return np.array(self._ask("times")[0]["times"], np.float64)

    def static(self, sample: int) -> Block:
        """The tensors without a time axis, ``[C, *space]`` each."""
        return self._ask("static", sample=sample)[1]

    def known(self, sample: int) -> tuple[KnownParameter, ...]:
        """The known parameters; values of fields are among the tensors."""
        answer, _ = self._ask("known", sample=sample)
        return tuple(KnownParameter.from_dict(each) for each in answer["known"])

    def frames(self, sample: int) -> Iterator[Block]:
        """The other tensors block by block, ``[T, C, *space]``, in the order of time."""
        self._ask("frames", sample=sample)
        while True:
            answer, block = self._ask("block")
            if answer["is_last"]:
                return
            yield block

    def _ask(self, task: str, **details: int) -> tuple[dict[str, Any], Block]:
        return self._process.ask(self._path, self._number, {"do": task, "with": details})


def _location(path: Path) -> dict[str, str]:
    """A path, and the folder that relative paths start from."""
    return {"path": str(path), "folder": os.getcwd()}


def _running_process() -> _ReaderProcess:
    """The subprocess of this process, started if there is none or it has died."""
    process = _processes.get(os.getpid())
    if process is None or process.has_ended:
        process = _processes[os.getpid()] = _ReaderProcess()
    return process


def _reason_of_end(code: int) -> str:
    """Why a subprocess ended without an answer."""
    if code == -signal.SIGALRM:
        return f"the library that reads it did not return within {LIMIT_S} s"
    if code < 0:
        return f"the library that reads it crashed ({signal.Signals(-code).name})"
    raise RuntimeError(
        f"the subprocess that reads raw files ended with {code}; see its traceback above"
    )


@atexit.register
def _end_process() -> None:
    """End the subprocess of this process."""
    process = _processes.get(os.getpid())
    if process is not None and not process.has_ended:
        process.end()
