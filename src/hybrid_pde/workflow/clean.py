"""Removal of what the workflow has made: results, caches and simulated raw files.

``make clean`` calls this. Files count as the workflow's if a manifest lists them with their digest,
or by place and name, in a folder with records of the workflow. Raw files that were not simulated
here, pinned results, files of other names, and links with what they lead to stay.
"""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hybrid_pde.config.yaml_file import read_yaml_result
from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_location import CLAIM
from hybrid_pde.data.cache.manifests import digests_of_raw_files
from hybrid_pde.data.raw_claim import CLAIM as RAW_CLAIM
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import CacheError, RunningError, UserError, printable
from hybrid_pde.stages.kept_results import FOLDER, MAX_RECORD_BYTES, RECORD
from hybrid_pde.training.finished_checkpoints import NUMBERED
from hybrid_pde.workflow.live_processes import snakemake_calls
from hybrid_pde.workflow.pin import EXPERIMENT_NAME, pinned_names

RESULTS, DATA, SNAKEMAKE = Path("results"), Path("data"), Path(".snakemake")
MAX_LISTED = 20  # files that stay
_FOREIGN = "not made by the workflow, or changed since"

_NAME = re.compile(r"[^/]+\.nc")
_HIDDEN = r"\.[^/]+\.(?:lock|tmp)"
_RECORDS = (
    r"logs/[a-z_]+(?:_\d{6}-\d{6})?(?:\.log|\.versions\.json)",
    rf"logs/{_HIDDEN}",
    r"benchmarks/[a-z_]+(?:_\d{6}-\d{6})?\.tsv",
)
_SIMULATIONS = r"(?:sim_\d{6,}\.safetensors|[a-z]+_\d{6}-\d{6}\.json|guidance\.json)"
_RUN = (
    *_RECORDS,
    r"(?:report\.html|experiment\.yaml)",
    r"synthetic_model\.pt",
    r"(?:physical|synthetic)/history\.csv",
    r"physical/(?:parameters\.yaml|per_simulation\.csv|residuals\.json)",
    rf"physical/per_simulation/(?:sim_\d{{6,}}\.json|calibrated_\d{{6}}-\d{{6}}\.json|{_HIDDEN})",
    r"evaluation/(?:metrics|timing|frames)\.json",
    r"evaluation/[a-z][a-z_0-9]*\.(?:svg|pdf)",
    r"evaluation/(?:error_curves|prediction|diagnostics|training|calibration|per_simulation)\.png",
    r"evaluation/(?:animation\.gif|rollouts\.nc)",
    rf"(?:augmented|guidance)/(?:{_SIMULATIONS}|{_HIDDEN})",
    rf"checkpoints/[0-9a-f]{{16}}/(?:{NUMBERED.pattern}|new\.pt|finished)",
    r"checkpoints/[0-9a-f]{16}\.lock",
    r"tensorboard/(?:[^/]+/)?events\.out\.tfevents\.[^/]+",
    r"(?:[a-z_]+/)?\.[^/]+\.tmp",
)
_CACHE = (
    *_RECORDS,
    rf"(?:{_SIMULATIONS}|{_HIDDEN}|sources\.json|reading\.json|index-[0-9a-f]{{8}}\.json)",
    r"\.locks/sim_\d{6,}\.lock",
)
_RAW = (*_RECORDS, _HIDDEN, re.escape(RAW_CLAIM))


@dataclass
class Removal:
    """Outcome of cleaning.

    Attributes:
        only_list: Whether to leave everything in place.
        removed: Number of files that were, or would be, removed.
        bytes: Their size.
        kept: Files that stay, and why.
    """

    only_list: bool = False
    removed: int = 0
    bytes: int = 0
    kept: dict[str, str] = field(default_factory=dict)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        self.removed, self.bytes = self.removed + 1, self.bytes + path.lstat().st_size
        if not self.only_list:
            path.unlink()

    def keep(self, path: Path, reason: str) -> None:
        """Note that a file stays."""
        self.kept[str(path)] = reason


def clean(only_list: bool = False) -> Removal:
    """Remove what the workflow has made in the working directory.

    Args:
        only_list: Whether to leave everything in place.

    Raises:
        RunningError: if Snakemake runs here.
    """
    running = snakemake_calls(Path.cwd())
    if running:
        raise RunningError(
            f"{Path.cwd()}: Snakemake runs here (process {', '.join(map(str, running))}): wait "
            "for it, or stop it; nothing was removed"
        )
    done = Removal(only_list)
    for folder in _folders(RESULTS, done):
        _clean_results(folder, done)
    for folder in _folders(DATA, done):
        if folder.name == "cache":
            for each in _folders(folder, done):
                _clean_cache(each, done)
        else:
            _clean_raw(folder, done)
    if RESULTS.is_dir() and not RESULTS.is_symlink():
        _clean_files(RESULTS, (*_RECORDS, r"synthetic_model\.pt(?:\.partial)?"), done, deep=False)
    _clean_snakemake(done)
    if not only_list:
        for own in (RESULTS / "logs", RESULTS / "benchmarks"):
            _remove_empty(own)
        for top in (RESULTS, DATA / "cache", DATA):
            if top.is_dir() and not top.is_symlink() and not any(top.iterdir()):
                top.rmdir()
    return done


def _folders(parent: Path, done: Removal) -> Iterator[Path]:
    """The folders in a folder, in order; links stay, and what they lead to."""
    if parent.is_symlink():
        done.keep(parent, "a link; remove what it leads to by hand")
        return
    if not parent.is_dir():
        return
    for path in sorted(parent.iterdir()):
        if path.is_symlink():
            done.keep(path, "a link")
        elif path.is_dir():
            yield path
        elif parent != RESULTS:
            done.keep(path, _FOREIGN)


