"""Campaigns: many interrupted runs in parallel; finished ones are kept, missing ones are added."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from hybrid_pde.data.atomic import write_json
from tests.resilience.attempt import Attempt
from tests.resilience.faults import Fault
from tests.resilience.fingerprint import differing, fingerprint
from tests.resilience.outcomes import Outcome, Reference, judge, label, progress_line, refer
from tests.resilience.project import Project

Place = Callable[[Path], AbstractContextManager[Any]]
DRAWS = 20  # maximum number of attempts in a row that may end before the interruption


class UnequalRunsError(Exception):
    """Uninterrupted runs have different results, so that there is no reference."""


@dataclass(frozen=True)
class Campaign:
    """Repetitions of one kind of fault.

    Args:
        name: Name of the fault.
        fault: Function that starts, interrupts and resumes a run.
        experiment: The experiment's configuration.
        project: The copy of the project that runs.
        directory: Folder for runs and outcomes.
        place: Prepares the folder of a run, e.g. mounts a small disk there.
        seed: Seed of the random moments of interruption.
    """

    name: str
    fault: Fault
    experiment: dict[str, Any]
    project: Project
    directory: Path
    place: Place = nullcontext
    seed: int = 0
    report: Callable[[str], None] = field(default=print)

    def run(self, trials: int, workers: int) -> list[Outcome]:
        """Make the missing trials and return the outcomes of all.

        Args:
            trials: Number of interrupted runs.
            workers: Number of runs in parallel.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(workers) as pool:
            self.refer(pool, workers)
            done = {outcome.trial for outcome in self.outcomes()}
            left = [number for number in range(trials) if number not in done]
            for outcome in pool.map(self.trial, left):
                self.report(f"{self.name} {progress_line(outcome)}")
        return [outcome for outcome in self.outcomes() if outcome.trial < trials]

    def refer(self, pool: ThreadPoolExecutor, workers: int) -> None:
        """Make uninterrupted reference runs, with the same number in parallel as in the campaign.

        Raises:
            UnequalRunsError: if their results are not the same.
        """
        if self._reference.exists():
            return
        runs = list(pool.map(self._uninterrupted, range(workers)))
        for other in runs[1:]:
            if unequal := differing(other.digests, runs[0].digests):
                raise UnequalRunsError(f"{self.directory}: uninterrupted runs differ in {unequal}")
        write_json(self._reference, asdict(runs[-1]))

    def reference(self) -> Reference:
        """The uninterrupted run that the others are compared with."""
        return Reference(**json.loads(self._reference.read_text()))

    def trial(self, number: int) -> Outcome:
        """Make one interrupted run; its folder is kept if the outcome is not good."""
        reference = self.reference()
        random = Random(f"{self.seed} {self.name} {number}")
        for _ in range(DRAWS):
            attempt = self._attempt(f"trial_{number:03d}")
            with self.place(attempt.folder):
                attempt.write_experiment()
                started = time.monotonic()
                struck = self.fault(attempt, reference, random)
                seconds = time.monotonic() - started
                if struck is not None:
                    outcome = judge(attempt, reference, number, *struck, seconds)
                    self._keep(outcome, attempt)
                    return outcome
                if unequal := differing(fingerprint(attempt.folder), reference.digests):
                    raise UnequalRunsError(f"{attempt.folder}: not interrupted, differs: {unequal}")
            # it ended before the interruption: update the expected duration
            reference = replace(reference, seconds=seconds)
            write_json(self._reference, asdict(reference))
        raise UnequalRunsError(f"{self.name} {number}: every run was over before its moment")

    def outcomes(self) -> Iterator[Outcome]:
        """Outcomes of the finished trials, in the order in which they ended."""
        if self._outcomes.exists():
            for line in self._outcomes.read_text().splitlines():
                yield Outcome(**json.loads(line))

    def _keep(self, outcome: Outcome, attempt: Attempt) -> None:
        with self._outcomes.open("a") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
        if outcome.is_good:
            shutil.rmtree(attempt.folder, ignore_errors=True)
        else:
            shutil.copytree(attempt.folder, attempt.folder.with_suffix(".failed"), symlinks=True)
            self.report(label(attempt.folder.with_suffix(".failed"), outcome))

    def _uninterrupted(self, number: int) -> Reference:
        attempt = self._attempt(f"reference_{number}")
        with self.place(attempt.folder):
            attempt.write_experiment()
            started = time.monotonic()
            code = attempt.finish()
            assert code == 0, attempt.output
            reference = refer(attempt, time.monotonic() - started)
        return reference

    def _attempt(self, name: str) -> Attempt:
        folder, ledger = self.directory / name, self.directory / f"{name}.jsonl"
        shutil.rmtree(folder, ignore_errors=True)
        for path in (ledger, ledger.with_suffix(".txt")):
            path.unlink(missing_ok=True)
        folder.mkdir(exist_ok=True)  # a mount point cannot be removed
        return Attempt(self.project, folder, ledger, self.experiment)

    @property
    def _reference(self) -> Path:
        return self.directory / "reference.json"

    @property
    def _outcomes(self) -> Path:
        return self.directory / "outcomes.jsonl"
