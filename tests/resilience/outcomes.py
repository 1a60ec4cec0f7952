"""Results of the uninterrupted reference run, and outcomes of interrupted runs."""

from dataclasses import dataclass
from pathlib import Path

from tests.resilience import ledger
from tests.resilience.attempt import Attempt
from tests.resilience.fingerprint import differing, fingerprint, litter

TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Reference:
    """An uninterrupted run.

    Attributes:
        seconds: Wall time.
        digests: Digest of every result.
        epochs: Number of epochs of all trainings.
        simulations: Number of simulations computed, cached and generated.
    """

    seconds: float
    digests: dict[str, str]
    epochs: int
    simulations: int


@dataclass(frozen=True)
class Outcome:
    """An interrupted run.

    Attributes:
        trial: Number of the trial, which determines the random moments.
        struck: Stage that was running at each interruption.
        code: Exit code of the last call.
        differing: Results that differ from the uninterrupted run.
        litter: Temporary files and checkpoints that were left behind.
        alive: Number of processes that survived a kill.
        tracebacks: Number of tracebacks in the output.
        epochs_begun: Additional epochs begun compared with the uninterrupted run.
        epochs_twice: Additional epochs finished, which had been finished before.
        simulations_begun: Additional simulations begun.
        simulations_twice: Additional simulations finished.
        seconds: Wall time, including interruptions.
    """

    trial: int
    struck: list[str]
    code: int
    differing: list[str]
    litter: list[str]
    alive: int
    tracebacks: int
    epochs_begun: int
    epochs_twice: int
    simulations_begun: int
    simulations_twice: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """True if the run ended with the results of the uninterrupted run."""
        return self.code == 0 and not self.differing and not self.alive


def refer(attempt: Attempt, seconds: float) -> Reference:
    """Summarize an uninterrupted run."""
    epochs, simulations = ledger.epochs(attempt.ledger), ledger.simulations(attempt.ledger)
    assert epochs.begun == epochs.ended and simulations.begun == simulations.ended, attempt.ledger
    return Reference(seconds, fingerprint(attempt.folder), epochs.ended, simulations.ended)


def judge(
    attempt: Attempt, reference: Reference, trial: int, struck: list[str], code: int, seconds: float
) -> Outcome:
    """Compare an interrupted run with the uninterrupted one."""
    epochs, simulations = ledger.epochs(attempt.ledger), ledger.simulations(attempt.ledger)
    return Outcome(
        trial=trial,
        struck=struck,
        code=code,
        differing=differing(fingerprint(attempt.folder), reference.digests),
        litter=litter(attempt.folder),
        alive=attempt.survivors + len(attempt.processes()),
        tracebacks=attempt.output.count(TRACEBACK),
        epochs_begun=epochs.begun - reference.epochs,
        epochs_twice=epochs.ended - reference.epochs,
        simulations_begun=simulations.begun - reference.simulations,
        simulations_twice=simulations.ended - reference.simulations,
        seconds=round(seconds, 1),
    )


def progress_line(outcome: Outcome) -> str:
    """A line of progress for the terminal."""
    word = "good" if outcome.is_good else "FAILED"
    struck = ", ".join(outcome.struck)
    again = f"{outcome.epochs_begun} epochs, {outcome.simulations_begun} simulations begun again"
    return f"{outcome.trial}: {word} after {outcome.seconds:g} s; struck in {struck}; {again}"


def label(folder: Path, outcome: Outcome) -> str:
    """Description of a run that is not good."""
    files = ", ".join(outcome.differing[:5])
    return f"{folder}: exit code {outcome.code}, {outcome.alive} alive, differing: {files}"
