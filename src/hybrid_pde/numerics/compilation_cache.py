"""Folder in which compiled graphs are kept for later programs of the same user.

What is in it is executed, so it belongs to the user, and nobody else may write to it.
"""

import hashlib
import logging
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

logger = logging.getLogger(__name__)

# PyTorch's variable of the place where it keeps compiled graphs.
_FOLDER = "TORCHINDUCTOR_CACHE_DIR"
_PRIVATE = 0o700


def compiler_path() -> str | None:
    """The C++ compiler; ``None`` without one.

    It is that of the variable ``CXX``, otherwise ``clang++`` on macOS and ``g++`` elsewhere, as
    PyTorch chooses it.
    """
    default = "clang++" if platform.system() == "Darwin" else "g++"
    return shutil.which(os.environ.get("CXX", default))


@cache
def compiler_version() -> str | None:
    """First line of what the C++ compiler says of itself; ``None`` without one."""
    found = compiler_path()
    if found is None:
        return None
    try:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.partition("\n")[0].strip() or found if said.returncode == 0 else None


@cache
def prepare_compilation() -> Path:
    """Let PyTorch compile in this process, with a folder of the user's own.

    The folder is that of the variable ``TORCHINDUCTOR_CACHE_DIR`` or else in the user's folder of
    caches, one for each kind of processor, because the code is made for it. Where there is none
    that only the user may change, it is a temporary one.

    Returns:
        The folder.
    """
    wanted = os.environ.get(_FOLDER)
    folder = Path(wanted) if wanted else _cache_root() / "hybrid_pde" / "compiled" / _machine()
    try:
        _make_private(folder)
    except OSError as problem:
        logger.warning(
            "%s: cannot keep compiled graphs (%s); they are compiled again by every program. Give "
            "a folder that only you may write to, in the variable %s",
            folder,
            problem.strerror or problem,
            _FOLDER,
        )
        folder = Path(tempfile.mkdtemp(prefix="hybrid_pde_compiled_"))
    os.environ[_FOLDER] = str(folder)
    return folder


def _make_private(folder: Path) -> None:
    """Make a folder that only the user may change.

    Raises:
        OSError: if it cannot be made, or is there and others may change it.
    """
    folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(0, "it is a link or a file", str(folder))
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise PermissionError(0, "it belongs to another user", str(folder))
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(0, "others may write to it", str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(0, "it cannot be written to", str(folder))


def _cache_root() -> Path:
    """The user's folder of caches on this platform."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given)
    caches = "Library/Caches" if platform.system() == "Darwin" else ".cache"
    return Path(os.path.expanduser("~")) / caches


def _machine() -> str:
    """Digest of the processor's kind and the versions of PyTorch and the compiler."""
    described = [platform.machine(), platform.python_version(), torch.__version__]
    described.append(compiler_version() or "")
    processors = Path("/proc/cpuinfo")
    if processors.exists():
        lines = processors.read_text(encoding="utf-8", errors="replace").splitlines()
        kinds = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
        described += sorted(kinds)
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:16]
