"""What the manifests of shards say."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any


def simulations_of(manifests: Sequence[Path]) -> list[int]:
    """All simulations that the manifests list, ascending."""
    return sorted(index for path in manifests for index in _read(path)["simulations"])


def digests_of(manifests: Sequence[Path], simulations: Collection[int]) -> dict[str, str]:
    """Digests of the given simulations' files, by file name."""
    found: dict[str, str] = {}
    for path in manifests:
        manifest = _read(path)
        for index, item in zip(manifest["simulations"], manifest["files"].items(), strict=True):
            if index in simulations:
                found[item[0]] = item[1]
    return found


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
