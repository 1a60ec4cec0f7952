"""Training checkpoints: a state, the settings that it belongs to, and the random generators."""

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
    """Write a state so that ``path`` holds either the old checkpoint or the whole new one.

    Args:
        path: File to write; its folder is made if need be.
        state: Tensors and plain types, nested in mappings, lists and tuples.
        settings: JSON types that the state belongs to.
    """
    write_tensor_file(path, _KIND, {"settings": _plain(settings or {}), "state": dict(state)})


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
    content = read_tensor_file(path, _KIND, settings=dict, state=dict)
    if settings is not None:
        refuse_other_settings(content["settings"], settings, str(path))
    return content["state"]


def refuse_other_settings(theirs: Mapping[str, Any], ours: Mapping[str, Any], source: str) -> None:
    """Compare the settings of a checkpoint with those of a training.

    Raises:
        CheckpointError: if they differ; it names the keys.
    """
    found, wanted = _plain(theirs), _plain(ours)
    if found != wanted:
        raise CheckpointError(
            f"{source}: belongs to other settings: {_differences(found, wanted)}; "
            "take the settings back, or start anew without this checkpoint"
        )


def digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 of the settings as canonical JSON, whatever the order of their keys."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def random_states(device: torch.device | None = None) -> dict[str, Any]:
    """States of the global generators of Python, NumPy and PyTorch as plain types and tensors.

    Args:
        device: A GPU, whose generator is among them then.
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
    """Put the global generators back to what :func:`random_states` saw."""
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
    return "; ".join(f"{key}: {theirs.get(key)!r} there, {ours.get(key)!r} here" for key in keys)
