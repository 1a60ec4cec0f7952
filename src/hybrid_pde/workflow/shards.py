"""Shards of simulations, the work of one job: a range of indices with one manifest."""

import re
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"[a-z]+_(\d{6})-(\d{6})\.json")
Shard = tuple[int, int]  # first and last index


def shards(count: int, size: int, directory: Path, kind: str) -> list[Shard]:
    """Divide ``count`` simulations into shards of at most ``size``.

    Existing shards are kept, so neither another size nor further simulations recompute anything.

    Args:
        count: Number of simulations.
        size: Largest number of simulations in a shard.
        directory: Folder of the manifests.
        kind: First word of a manifest's name, e.g. ``cached``.
    """
    found = [_NAME.fullmatch(path.name) for path in sorted(directory.glob(f"{kind}_*.json"))]
    existing = [(int(match[1]), int(match[2])) for match in found if match]
    result: list[Shard] = []
    start = 0
    while start < count:
        kept = next((s for s in existing if s[0] == start and start <= s[1] < count), None)
        following = [s[0] for s in existing if start < s[0] and s[1] < count]
        end = min([start + size, count, *following]) - 1
        result.append(kept or (start, end))
        start = result[-1][1] + 1
    return result


def shards_with(indices: Iterable[int], among: Iterable[Shard]) -> list[Shard]:
    """The shards that contain at least one of the simulations."""
    wanted = set(indices)
    return [shard for shard in among if any(shard[0] <= index <= shard[1] for index in wanted)]


def manifest_name(kind: str, shard: Shard) -> str:
    """File name of a shard's manifest, e.g. ``cached_000000-000049.json``."""
    return f"{kind}_{shard[0]:06d}-{shard[1]:06d}.json"


def parse_shard(text: str) -> list[int]:
    """Indices of a shard given as ``000000-000049``."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last) + 1))
