"""Pinning of finished experiments: no rule recomputes their results after any change.

``make pin EXPERIMENT=name`` writes ``results/<name>/pinned.json``: date, versions, and a digest of
each result. ``make unpin EXPERIMENT=name`` removes it. A result that has changed is an error.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from hybrid_pde.config.safe_names import EXPERIMENT_NAME
from hybrid_pde.data.atomic import sha256_of, write_json
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import PinnedError, UserError
from hybrid_pde.evaluation.provenance import collect_provenance
from hybrid_pde.interruption import end_without_traceback

NAME = "pinned.json"
_NO_RESULTS = {"logs", "benchmarks", "checkpoints", "tensorboard"}
_RESULTS = Path("results")


def pinned_names() -> list[str]:
    """Names of the pinned experiments in the working directory."""
    return sorted(path.parent.name for path in _RESULTS.glob(f"*/{NAME}"))


def pin(name: str) -> int:
    """Pin an experiment.

    Returns:
        The number of pinned files.

    Raises:
        PinnedError: if it is not finished, or already pinned.
    """
    folder = _folder(name)
    if (folder / NAME).exists():
        check_pinned(name)
        raise PinnedError(f"{folder}: already pinned; `make unpin EXPERIMENT={name}` frees it")
    if not (folder / "report.html").is_file():
        raise PinnedError(f"{folder}: no report.html; finish the experiment, then pin it")
    files = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        is_result = not _NO_RESULTS.intersection(parts) and not parts[-1].startswith(".")
        if path.is_file() and is_result:
            files["/".join(parts)] = {**_status(path), "sha256": sha256_of(path)}
    write_json(folder / NAME, {"made_with": collect_provenance(), "files": files})
    return len(files)


def unpin(name: str) -> None:
    """Let the rules recompute an experiment.

    Raises:
        PinnedError: if it is not pinned.
    """
    path = _folder(name) / NAME
    if not path.exists():
        raise PinnedError(
            f"{path.parent}: not pinned; pinned are: {', '.join(pinned_names()) or 'none'}"
        )
    path.unlink()


def check_pinned(name: str, targets: list[str] | None = None) -> None:
    """Check that the results of a pinned experiment exist and are unchanged.

    Args:
        name: Name of the experiment.
        targets: Requested files; those in its folder must exist.

    Raises:
        PinnedError: naming the first file that is missing or has changed.
    """
    folder = _folder(name)
    remedy = f"restore it, or `make unpin EXPERIMENT={name}` and recompute it"
    for relative, recorded in _read(folder / NAME)["files"].items():
        path = folder / relative
        if not path.is_file():
            raise PinnedError(f"{path}: is pinned and has been removed; {remedy}")
        same = _status(path) == {key: recorded[key] for key in ("bytes", "mtime_ns")}
        if not same and sha256_of(path) != recorded["sha256"]:
            raise PinnedError(f"{path}: is pinned and has changed; {remedy}")
    for target in targets or []:
        if Path(target).is_relative_to(folder) and not Path(target).exists():
            raise PinnedError(
                f"{target}: {folder} is pinned without it; `make unpin EXPERIMENT={name}` and "
                "compute it"
            )


def _folder(name: str) -> Path:
    if not re.fullmatch(EXPERIMENT_NAME, name):
        raise PinnedError(f"{name!r}: not a name of an experiment; call with EXPERIMENT=name")
    return _RESULTS / name


def _status(path: Path) -> dict[str, int]:
    """Size and time of a file, which show without reading it that it is unchanged."""
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(read_small_text(path))
        for recorded in content["files"].values():
            recorded["bytes"], recorded["mtime_ns"], recorded["sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise PinnedError(f"{path}: damaged; delete it, then pin the experiment again") from None
    return content


def main(arguments: list[str]) -> None:
    """Pin or unpin an experiment; exits with 1 and a message after an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", help="name of its folder in results/")
    parser.add_argument("--free", action="store_true", help="unpin it")
    options = parser.parse_args(arguments)
    name = options.experiment
    try:
        if options.free:
            unpin(name)
            print(f"results/{name}: no longer pinned")
        else:
            print(f"results/{name}: {pin(name)} files pinned")
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    end_without_traceback()
    main(sys.argv[1:])
