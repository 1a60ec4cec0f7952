"""Provenance of a result: date, package versions, machine."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from hybrid_pde import __version__

PACKAGES = ("torch", "phiflow", "phiml", "numpy", "scipy", "xarray", "netCDF4", "snakemake")
_GIT = (
    ["ls-files", "--error-unmatch", Path(__file__).name],
    ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
)


def collect_provenance() -> dict[str, Any]:
    """Collect date, Python, system, processor, and versions of the main packages."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def git_revision() -> str | None:
    """Commit of the checkout that the library runs from, ``…-dirty`` with uncommitted edits.

    ``None`` for an installed library, also where it is installed inside another repository, and
    without git.
    """
    own = Path(__file__).resolve()
    call = ["git", "-C", str(own.parent)]
    try:
        for command in _GIT:
            answer = subprocess.run(
                [*call, *command], capture_output=True, text=True, timeout=20, check=True
            )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def version_and_revision() -> str:
    """Name and version of this library, with the revision of a checkout."""
    revision = git_revision()
    version = f"hybrid-pde {__version__}"
    return f"{version}, revision {revision}" if revision else version


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """Name of the processor, or its architecture if the name is unknown."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
