"""Folders that are built once for all workers of pytest-xdist and then only read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """The folder ``name``, filled by the first worker that asks for it.

    A failed build leaves no mark, so the next worker that asks repeats it and fails likewise.

    Args:
        factory: Pytest's ``tmp_path_factory``.
        name: Name of the folder; one name, one way to build it.
        build: Fills an empty folder.
    """
    root = factory.getbasetemp()
    if root.name.startswith("popen-gw"):
        root = root.parent  # of all workers of this run
    folder, done = root / f"shared_{name}", root / f"shared_{name}.done"
    with FileLock(root / f"shared_{name}.lock"):
        if not done.exists():
            number = len(list(root.glob(f"shared_{name}.failed*")))
            if folder.exists():
                folder.rename(root / f"shared_{name}.failed{number}")
            folder.mkdir()
            build(folder)
            done.touch()
    return folder
