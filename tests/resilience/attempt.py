"""A pipeline run in its own folder that can be interrupted and resumed."""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.resilience.experiment import NAME
from tests.resilience.project import Project

PROGRAM = re.compile(r".*workflow/scripts/(\w+)\.py")
HANGS_AFTER_S = 1800.0


class HangError(Exception):
    """A call of Snakemake does not end."""


class Attempt:
    """The pipeline in its own folder, started from scratch.

    Args:
        project: The copy of the project that runs.
        folder: Working directory of the run.
        ledger: File outside of the folder with notes of the work done.
        experiment: The experiment's configuration.
    """

    def __init__(
        self, project: Project, folder: Path, ledger: Path, experiment: dict[str, Any]
    ) -> None:
        self.project, self.folder, self.ledger = project, folder, ledger
        self.survivors = 0  # processes that survived a kill of the process group
        self._experiment = experiment
        self._process: subprocess.Popen[bytes] | None = None

    def write_experiment(self) -> None:
        """Write the experiment to the path where Snakemake looks for it."""
        config = self.folder / "config" / f"{NAME}.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(yaml.safe_dump(self._experiment), encoding="utf-8")

    def start(self) -> None:
        """Call Snakemake, in a process group of its own."""
        self._process = self._popen(self.project.run_command())

    def wait(self, seconds: float = HANGS_AFTER_S) -> int | None:
        """The exit code of the call; ``None`` if it still runs after ``seconds``."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> str:
        """Kill the whole process group.

        Returns:
            The stage that was running.
        """
        stage = self.send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        deadline = time.monotonic() + 10
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.01)  # a killed process takes a moment to exit
        self.survivors += len(self.processes())
        return stage

    def orphan(self) -> str:
        """Kill only Snakemake, so that its jobs keep running; returns the stage."""
        assert self._process is not None
        stage = self.stage()
        self._process.kill()
        self._process.wait()
        return stage

    def send(self, number: signal.Signals) -> str:
        """Send a signal to the whole process group, as a terminal does; returns the stage."""
        assert self._process is not None
        stage = self.stage()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        return stage

    def resume(self) -> int:
        """Free and unlock the folder and continue, like ``make resume``; returns the exit code."""
        freed = self._popen(self.project.resume_command()).wait(HANGS_AFTER_S)
        return freed or self.finish()

    def finish(self) -> int:
        """Call Snakemake and wait for its end.

        Raises:
            HangError: if it does not end.
        """
        self.start()
        return self.wait_for_end()

    def wait_for_end(self) -> int:
        """Exit code of the current call.

        Raises:
            HangError: if it does not end.
        """
        code = self.wait()
        if code is None:
            self.kill()
            raise HangError(f"{self.folder}: no end after {HANGS_AFTER_S:g} s")
        return code

    def free(self) -> int:
        """Free and unlock the folder, the first half of :meth:`resume`."""
        return self._popen(self.project.resume_command()).wait(HANGS_AFTER_S)

    def stage(self) -> str:
        """The stage that is running."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                if match := PROGRAM.fullmatch("".join(words[1:2])):
                    return match[1]
        return "Snakemake itself"

    def processes(self) -> list[psutil.Process]:
        """All processes with the folder as working directory."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if Path(process.cwd()) == self.folder and process.status() != "zombie":
                    found.append(process)
        return found

    @property
    def output(self) -> str:
        """Output of all calls."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def _output(self) -> Path:
        return self.ledger.with_suffix(".txt")

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        with self._output.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.project.environment(self.ledger),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
