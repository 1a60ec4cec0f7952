"""Files of tensors and plain types: written atomically, read without executing anything."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.errors import CheckpointError


def write_tensor_file(path: str | Path, kind: str, content: Mapping[str, Any]) -> None:
    """Write a file atomically: ``path`` holds either its previous or the complete new content.

    Args:
        path: File to write; its folder is made if need be.
        kind: Kind of the file, e.g. ``training checkpoint``; the reader must expect the same.
        content: Tensors and plain types, nested in mappings, lists and tuples.
    """
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        torch.save({"kind": kind, **content}, file)  # given a path, it would write its name inside


def read_tensor_file(path: str | Path, kind: str, **parts: type) -> dict[str, Any]:
    """The content of a file of this kind, its tensors on the CPU.

    Only tensors and plain types are unpickled (``weights_only``), so a foreign file cannot run
    code; every checksum is compared, which PyTorch itself does not do. A file whose parts are
    compressed is refused: what PyTorch writes takes as much memory as the disk.

    Args:
        path: File to read.
        kind: Kind that it was written as.
        **parts: Types of the parts that it must have, by name.

    Raises:
        CheckpointError: if the file is absent, damaged, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file; expected a {kind}")
    try:
        with zipfile.ZipFile(path) as archive:
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise ValueError("its parts are compressed")
            damaged = archive.testzip()
        content = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # the zip reader and the unpickler raise errors of many kinds on bytes that they can't read
        reason = str(error).strip().split("\n", 1)[0][:200]
        raise CheckpointError(f"{path}: damaged, or no {kind}: {reason}") from error
    if damaged:
        raise CheckpointError(f"{path}: damaged in {damaged!r}; delete it and create it again")
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise CheckpointError(f"{path}: a file of PyTorch, but no {kind}")
    for name, part in parts.items():
        if not isinstance(content.get(name), part):
            raise CheckpointError(
                f"{path}: no {kind} of this program: {name!r} is missing or wrong"
            )
    return content
