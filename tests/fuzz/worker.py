"""Worker process of the fuzz suite: reads one case per line and prints its outcome.

Outcomes: ``read`` (the values equal those of the reference reader), ``refused`` (an error for
users that names the file), ``differs``, ``unnamed`` (an error for users that names no file),
``exception`` (any other error), ``memory`` (more than twice the size of the values).
"""

import json
import os
import resource
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_pde.data.raw_files import subprocess_reader
from hybrid_pde.errors import UserError
from tests.fuzz.damage import PLACES, damaged, put_in_place
from tests.fuzz.subjects import SUBJECTS, RawSubject, Subject

ALLOWANCE = 96 * 2**20  # blocks and buffers of a size independent of the file [bytes]
MOST = 6 * 2**30


def run_case(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the file of a case, read it, and compare it with the reference reader."""
    subject = SUBJECTS[case["subject"]]
    random = np.random.default_rng(case["seed"])
    _warm_reader(folder)
    path = _placed(subject, case, folder, random)
    _forget_peak()
    before = _peak()
    try:
        found = subject.read(path)
    except UserError as error:
        return _refused(error, subject.name_in_errors(path), _peak() - before)
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return {"outcome": "exception", "detail": f"{type(error).__name__} at {place}: {error}"}
    used = _peak() - before
    if used > 2 * subject.size(found) + ALLOWANCE:
        return {"outcome": "memory", "detail": f"{used} bytes for {subject.size(found)}"}
    difference = subject.difference(path, found)
    if difference:
        return {"outcome": "differs", "detail": difference}
    return {"outcome": "read", "detail": ""}


def _refused(error: UserError, name: str, used: int) -> dict[str, Any]:
    message = " ".join(str(error).split())
    if used > ALLOWANCE or "allocate" in message:
        return {"outcome": "memory", "detail": f"{used} bytes, then {message}"}
    if " ".join(name.split()) not in message:
        return {"outcome": "unnamed", "detail": f"{type(error).__name__}: {message}"}
    return {"outcome": "refused", "detail": message}


def _placed(
    subject: Subject, case: dict[str, Any], folder: Path, random: np.random.Generator
) -> Path:
    """Create the file of a case in an otherwise empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / subject.file_name
    if case["damage"] == "content":
        subject.make(path, case["content"])
        return path
    content = subject.whole(folder, case["seed"])
    if case["damage"] in PLACES:
        return put_in_place(path, content, case["damage"], random)
    path.write_bytes(damaged(content, case["damage"], random))
    return path


def _warm_reader(folder: Path) -> None:
    """Let the subprocess that reads raw files load its libraries, which do not count for a case."""
    reader = subprocess_reader._processes.get(os.getpid())
    if reader is not None and not reader.has_ended:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for subject in SUBJECTS.values():
        if isinstance(subject, RawSubject):
            path = folder / subject.file_name
            path.write_bytes(subject.whole(folder, 0))
            subject.read(path)


def _processes() -> list[int]:
    """This process, and the subprocess that reads raw files."""
    reader = subprocess_reader._processes.get(os.getpid())
    return (
        [os.getpid()] if reader is None or reader.has_ended else [os.getpid(), reader.process.pid]
    )


def _forget_peak() -> None:
    for process in _processes():
        Path(f"/proc/{process}/clear_refs").write_text("5")


def _peak() -> int:
    """Peak memory of the processes since :func:`_forget_peak` [bytes]."""
    held = 0
    for process in _processes():
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        peaks = (int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        held += next(peaks, 0) * 1024  # a process that has just died uses no memory
    return held


def main() -> None:
    """Run the cases from standard input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print to standard output
    resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
    subprocess_reader.LIMIT_S = 5  # the files are small
    scratch = Path(sys.argv[1])
    for line in sys.stdin:
        answer = run_case(json.loads(line), scratch / "case")
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
