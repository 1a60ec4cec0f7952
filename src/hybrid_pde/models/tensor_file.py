"""Files of tensors and plain types: written atomically, read without executing anything."""

import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.errors import CheckpointError

# Classes in files of tensors and plain types. PyTorch itself allows more, e.g. `bytearray` and
# sparse tensors, whose few bytes can ask for any amount of memory.
_ALLOWED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch Size",
    "torch device",
}
_STORAGE = "Storage"


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
    code; every checksum is compared, which PyTorch itself does not do. Nothing in the file may
    stand for more than its bytes: compressed parts, tensors larger than what is stored of them,
    and parts that contain one another many times are refused.

    Args:
        path: File to read.
        kind: Kind that it was written as.
        **parts: Types of the parts that it must have, by name.

    Raises:
        CheckpointError: if the file is absent, damaged, or something else.
    """
    path = Path(path)
    if not path.is_file():
        found = "not a file" if path.exists() else "there is no such file"
        raise CheckpointError(f"{path}: {found}; expected a {kind}")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_archive(archive, path.stat().st_size)
            damaged = archive.testzip()
        content = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
        _check_content(content, path.stat().st_size)
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


def _check_archive(archive: zipfile.ZipFile, size: int) -> None:
    """Reject parts that are compressed or overlap, and types other than those of tensors.

    Raises:
        ValueError: naming what is wrong.
    """
    parts = archive.infolist()
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
        raise ValueError("its parts are compressed")
    if sum(part.file_size for part in parts) > size:
        raise ValueError("its parts overlap")
    for part in parts:
        if part.filename.endswith("/data.pkl"):
            for code, argument, _ in pickletools.genops(archive.read(part)):
                if code.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
                    raise ValueError(f"its pickle has the operation {code.name}")
                if code.name == "GLOBAL" and not _is_allowed(str(argument)):
                    raise ValueError(f"holds {argument}, not only tensors and plain types")


def _is_allowed(name: str) -> bool:
    module, _, attribute = name.partition(" ")
    is_storage = module in ("torch", "torch.storage") and attribute.endswith(_STORAGE)
    return is_storage or name in _ALLOWED


def _check_content(content: Any, size: int) -> None:
    """Reject content that is larger than its file: views that repeat values, nested references.

    Args:
        content: What was read.
        size: Size of the file [bytes].

    Raises:
        ValueError: naming what is wrong.
        RecursionError: if a part contains itself.
    """
    numbers = _Sizes()
    entries = numbers.entries_of(content)
    # an entry takes a byte or more, unless it is written once and used several times
    if entries > 8 * size + 10_000:
        raise ValueError(f"its parts stand for {entries} entries, more than the file can hold")
    if numbers.tensor_bytes > 8 * size:
        raise ValueError(f"its tensors stand for {numbers.tensor_bytes} bytes, the file has {size}")


class _Sizes:
    """Counts entries, those of shared parts each time, and bytes of tensors."""

    def __init__(self) -> None:
        self.tensor_bytes = 0
        self._known: dict[int, int] = {}

    def entries_of(self, part: Any) -> int:
        if isinstance(part, torch.Tensor):
            self._add(part)
            return 1
        if isinstance(part, Mapping):
            inside = [*part.keys(), *part.values()]
        elif isinstance(part, list | tuple | set | frozenset):
            inside = [*part]
        else:
            return 1
        if id(part) not in self._known:
            self._known[id(part)] = 1 + sum(map(self.entries_of, inside))
        return self._known[id(part)]

    def _add(self, tensor: torch.Tensor) -> None:
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise ValueError(f"a tensor with layout {tensor.layout} on {tensor.device.type}")
        taken, stored = tensor.numel() * tensor.itemsize, tensor.untyped_storage().nbytes()
        if taken > stored:
            raise ValueError(f"a tensor of {taken} bytes with {stored} stored ones")
        self.tensor_bytes += taken
