"""Messages between a process and the subprocess that reads raw files for it.

A message is a line of JSON, followed by the bytes of the tensors that it names.
"""

import json
from typing import IO, Any

import numpy as np

from hybrid_pde.data.raw_files.raw_file import Block

_TENSORS = "tensors"  # name, shape and type of each
_TYPES = {"float32": np.float32, "float64": np.float64}


def send(stream: IO[bytes], message: dict[str, Any], block: Block | None = None) -> None:
    """Write a message and its tensors, in single or double precision."""
    tensors = {name: np.ascontiguousarray(values) for name, values in (block or {}).items()}
    shapes = [[name, values.shape, values.dtype.name] for name, values in tensors.items()]
    stream.write(json.dumps({**message, _TENSORS: shapes}).encode() + b"\n")
    for values in tensors.values():
        assert values.dtype.name in _TYPES, values.dtype
        stream.write(values.reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], Block]:
    """Read a message and its tensors.

    Raises:
        EOFError: if the other process has ended.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message: dict[str, Any] = json.loads(line)
    block: Block = {}
    for name, shape, kind in message.pop(_TENSORS):
        block[name] = np.empty(shape, _TYPES[kind])
        content = block[name].reshape(-1).view(np.uint8)
        if stream.readinto(content) != content.nbytes:  # type: ignore[attr-defined]
            raise EOFError
    return message, block
