"""Writing a result so that a reader sees all of it or none."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary sibling to write to, renamed to ``path`` when the block ends without an error.

    The sibling keeps the suffix, from which writers of pictures tell the format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sibling = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield sibling
        os.replace(sibling, path)
    finally:
        sibling.unlink(missing_ok=True)
