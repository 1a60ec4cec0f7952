"""Safety of the test cluster: other clusters are untouched, missing programs are named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.slurm import cluster


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A simulated machine with root rights and all programs installed."""
    monkeypatch.setattr(cluster, "ETC", tmp_path / "etc")
    monkeypatch.setattr(cluster, "STATE", tmp_path / "state")
    monkeypatch.setattr(cluster.os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    (tmp_path / "etc").mkdir()
    return tmp_path


@pytest.mark.parametrize("action", [cluster.start, cluster.stop])
@pytest.mark.parametrize("name", ["slurm.conf", "gres.conf"])
def test_configuration_of_another_cluster_is_never_touched(
    elsewhere: Path, action: Callable[[], None], name: str
) -> None:
    (elsewhere / "etc" / name).write_text("ClusterName=theirs\n")
    with pytest.raises(cluster.ClusterError, match=f"{name}: is another cluster's"):
        action()
    assert (elsewhere / "etc" / name).read_text() == "ClusterName=theirs\n"
    assert not (elsewhere / "state").exists()


def test_missing_programs_are_named(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "munged" else name)
    with pytest.raises(cluster.ClusterError, match="munged: not found; apt-get install slurm-wlm"):
        cluster.start()


def test_cluster_that_was_never_started_is_not_up(elsewhere: Path) -> None:
    assert not cluster.is_up()
    cluster.stop()
