"""Names of experiments that differ from another one in some values."""

import hashlib
import re
from collections.abc import Iterable

MAX_NAME = 80  # characters; names of folders have at most 255 bytes


def name_of_values(overrides: Iterable[str]) -> str:
    """Part of an experiment's name for its overrides, e.g. ``epochs-5-learning_rate-0.001``.

    A digest is added where other values could have the same name.

    Args:
        overrides: Settings ``key.subkey=value``.
    """
    full = sorted(text.lstrip("+") for text in overrides)
    pairs = [text.partition("=") for text in full]
    keys = [key.rpartition(".")[2] for key, _, _ in pairs]
    plain = "-".join(f"{key}-{value}" for key, (_, _, value) in zip(keys, pairs, strict=True))
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", plain)
    if name == plain and len(name) <= MAX_NAME and len({*keys}) == len(keys):
        return name
    return f"{name[:MAX_NAME]}-{hashlib.sha256(repr(full).encode()).hexdigest()[:8]}"