def _clean_results(folder: Path, done: Removal) -> None:
    if folder.name in ("logs", "benchmarks"):
        return  # of the copy `results/synthetic_model.pt`
    runs = [folder, *folder.glob("cycle_[0-9][0-9]"), *folder.glob("replicate_[0-9][0-9]")]
    if folder.name in pinned_names():
        done.keep(folder, f"pinned; `make unpin EXPERIMENT={folder.name}` frees it")
    elif not re.fullmatch(EXPERIMENT_NAME, folder.name) or not any(map(_has_records, runs)):
        done.keep(folder, "no results of the workflow: its logs have no records")
    else:
        prefix = r"(?:(?:cycle|replicate)_\d\d/)?"
        patterns = [prefix + f"(?:{pattern})" for pattern in _RUN]
        known = _fields_of_parameters(folder) | _kept_copies(folder)
        _clean_files(folder, patterns, done, lambda path: path in known)


def _clean_cache(folder: Path, done: Removal) -> None:
    if not (folder / CLAIM).is_file():
        done.keep(folder, f"no cache of the workflow: it has no {CLAIM}")
        return
    patterns = [rf"(?:[0-9a-f]{{8}}/)?(?:{pattern})" for pattern in _CACHE]
    _clean_files(folder, patterns, done)


def _clean_raw(folder: Path, done: Removal) -> None:
    """Remove simulated raw files that are as the workflow wrote them, with their manifests."""
    manifests = [path for path in folder.glob("simulated_*.json") if not path.is_symlink()]
    digests = {}
    for path in manifests:
        try:
            digests.update(digests_of_raw_files(path))
        except CacheError as error:
            done.keep(path, str(error))
    unchanged = {
        folder / name
        for name, digest in digests.items()
        if _is_own_file(folder / name) and sha256_of(folder / name) == digest
    }
    known = {*unchanged, *(path for path in manifests if str(path) not in done.kept)}
    if known:
        _clean_files(folder, _RAW, done, lambda path: path in known)
    else:
        done.keep(folder, "raw files that were not simulated here")


def _fields_of_parameters(folder: Path) -> set[Path]:
    """NetCDF files of field parameters that a ``parameters.yaml`` lists with their digests."""
    found: set[Path] = set()
    for path in folder.glob("**/physical/parameters.yaml"):
        try:
            parameters = read_yaml_result(path)["parameters"].values()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        for value in [each.get("value") for each in parameters if isinstance(each, dict)]:
            if isinstance(value, dict) and _NAME.fullmatch(str(value.get("file"))):
                written = path.with_name(value["file"])
                if _is_own_file(written) and sha256_of(written) == value.get("sha256"):
                    found.add(written)
    return found


def _kept_copies(folder: Path) -> set[Path]:
    """Copies of finished results that a record lists with their digests, with the record."""
    found: set[Path] = set()
    for path in folder.glob(f"**/{FOLDER}/{RECORD}"):
        try:
            files = json.loads(read_small_text(path, MAX_RECORD_BYTES))["files"].items()
            copies = {path.with_name(name): digest for name, digest in files}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        found.add(path)
        found |= {
            each
            for each, digest in copies.items()
            if _is_own_file(each) and sha256_of(each) == digest
        }
    return found


def _clean_files(
    folder: Path,
    patterns: tuple[str, ...] | list[str],
    done: Removal,
    is_known: Callable[[Path], bool] = lambda path: False,
    deep: bool = True,
) -> None:
    """Remove the files below a folder that have one of the names, relative to it.

    Args:
        folder: The folder.
        patterns: Regular expressions of the names.
        done: The outcome so far.
        is_known: Whether another file is the workflow's, too.
        deep: Whether to note the files that stay, and to remove folders that are empty then.
    """
    expression = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    for root, folders, names in os.walk(folder):  # it does not follow links
        links = [name for name in folders if Path(root, name).is_symlink()]
        for path in [Path(root, name) for name in [*names, *links]]:
            relative = path.relative_to(folder).as_posix()
            is_ours = bool(expression.fullmatch(relative)) or is_known(path)
            if is_ours and _is_own_file(path):
                done.remove(path)
            elif deep:
                done.keep(path, "a link" if path.is_symlink() else _FOREIGN)
    if deep and not done.only_list:
        _remove_empty(folder)


def _clean_snakemake(done: Removal) -> None:
    if SNAKEMAKE.is_symlink() or not SNAKEMAKE.is_dir():
        return
    if not done.only_list:
        shutil.rmtree(SNAKEMAKE, ignore_errors=True)  # it does not follow links


def _has_records(run: Path) -> bool:
    return any((run / "logs").glob("*.versions.json"))


def _is_own_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those below it, as far as they are empty."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for each in folder.iterdir():
        _remove_empty(each)
    if not any(folder.iterdir()):
        folder.rmdir()


def main(arguments: list[str]) -> None:
    """Clean the working directory and print what was removed and what stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", "-n", action="store_true", help="only list; remove nothing")
    options = parser.parse_args(arguments)
    try:
        done = clean(options.dry_run)
    except UserError as error:
        sys.exit(str(error))
    kept = [f"kept {path}: {reason}" for path, reason in sorted(done.kept.items())]
    for line in kept[:MAX_LISTED]:
        print(printable(line))
    if len(kept) > MAX_LISTED:
        print(f"kept {len(kept) - MAX_LISTED} more")
    verb = "would remove" if options.dry_run else "removed"
    print(f"{verb} {done.removed} files of the workflow, {done.bytes / 1e6:.3g} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
