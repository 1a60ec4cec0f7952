"""What an interrupted run has finished counts as long as nobody has touched it."""

from pathlib import Path

import pytest

from src.factories.finished_stages import FinishedStages

IDENTITY = {"settings": {"epochs": 3}, "code": ["a"]}


def noted(folder: Path) -> Path:
    result = folder / "physical/parameters.yaml"
    result.parent.mkdir()
    result.write_text("viscosity: 0.01\n")
    finished = FinishedStages(folder)
    finished.add({"another": "stage"}, [])
    finished.add(IDENTITY, [result])
    return result


def test_another_process_finds_it(tmp_path: Path) -> None:
    noted(tmp_path)
    finished = FinishedStages(tmp_path)
    assert finished.has(IDENTITY) and finished.has({"another": "stage"})
    assert not finished.has({**IDENTITY, "code": ["b"]})


def test_what_was_changed_or_removed_is_made_again(tmp_path: Path) -> None:
    result = noted(tmp_path)
    result.write_text("viscosity: 0.02\n")
    assert not FinishedStages(tmp_path).has(IDENTITY)
    result.unlink()
    assert not FinishedStages(tmp_path).has(IDENTITY)


def test_an_ended_run_leaves_nothing(tmp_path: Path) -> None:
    noted(tmp_path)
    FinishedStages(tmp_path).forget()
    assert not FinishedStages(tmp_path).has(IDENTITY)
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.parametrize("content", [b'{"ab\xff', b"[]", b'{"a": 1}'])
def test_a_damaged_note_counts_for_nothing(tmp_path: Path, content: bytes) -> None:
    noted(tmp_path)
    (note,) = (tmp_path / "checkpoints").iterdir()
    note.write_bytes(content)
    assert not FinishedStages(tmp_path).has(IDENTITY)
    finished = FinishedStages(tmp_path)
    finished.add(IDENTITY, [])
    assert finished.has(IDENTITY)
