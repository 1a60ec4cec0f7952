"""What is wrong with the working directory, told before Snakemake meets it.

Its own check of the lock comes when all is planned, and cannot tell another call that runs from one
that was killed.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from snakemake.cli import get_argument_parser

from hybrid_pde.data.atomic import refuse_unwritable
from hybrid_pde.errors import PinnedError, RunningError
from hybrid_pde.workflow.library_versions import other_versions
from hybrid_pde.workflow.live_processes import snakemakes
from hybrid_pde.workflow.pin import EXPERIMENT_NAME, check_pinned
from hybrid_pde.workflow.plan import Plan
from hybrid_pde.workflow.requested_experiments import Plans

_LOCKS = ".snakemake/locks"
_RESULTS = re.compile(rf"(?:\./)?results/({EXPERIMENT_NAME})/.*")
# options with which Snakemake makes nothing
_LOOKING = re.compile(
    "-S|-D|-l|--(unlock|nolock|summary|detailed-summary|lint|report|dag|rulegraph|filegraph|d3dag|"
    "list.*|archive|cleanup-metadata|print-compilation)(=.*)?"
)


def asked_for(arguments: Iterable[str], plans: Plans) -> list[Plan]:
    """Experiments that are asked for and not pinned; the default one where none is named."""
    return [plans[name] for name in _names(arguments, plans) if name not in plans.pinned]


def only_pinned(arguments: Sequence[str], plans: Plans) -> bool:
    """Check the pinned experiments that are asked for.

    Snakemake has no rule for their files, and refuses targets without one.

    Returns:
        Whether all targets are pinned results that are there, so that there is nothing to do.

    Raises:
        PinnedError: if one has not, or no longer, what is asked for, or others are asked for too.
    """
    pinned = [name for name in _names(arguments, plans) if name in plans.pinned]
    for name in pinned:
        check_pinned(name, [word for word in arguments if _RESULTS.fullmatch(word)])
    if not pinned:
        return False
    targets = get_argument_parser().parse_known_args(arguments)[0].targets
    matches = {target: _RESULTS.fullmatch(target) for target in targets}
    there = [target for target, match in matches.items() if match and match[1] in plans.pinned]
    if there and len(there) < len(targets):
        raise PinnedError(f"{there[0]}: is pinned and there; ask for the other targets without it")
    return bool(there)


def told_versions(arguments: Iterable[str], plans: Plans) -> list[str]:
    """Sentences on results of the experiments asked for that other libraries made."""
    folders = []
    for plan in asked_for(arguments, plans):
        results = Path(plan.results)
        runs = (each for kind in ("cycle_*", "replicate_*") for each in results.glob(kind))
        folders += [Path(plan.raw_dir), results, *sorted(runs)]
    return other_versions(folders)


def makes_nothing(arguments: Iterable[str]) -> bool:
    """Whether the command line has an option with which Snakemake only looks, or unlocks."""
    return any(_LOOKING.fullmatch(word) for word in arguments)


def refuse_unusable(folder: Path, arguments: Sequence[str], plans: Plans) -> None:
    """Refuse to make what another call of Snakemake makes, has left locked, or cannot be written.

    Args:
        folder: The working directory.
        arguments: The command line of this call.
        plans: Its experiments.

    Raises:
        RunningError: naming the other process, or the way to remove the lock.
        StorageError: if there is no place for the results.
    """
    locked = _locked_outputs(folder)
    for plan in asked_for(arguments, plans):
        refuse_unwritable(Path(plan.results))
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


def _names(arguments: Iterable[str], plans: Plans) -> list[str]:
    """Experiments whose results are among the targets."""
    matches = [_RESULTS.fullmatch(word) for word in arguments]
    return sorted({match[1] for match in matches if match} or {plans.default.name})
