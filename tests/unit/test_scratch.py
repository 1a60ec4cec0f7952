"""Copies of simulations on a node's local disk."""

from pathlib import Path

import pytest

from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.cache.scratch_copies import on_scratch
from hybrid_pde.errors import CacheError, StorageError


@pytest.fixture
def store(tmp_path: Path) -> CacheManager:
    (tmp_path / "shared").mkdir()
    for index in (0, 2, 5):
        (tmp_path / f"shared/sim_{index:06d}.safetensors").write_bytes(bytes([index]) * 1000)
    return CacheManager(tmp_path / "shared")


def test_only_used_simulations_are_copied_and_then_removed(
    store: CacheManager, tmp_path: Path
) -> None:
    scratch = tmp_path / "a node's disk"
    scratch.mkdir()
    with on_scratch(store, [0, 5], scratch) as near:
        assert type(near) is CacheManager
        assert near.directory.parent == scratch
        assert near.indices() == [0, 5]
        assert near.path(5).read_bytes() == store.path(5).read_bytes()
    assert not list(scratch.iterdir())
    assert store.indices() == [0, 2, 5]


def test_nothing_is_copied_without_a_folder(store: CacheManager) -> None:
    with on_scratch(store, [0], None) as same:
        assert same is store


def test_a_missing_or_too_small_folder_is_reported(
    store: CacheManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(
            StorageError, match="absent: no folder on this machine; .* `scratch` names it"
        ),
        on_scratch(store, [0], tmp_path / "absent"),
    ):
        pass
    with pytest.raises(CacheError, match="simulation 1"), on_scratch(store, [1], tmp_path):
        pass
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1500}))
    message = r"0\.002 MB of simulations do not fit, 0\.0015 MB are free"
    with pytest.raises(StorageError, match=message), on_scratch(store, [0, 5], tmp_path):
        pass
