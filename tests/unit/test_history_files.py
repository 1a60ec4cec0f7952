"""Histories of trainings: reading of the files, and columns of parameters."""

from pathlib import Path

import pytest

from hybrid_pde.errors import UserError
from hybrid_pde.evaluation.history import parameter_columns, read_columns


def test_histories_are_read_with_gaps_and_errors_are_named(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,train_loss,val_vrmse\n1,0.5,\n2,0.25,0.3\n", encoding="utf-8")
    history = read_columns(path)
    assert history["epoch"] == [1.0, 2.0]
    assert history["val_vrmse"][0] != history["val_vrmse"][0] and history["val_vrmse"][1] == 0.3
    path.write_text("epoch,train_loss\n1,high\n", encoding="utf-8")
    with pytest.raises(UserError, match="history.csv: damaged: line 2, column"):
        read_columns(path)


def test_columns_of_a_history_belong_to_parameters() -> None:
    history = {
        "iteration": [],
        "loss": [],
        "velocity_x": [],
        "velocity_y": [],
        "velocity_scale": [],
    }
    assert parameter_columns(history, {"velocity": {}, "velocity_scale": {}}) == {
        "velocity_x": ("velocity", 0),
        "velocity_y": ("velocity", 1),
        "velocity_scale": ("velocity_scale", 0),
    }
