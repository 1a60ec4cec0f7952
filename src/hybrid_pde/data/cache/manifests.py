"""Simulations and digests that the manifests of shards list."""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.data.cache.cache_header import REMEDY
from hybrid_pde.data.cache.simulation_store import NAME
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import CacheError
from hybrid_pde.result_warnings import inherited

# first word of a manifest's name, and the stage that writes it
_STAGES = {
    "simulated": "simulate",
    "cached": "cache",
    "generated": "augment",
    "guidance": "guide",
}

RAW_NAME = re.compile(r"sim_\d{6,}\.nc")  # of a simulated raw file


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


def raw_files_of(manifests: Sequence[Path], simulations: Collection[int]) -> list[str]:
    """Names of the raw files of the given simulations that manifests of simulated ones list."""
    found = []
    for path in manifests:
        manifest = _read(path, RAW_NAME)
        numbered = zip(manifest["simulations"], manifest["files"], strict=True)
        found += [name for index, name in numbered if index in simulations]
    return found


def digests_of_raw_files(manifest: Path) -> dict[str, str]:
    """Digests of all files that a manifest of simulated raw files lists, by file name."""
    files: dict[str, str] = _read(manifest, RAW_NAME)["files"]
    return files


def warnings_of(manifests: Sequence[Path]) -> list[str]:
    """Warnings that the manifests keep, each once, with the name of the stage that wrote them."""
    found = [
        text
        for path in manifests
        for text in inherited(_STAGES.get(_kind(path), "cache"), _warnings(path))
    ]
    return list(dict.fromkeys(found))


def _warnings(path: Path) -> list[str]:
    name_pattern = RAW_NAME if _kind(path) == "simulated" else NAME
    return list(map(str, _read(path, name_pattern).get("warnings") or ()))


def _kind(path: Path) -> str:
    """First word of a manifest's name."""
    return re.split(r"[_.]", path.name)[0]


def _read(path: Path, name_pattern: re.Pattern[str] = NAME) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(read_small_text(path))
        simulations, files = manifest["simulations"], manifest["files"]
        is_whole = all(type(index) is int for index in simulations) and all(
            name_pattern.fullmatch(name) and isinstance(digest, str)
            for name, digest in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CacheError(f"{path}: no manifest: {error!r:.200}; {REMEDY}") from None
    if not is_whole or len(simulations) != len(files):
        raise CacheError(f"{path}: damaged: its simulations and files do not fit; {REMEDY}")
    return manifest
