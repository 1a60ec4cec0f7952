"""Two calls of Snakemake in one folder, and the lock that a killed one leaves, told in a sentence.

Snakemake's own check comes when all is planned, and cannot tell the one from the other.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from src.errors import RunningError
from workflow.plans import EXPERIMENT_NAME, Plans
from workflow.running import snakemakes

_LOCKS = ".snakemake/locks"
_RESULTS = re.compile(rf"(?:\./)?results/({EXPERIMENT_NAME})/.*")
# options with which Snakemake makes nothing
_LOOKING = re.compile(
    "-S|-D|-l|--(unlock|nolock|summary|detailed-summary|lint|report|dag|rulegraph|filegraph|d3dag|"
    "list.*|archive|cleanup-metadata|print-compilation)(=.*)?"
)


def refuse_locked(folder: Path, arguments: Sequence[str], plans: Plans) -> None:
    """Refuse to make what another call of Snakemake makes, or has left locked.

    Args:
        folder: The working directory.
        arguments: The command line of this call.
        plans: Its experiments.

    Raises:
        RunningError: naming the other process, or the way to remove the lock.
    """
    if any(_LOOKING.fullmatch(word) for word in arguments):
        return
    locked = _locked_outputs(folder)
    if not locked:
        return
    for name in sorted(_asked_for(arguments) or {plans.default.name}):
        plan = plans[name]
        for directory in (plan.results, plan.cache_dir, plan.raw_dir):
            if any(path.startswith(f"{directory}/") for path in locked):
                raise RunningError(_reason(folder, directory))


def _reason(folder: Path, directory: str) -> str:
    others = snakemakes(folder)
    if others:
        numbers = ", ".join(str(process.pid) for process in others)
        return (
            f"{directory}: another Snakemake makes files there (process {numbers}): wait for it, "
            f"or stop it with `kill -INT {others[0].pid}`"
        )
    return (
        f"{folder}: locked by a Snakemake that does not run on {socket.gethostname()} any more: "
        "`make resume` ends the jobs that it left, unlocks and goes on where it was "
        "(`snakemake --unlock` only unlocks)"
    )


def _locked_outputs(folder: Path) -> set[str]:
    """Files that other calls of Snakemake were to make."""
    files: set[str] = set()
    for path in (folder / _LOCKS).glob("*.output.lock"):
        try:
            files.update(path.read_text("utf-8").splitlines())
        except FileNotFoundError:
            continue  # the other call has just ended
    return files


def _asked_for(arguments: Iterable[str]) -> set[str]:
    """Experiments whose results are among the targets."""
    matches = [_RESULTS.fullmatch(word) for word in arguments]
    return {match[1] for match in matches if match}
