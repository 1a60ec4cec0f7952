"""Checkpoint files: written atomically, read without executing anything, refused if foreign."""

import contextlib
import hashlib
import json
import os
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from src.errors import CheckpointError

_KIND = "hybrid-pde checkpoint"


def save_checkpoint(
    path: str | Path, state: Mapping[str, Any], *, settings: Mapping[str, Any] | None = None
) -> None:
    """Write a state so that ``path`` holds either the old file or the whole new one.

    Args:
        path: File to write; its folder is made if need be.
        state: Tensors and plain types, nested in mappings and lists.
        settings: JSON types that the state belongs to; their digest is kept beside them.
    """
    settings = dict(settings or {})
    atomic_torch_save(
        path, {"kind": _KIND, "digest": digest(settings), "settings": settings, "state": state}
    )


def load_checkpoint(
    path: str | Path, *, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The state that :func:`save_checkpoint` wrote, its tensors on the CPU.

    Args:
        path: File to read.
        settings: What the state must belong to; without them any checkpoint is taken.

    Raises:
        CheckpointError: if the file is absent, damaged, foreign, or of other settings.
    """
    content = safe_torch_load(path, _KIND)
    if settings is not None and content["digest"] != digest(settings):
        raise CheckpointError(
            f"{path}: belongs to other settings: "
            f"{_differences(content['settings'], dict(settings))}; "
            "take the settings back, or start anew without this checkpoint"
        )
    return content["state"]


def digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the settings as canonical JSON, whatever the order of their keys."""
    text = json.dumps(settings, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def random_states() -> dict[str, Any]:
    """States of the global generators of Python, NumPy and PyTorch as plain types and tensors."""
    algorithm, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": [str(algorithm), [int(key) for key in keys], position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Put the global generators back to what :func:`random_states` saw."""
    random.setstate(states["python"])
    algorithm, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state(
        (algorithm, np.array(keys, dtype=np.uint32), position, has_gauss, cached)
    )
    torch.set_rng_state(states["torch"])


def atomic_torch_save(path: str | Path, content: Mapping[str, Any]) -> None:
    """``torch.save`` to a sibling, flushed to the disk, which then takes the name ``path``."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(dict(content), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def safe_torch_load(path: str | Path, kind: str) -> dict[str, Any]:
    """The content of a file that says it is of this ``kind``, loaded with ``weights_only``.

    Raises:
        CheckpointError: if the file is absent, damaged, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # PyTorch itself does not compare the checksums
        if damaged is not None:
            raise CheckpointError(f"{path}: damaged in {damaged!r}; make it anew")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except Exception as error:
        # the zip reader and the unpickler raise many kinds on bytes that they don't understand
        reason = str(error).strip().split("\n", 1)[0][:200]
        raise CheckpointError(f"{path}: damaged, or no {kind}: {reason}") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise CheckpointError(f"{path}: no {kind}, but another file of PyTorch")
    return content


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    return "; ".join(f"{key}: {theirs.get(key)!r} there, {ours.get(key)!r} here" for key in keys)
