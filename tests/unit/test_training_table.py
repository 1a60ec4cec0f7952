"""The report's table on the surrogate's training: also the settings that were chosen."""

from pathlib import Path

import torch

from hybrid_pde.evaluation.report.training_table import training_rows
from hybrid_pde.models.surrogate_file import read_training_settings
from tests.unit.test_crafted_models import saved

HISTORY = {"epoch": [1.0, 2.0], "train_loss": [0.5, 0.25], "val_vrmse": [0.4, 0.3]}


def test_settings_that_were_chosen_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    content = saved(path)
    content["config"]["trainer_params"] |= {"learning_rate": 0.003, "num_predict_steps": 2}
    content["config"]["model"]["synthetic"]["architecture"] = {"depth": 3}
    torch.save({**content, "search": [{"val_vrmse": 0.5}, {"val_vrmse": 0.4}]}, path)
    rows = dict(training_rows(HISTORY, {"training": read_training_settings(path)}))
    assert rows["Learning rate"] == "0.003"
    assert rows["Steps of a rollout"] == "2"
    assert rows["Architecture"] == "depth: 3"
    assert rows["Short trainings that chose the open settings"] == "2"
    assert rows["Best validation VRMSE"] == "0.3 in epoch 2"


def test_results_of_earlier_versions_have_no_settings() -> None:
    assert [label for label, _ in training_rows(HISTORY, {})] == [
        "Epochs",
        "Training loss, first and last",
        "Best validation VRMSE",
    ]
    assert training_rows(None, {}) == []
