"""Program of the subprocess that reads raw files: receives tasks, sends answers.

Its parent is :mod:`hybrid_pde.data.raw_files.subprocess_reader`.
"""

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.file_units import following
from hybrid_pde.data.raw_files.formats import add_reader_folders, open_raw, reader_of
from hybrid_pde.data.raw_files.guards import physical_memory
from hybrid_pde.data.raw_files.inspection_mode import Findings, inspecting
from hybrid_pde.data.raw_files.netcdf_file import read_all
from hybrid_pde.data.raw_files.raw_file import Block, RawFile
from hybrid_pde.data.raw_files.single_frames import single_frames
from hybrid_pde.data.raw_files.subprocess_protocol import receive, send
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import UserError

# settings that an inspection finds
FOUND = ("fields", "variables", "dims", "known_parameters")
Answer = tuple[dict[str, Any], Block]


class _OpenFile:
    """A raw file and the position in its frames."""

    def __init__(self, path: Path, data: DataParams, findings: Findings) -> None:
        self._findings, self._given = findings, data
        self._format = reader_of(path, data.format).FORMAT
        self._stack = contextlib.ExitStack()
        self._raw: RawFile = self._stack.enter_context(open_raw(path, data))
        self._frames: Iterator[Block] = iter(())
        self._ahead: list[Block | None] = []  # read, but not yet asked for

    def info(self) -> Answer:
        return {"info": self._raw.info.to_dict()}, {}

    def inspection(self) -> Answer:
        """The settings that an inspected file is read with, its format, and the findings."""
        data = getattr(self._raw, "data", self._given)
        found = {
            "settings": {name: getattr(data, name) for name in FOUND},
            "format": self._format,
            "axis_units": getattr(self._raw, "axis_units", {}),
            **vars(self._findings),
        }
        return found, {}

    def times(self) -> Answer:
        return {"times": self._raw.times.tolist()}, {}

    def known(self, sample: int) -> Answer:
        return {"known": [each.to_dict() for each in self._raw.known(sample)]}, {}

    def static(self, sample: int) -> Answer:
        return {}, self._raw.static(sample)

    def frames(self, sample: int) -> Answer:
        """Start at the first frame."""
        self._frames = iter(self._raw.frames(sample))
        self._ahead.clear()
        return {}, {}

    def block(self) -> Answer:
        """The next frames; ``is_last`` once there are no more."""
        block = self._ahead.pop() if self._ahead else next(self._frames, None)
        return {"is_last": block is None}, block or {}

    def read_ahead(self) -> None:
        """Read the next frames while the parent uses the last ones."""
        try:
            self._ahead.append(next(self._frames, None))
        except UserError as error:
            self._frames = _raising(error)

    def close(self) -> Answer:
        self._stack.close()
        return {}, {}


class _Reader:
    """Carries out tasks; each names a method, an open file and the arguments."""

    def __init__(self) -> None:
        self._files: dict[int, _OpenFile] = {}

    def do(self, task: dict[str, Any]) -> Answer:
        name, file = task["do"], task["file"]
        if name == "open":
            add_reader_folders(task["reader_folders"])
            data = DataParams.model_validate(task["data"])
            units, has_epoch = task["reference"] or (None, True)
            first = None if units is None else StatedUnits.from_dict(units)
            mode = task["inspecting"]
            with (
                following(first, has_epoch),
                single_frames(task["single_frames"] or mode),
                inspecting(mode) as findings,
            ):
                self._files[file] = _OpenFile(_path(task), data, findings)
            return self._files[file].info()
        if name == "read_all":
            read_all(_path(task), lambda: signal.alarm(task["limit_s"]))
            return {}, {}
        opened = self._files.pop(file) if name == "close" else self._files[file]
        answer: Answer = getattr(opened, name)(**task["with"])
        return answer

    def read_ahead(self, file: int) -> None:
        self._files[file].read_ahead()


def main() -> None:
    """Carry out the tasks from standard input until it is closed."""
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, signal.SIG_IGN)  # the input is closed when the parent ends
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # if the parent is gone
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # C libraries may print
    _limit_memory()
    reader = _Reader()
    with contextlib.suppress(EOFError):
        while True:
            task, _ = receive(sys.stdin.buffer)
            # without a handler the signal ends the process, even inside a C library
            signal.alarm(task["limit_s"])
            try:
                answer, block = reader.do(task)
            except UserError as error:
                answer, block = {"error": type(error).__name__, "message": str(error)}, {}
            signal.alarm(0)
            send(answers, answer, block)
            if block and task["do"] == "block":
                signal.alarm(task["limit_s"])
                reader.read_ahead(task["file"])
                signal.alarm(0)


def _raising(error: UserError) -> Iterator[Block]:
    """Blocks that cannot be read."""
    raise error
    yield


def _path(task: dict[str, Any]) -> Path:
    os.chdir(task["folder"])
    return Path(task["path"])


def _limit_memory() -> None:
    """Limit the address space, as a damaged file can make a library ask for any amount of memory.

    The allocation then fails, instead of the system killing processes.
    """
    limit = physical_memory()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    main()
