"""What came of one uninterrupted run, and of each interrupted one."""

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
        seconds: Its wall time.
        digests: Digest of every result.
        epochs: How many it trained, of all trainings.
        simulations: How many it simulated, cached and generated.
    """

    seconds: float
    digests: dict[str, str]
    epochs: int
    simulations: int


@dataclass(frozen=True)
class Outcome:
    """A run that was interrupted.

    Attributes:
        trial: Its number, which decides the moments.
        struck: What ran at each interruption.
        code: Exit code of the last call.
        differing: Results that are not those of the uninterrupted run.
        litter: Temporary files and checkpoints that have stayed.
        alive: Processes that lived on after a kill.
        tracebacks: How many have reached the user.
        epochs_begun: Epochs begun beyond those of the uninterrupted run, wholly or in part.
        epochs_twice: Those of them that had been brought to their end before.
        simulations_begun: The same of simulations.
        simulations_twice: The same of simulations.
        seconds: Wall time, interruptions included.
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
        """Whether it came to its end with the results of the uninterrupted run."""
        return self.code == 0 and not self.differing and not self.alive


def refer(attempt: Attempt, seconds: float) -> Reference:
    """What an uninterrupted run has left."""
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
        alive=attempt.lived_on + len(attempt.processes()),
        tracebacks=attempt.output.count(TRACEBACK),
        epochs_begun=epochs.begun - reference.epochs,
        epochs_twice=epochs.ended - reference.epochs,
        simulations_begun=simulations.begun - reference.simulations,
        simulations_twice=simulations.ended - reference.simulations,
        seconds=round(seconds, 1),
    )


def progress_line(outcome: Outcome) -> str:
    """One line for a terminal."""
    word = "good" if outcome.is_good else "FAILED"
    struck = ", ".join(outcome.struck)
    again = f"{outcome.epochs_begun} epochs, {outcome.simulations_begun} simulations begun again"
    return f"{outcome.trial}: {word} after {outcome.seconds:g} s; struck in {struck}; {again}"


def label(folder: Path, outcome: Outcome) -> str:
    """What is wrong with a run that is not good."""
    files = ", ".join(outcome.differing[:5])
    return f"{folder}: exit code {outcome.code}, {outcome.alive} alive, differing: {files}"
