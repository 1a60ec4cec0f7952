"""Checkpoint files: training state, settings, and states of the random generators."""

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hybrid_pde.errors import CheckpointError
from hybrid_pde.models.tensor_file import read_tensor_file, write_tensor_file

_KIND = "training checkpoint"


def save_checkpoint(
    path: str | Path, state: Mapping[str, Any], *, settings: Mapping[str, Any] | None = None
) -> None:
    """Write a checkpoint atomically.

    Args:
        path: File to write; missing folders are created.
        state: Tensors and plain types, nested in mappings, lists and tuples.
        settings: Settings that the state belongs to, in JSON types.
    """
    write_tensor_file(path, _KIND, {"settings": _plain(settings or {}), "state": dict(state)})


def load_checkpoint(
    path: str | Path, *, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Read the state of :func:`save_checkpoint`, with tensors on the CPU.

    Args:
        path: File to read.
        settings: Settings of the training; without them any checkpoint is accepted.

    Raises:
        CheckpointError: if the file is missing, damaged, of another kind, or of other settings.
    """
    content = read_tensor_file(path, _KIND, settings=dict, state=dict)
    if settings is not None:
        check_settings(content["settings"], settings, str(path))
    return content["state"]


def check_settings(theirs: Mapping[str, Any], ours: Mapping[str, Any], source: str) -> None:
    """Check that a checkpoint has the settings of the training.

    Raises:
        CheckpointError: if they differ, with the keys.
    """
    found, wanted = _plain(theirs), _plain(ours)
    if found != wanted:
        raise CheckpointError(
            f"{source}: belongs to other settings: {_differences(found, wanted)}; "
            "restore the settings, or start without this checkpoint"
        )


def digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the settings as canonical JSON, independent of the order of keys."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def random_states(device: torch.device | None = None) -> dict[str, Any]:
    """States of the global random generators of Python, NumPy and PyTorch.

    Args:
        device: If a GPU, the state of its generator is included.
    """
    algorithm, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    words = [int(key) for key in keys]
    return {
        "python": random.getstate(),
        "numpy": [str(algorithm), words, int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device and device.type == "cuda" else None,
    }


def restore_random_states(states: Mapping[str, Any], device: torch.device | None = None) -> None:
    """Restore the global random generators from :func:`random_states`."""
    algorithm, words, position, has_gauss, cached = states["numpy"]
    keys = np.array(words, dtype=np.uint32)
    random.setstate(states["python"])
    np.random.set_state((algorithm, keys, position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"], device or "cuda")


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(settings))


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    return "; ".join(
        f"{key}: {theirs.get(key)!r} in the checkpoint, {ours.get(key)!r} in this training"
        for key in keys
    )
