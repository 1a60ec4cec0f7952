"""Removal of the checkpoints of finished trainings, and of nothing else."""

from pathlib import Path

from hybrid_pde.training.checkpoint_folder import CheckpointFolder
from hybrid_pde.training.finished_checkpoints import (
    FINISHED,
    FINISHED_TEXT,
    remove_finished_checkpoints,
)


def trained(root: Path, seed: int = 0, finished: bool = True) -> Path:
    """A folder of checkpoints, as a training leaves it."""
    with CheckpointFolder(root, {"seed": seed}, 0.0) as folder:
        folder.save({"step": 1})
        if finished:
            folder.finish()
    return folder.directory


def test_finished_trainings_of_all_runs_are_removed(tmp_path: Path) -> None:
    runs = [tmp_path, tmp_path / "cycle_01", tmp_path / "replicate_02"]
    gone = [trained(run / "checkpoints") for run in runs]
    kept = trained(tmp_path / "checkpoints", seed=1, finished=False)
    remove_finished_checkpoints(tmp_path)
    assert not any(folder.exists() for folder in gone)
    assert len(list(kept.glob("*.pt"))) == 1


def test_files_of_the_user_stay(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    own = root / "best"  # another name, though the mark is there
    own.mkdir(parents=True)
    unmarked = root / ("a" * 16)
    unmarked.mkdir()
    (unmarked / FINISHED).touch()
    mixed = trained(root)
    for folder in (own, unmarked, mixed):
        (folder / "mine.pt").touch()
    (own / FINISHED).write_text(FINISHED_TEXT)
    elsewhere = trained(tmp_path / "x/checkpoints")  # in no folder of a run
    remove_finished_checkpoints(tmp_path)
    assert (own / "mine.pt").exists() and (unmarked / "mine.pt").exists() and elsewhere.exists()
    assert sorted(path.name for path in mixed.iterdir()) == [FINISHED, "mine.pt"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, results = tmp_path / "outside", tmp_path / "results"
    there = trained(outside)
    (results / "cycle_01/checkpoints").mkdir(parents=True)
    (results / "checkpoints").symlink_to(outside)
    (results / "cycle_01/checkpoints" / there.name).symlink_to(there)
    (results / "cycle_02").symlink_to(results / "cycle_01")
    remove_finished_checkpoints(results)
    assert len(list(there.glob("*.pt"))) == 1


def test_a_training_that_runs_keeps_its_checkpoints(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    trained(root)
    with CheckpointFolder(root, {"seed": 0}, 0.0) as running:
        remove_finished_checkpoints(tmp_path)
        assert running.last() == {"step": 1}
