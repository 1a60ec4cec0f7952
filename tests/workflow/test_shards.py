"""Division of simulations among jobs, and the manifests of shards."""

import itertools
import json
from pathlib import Path

import pytest

from hybrid_pde.data.cache.manifests import digests_of, simulations_of
from hybrid_pde.workflow.shards import Shard, manifest_name, parse_shard, shards, shards_with


def on_disk(directory: Path, *made: Shard, kind: str = "cached") -> Path:
    for shard in made:
        (directory / manifest_name(kind, shard)).write_text("{}")
    return directory


def covered(divided: list[Shard]) -> list[int]:
    return [index for first, last in divided for index in range(first, last + 1)]


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (10, 4, [(0, 3), (4, 7), (8, 9)]),
        (8, 4, [(0, 3), (4, 7)]),
        (3, 50, [(0, 2)]),
        (2, 1, [(0, 0), (1, 1)]),
        (0, 5, []),
    ],
)
def test_ranges_on_an_empty_disk(
    tmp_path: Path, count: int, size: int, expected: list[Shard]
) -> None:
    assert shards(count, size, tmp_path, "cached") == expected
    assert shards(count, size, tmp_path / "absent", "cached") == expected


def test_another_size_keeps_existing_shards(tmp_path: Path) -> None:
    on_disk(tmp_path, (0, 3), (4, 7))
    for size in (1, 2, 50):
        assert shards(8, size, tmp_path, "cached") == [(0, 3), (4, 7)]


def test_additional_simulations_come_after_existing_ones(tmp_path: Path) -> None:
    on_disk(tmp_path, (0, 3), (4, 5))
    assert shards(11, 4, tmp_path, "cached") == [(0, 3), (4, 5), (6, 9), (10, 10)]


def test_gap_before_an_existing_shard_is_filled(tmp_path: Path) -> None:
    on_disk(tmp_path, (3, 5))
    assert shards(8, 50, tmp_path, "cached") == [(0, 2), (3, 5), (6, 7)]


def test_shard_with_too_many_simulations_is_not_used(tmp_path: Path) -> None:
    on_disk(tmp_path, (0, 9))
    assert shards(4, 50, tmp_path, "cached") == [(0, 3)]


def test_shards_of_another_kind_and_foreign_files_do_not_count(tmp_path: Path) -> None:
    on_disk(tmp_path, (0, 1), kind="simulated")
    for name in ("cached_0-1.json", "cached_000000-000001.json.tmp", "cached_notes.json"):
        (tmp_path / name).write_text("{}")
    assert shards(4, 4, tmp_path, "cached") == [(0, 3)]


def test_every_simulation_is_in_exactly_one_shard(tmp_path: Path) -> None:
    ranges = [(first, last) for first in range(5) for last in range(first, 6)]
    for number, made in enumerate(itertools.combinations(ranges, 2)):
        directory = tmp_path / str(number)
        directory.mkdir()
        divided = shards(5, 2, on_disk(directory, *made), "cached")
        assert covered(divided) == list(range(5)), made


def test_shards_with_any_of_the_simulations() -> None:
    divided = [(0, 3), (4, 7), (8, 9)]
    assert shards_with([1, 2, 9], divided) == [(0, 3), (8, 9)]
    assert shards_with([3, 4], divided) == [(0, 3), (4, 7)]
    assert shards_with([], divided) == shards_with([10], divided) == []


def test_name_of_a_manifest_and_its_range() -> None:
    assert manifest_name("cached", (0, 49)) == "cached_000000-000049.json"
    assert parse_shard("000048-000050") == [48, 49, 50]
    assert parse_shard("000007-000007") == [7]


@pytest.fixture
def manifests(tmp_path: Path) -> list[Path]:
    """Manifests of two shards, the second one first; simulation 1 is missing."""
    paths = []
    for shard, simulations in (((4, 5), [4, 5]), ((0, 3), [0, 2, 3])):
        files = {f"sim_{index:06d}.safetensors": f"digest {index}" for index in simulations}
        path = tmp_path / manifest_name("generated", shard)
        path.write_text(json.dumps({"simulations": simulations, "files": files}))
        paths.append(path)
    return paths


def test_simulations_of_several_manifests_ascend(manifests: list[Path]) -> None:
    assert simulations_of(manifests) == [0, 2, 3, 4, 5]
    assert simulations_of([]) == []


def test_digests_of_requested_simulations(manifests: list[Path]) -> None:
    assert digests_of(manifests, [2, 5, 1]) == {
        "sim_000002.safetensors": "digest 2",
        "sim_000005.safetensors": "digest 5",
    }
    assert digests_of(manifests, []) == {}
