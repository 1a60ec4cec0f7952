"""Checks of the working directory and the targets before Snakemake plans anything.

Snakemake checks its lock only after planning, and cannot distinguish a call that still runs from
one that was killed.
"""

import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from snakemake.cli import get_argument_parser

from hybrid_pde.data.atomic import refuse_unwritable
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import PinnedError, RunningError
from hybrid_pde.workflow.library_versions import version_differences
from hybrid_pde.workflow.live_processes import snakemake_calls
from hybrid_pde.workflow.pin import EXPERIMENT_NAME, check_pinned
from hybrid_pde.workflow.plan import Plan
from hybrid_pde.workflow.requested_experiments import RequestedExperiments
from hybrid_pde.workflow.settings_file import DIRECTORY

_LOCKS = ".snakemake/locks"
_RESULTS = re.compile(rf"(?:\./)?results/({EXPERIMENT_NAME})/.*")
_SUBFOLDERS = (
    "physical", "synthetic", "augmented", "guidance", "evaluation", "checkpoints", "tensorboard",
    "logs", "benchmarks",
)  # fmt: skip
# options with which Snakemake runs no job
_INSPECTING = re.compile(
    "-S|-D|-l|--(unlock|nolock|summary|detailed-summary|lint|report|dag|rulegraph|filegraph|d3dag|"
    "list.*|archive|cleanup-metadata|print-compilation)(=.*)?"
)


def requested_plans(arguments: Iterable[str], plans: RequestedExperiments) -> list[Plan]:
    """Requested experiments that are not pinned; the default one if no target names any."""
    return [plans[name] for name in _names(arguments, plans) if name not in plans.pinned]


def all_targets_pinned(arguments: Sequence[str], plans: RequestedExperiments) -> bool:
    """Check the requested experiments that are pinned.

    Snakemake has no rule for their files, and rejects targets without a rule.

    Returns:
        Whether all targets are existing pinned results, so that nothing is to be done.

    Raises:
        PinnedError: if a pinned result is missing or has changed, or if pinned and other targets
            are mixed.
    """
    pinned = [name for name in _names(arguments, plans) if name in plans.pinned]
    for name in pinned:
        check_pinned(name, [word for word in arguments if _RESULTS.fullmatch(word)])
    if not pinned:
        return False
    targets = get_argument_parser().parse_known_args(arguments)[0].targets
    matches = {target: _RESULTS.fullmatch(target) for target in targets}
    existing = [target for target, match in matches.items() if match and match[1] in plans.pinned]
    if existing and len(existing) < len(targets):
        raise PinnedError(
            f"{existing[0]}: is pinned and exists; request the other targets without it"
        )
    return bool(existing)


def version_warnings(arguments: Iterable[str], plans: RequestedExperiments) -> list[str]:
    """A warning for each other version of a library that made results of these experiments."""
    folders = []
    for plan in requested_plans(arguments, plans):
        results = Path(plan.results)
        runs = (each for kind in ("cycle_*", "replicate_*") for each in results.glob(kind))
        folders += [Path(plan.raw_dir), results, *sorted(runs)]
    return version_differences(folders)


def only_inspects(arguments: Iterable[str]) -> bool:
    """True if an option makes Snakemake only show something, or unlock, and run no job."""
    return any(_INSPECTING.fullmatch(word) for word in arguments)


def check_folder(folder: Path, arguments: Sequence[str], plans: RequestedExperiments) -> None:
    """Check that no other call of Snakemake uses or locks the folders, and that they are writable.

    Args:
        folder: The working directory.
        arguments: The command line of this call.
        plans: The experiments.

    Raises:
        RunningError: naming the other process, or how to remove the lock.
        StorageError: if the results cannot be written.
    """
    locked = _locked_outputs(folder)
    for plan in requested_plans(arguments, plans):
        for path in (Path(plan.results), DIRECTORY, *_subfolders(plan)):
            refuse_unwritable(path)
        for directory in (plan.results, plan.cache_dir, plan.raw_dir):
            if any(path.startswith(f"{directory}/") for path in locked):
                raise RunningError(_reason(folder, directory))


def _subfolders(plan: Plan) -> Iterator[Path]:
    """Existing files and links where a plan's folders are, which Snakemake cannot replace."""
    results = Path(plan.results)
    runs = (each for kind in ("cycle_*", "replicate_*") for each in results.glob(kind))
    for folder in (results, *runs, Path(plan.cache_dir), Path(plan.raw_dir)):
        for path in (folder, *(folder / name for name in _SUBFOLDERS)):
            if os.path.lexists(path) and not path.is_dir():
                yield path


def _reason(folder: Path, directory: str) -> str:
    others = snakemake_calls(folder)
    if others:
        numbers = ", ".join(map(str, others))
        return (
            f"{directory}: another Snakemake is writing there (process {numbers}): wait for it, "
            f"or stop it with `kill -INT {others[0]}`"
        )
    return (
        f"{folder}: locked by a Snakemake that no longer runs on {socket.gethostname()}: "
        "`make resume` ends the jobs that it left, unlocks, and continues "
        "(`snakemake --unlock` only unlocks)"
    )


def _locked_outputs(folder: Path) -> set[str]:
    """Files that other calls of Snakemake have locked as their outputs."""
    files: set[str] = set()
    for path in (folder / _LOCKS).glob("*.output.lock"):
        try:
            files.update(read_small_text(path).splitlines())
        except (OSError, UnicodeDecodeError):
            continue  # the other call has just ended, or it is no lock
    return files


def _names(arguments: Iterable[str], plans: RequestedExperiments) -> list[str]:
    """Names of the experiments in the targets; the default one if there are none."""
    matches = [_RESULTS.fullmatch(word) for word in arguments]
    return sorted({match[1] for match in matches if match} or {plans.default.name})
