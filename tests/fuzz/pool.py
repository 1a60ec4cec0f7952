"""Runs cases in worker processes, which may crash or hang, and collects the outcomes."""

import json
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.workflow.snakemake_run import PYTHONPATH

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 90  # time limit of a case; longer than the limit of the readers
Case = dict[str, Any]
Result = dict[str, Any]


class _Worker:
    """A worker process that runs one case after the other; it is replaced when it has died."""

    def __init__(self, scratch: Path, program: str) -> None:
        self._scratch, self._program = scratch, program
        self._process: subprocess.Popen[str] | None = None

    def run(self, case: Case) -> Result:
        """The outcome of a case: the worker's answer, or how the worker ended."""
        process = self._process = self._process or self._started()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(case) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], LIMIT_S)
        answer = process.stdout.readline() if ready else ""
        if answer:
            return json.loads(answer)
        if not ready:
            process.kill()
        self.close()
        if not ready:
            return {"outcome": "hang", "detail": f"no answer in {LIMIT_S} s"}
        return {"outcome": "crash", "detail": f"the process ended with {process.returncode}"}

    def close(self) -> None:
        """End the worker process."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            self._process.wait(10)
            self._process = None

    def _started(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", self._program, str(self._scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries complain about files that they can't read
            text=True,
            cwd=ROOT,
            env=environment,
        )


def run_cases(
    cases: Iterable[Case],
    scratch: Path,
    workers: int | None = None,
    program: str = "tests.fuzz.worker",
) -> Iterator[tuple[Case, Result]]:
    """Run cases in parallel; yields each with its outcome, in the order in which they end.

    Args:
        cases: Cases that the workers understand.
        scratch: Folder for their files.
        workers: Number of worker processes; by default one per core.
        program: Module that a worker process runs.
    """
    waiting: queue.SimpleQueue[Case | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Case, Result]] = queue.SimpleQueue()
    count = 0
    for case in cases:
        waiting.put(case)
        count += 1

    def work(number: int) -> None:
        worker = _Worker(scratch / f"worker_{number}", program)
        while (case := waiting.get()) is not None:
            done.put((case, worker.run(case)))
        worker.close()

    number = workers or len(os.sched_getaffinity(0))
    threads = [threading.Thread(target=work, args=(each,)) for each in range(number)]
    for thread in threads:
        waiting.put(None)
        thread.start()
    for _ in range(count):
        yield done.get()
    for thread in threads:
        thread.join()
