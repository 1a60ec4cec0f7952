"""Folders built once for all pytest-xdist workers and only read afterwards."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """The folder ``name``, filled by the first worker that asks for it.

    A failed build is not recorded, so the next worker repeats it and fails in the same way.

    Args:
        factory: Pytest's ``tmp_path_factory``.
        name: Name of the folder; each name is always built in the same way.
        build: Fills an empty folder.
    """
    root = factory.getbasetemp()
    if root.name.startswith("popen-gw"):
        root = root.parent  # shared by all workers of this run
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
