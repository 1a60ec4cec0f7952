"""Training of the surrogate: its settings, also those that were chosen, losses and time."""

import math
from collections.abc import Mapping
from typing import Any

from hybrid_pde.evaluation import number_format as numbers
from hybrid_pde.evaluation.history import History

# settings in metrics.json, in this order
_SETTINGS = {
    "learning_rate": "Learning rate",
    "num_predict_steps": "Steps of a rollout",
    "batch_size": "Windows of a batch",
    "windows_per_epoch": "Windows of an epoch",
    "architecture": "Architecture",
    "coordinates": "Harmonics of the position",
    "potentials": "Gradients of potentials",
    "short_trainings": "Short trainings that chose the open settings",
}


def training_rows(history: History | None, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each entry.

    Args:
        history: The columns of ``synthetic/history.csv``.
        metrics: The content of ``metrics.json``, which has the settings as ``training``.
    """
    if not history or not history["epoch"]:
        return []
    rows = [
        ("Epochs", numbers.number(len(history["epoch"]))),
        *_settings(metrics.get("training") or {}),
        ("Training loss, first and last", " → ".join(
            numbers.number(history["train_loss"][at], 3) for at in (0, -1))),
    ]  # fmt: skip
    validation = [
        (value, epoch)
        for value, epoch in zip(history.get("val_vrmse", []), history["epoch"], strict=False)
        if math.isfinite(value)
    ]
    if validation:
        value, epoch = min(validation)
        rows.append(("Best validation VRMSE", f"{numbers.number(value, 3)} in epoch {epoch:.0f}"))
    seconds = [value for value in history.get("seconds", []) if math.isfinite(value)]
    if seconds:
        rows.append(("Time of the epochs", numbers.duration(sum(seconds))))
    return rows


def _settings(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, label in _SETTINGS.items():
        value = given.get(name)
        if isinstance(value, Mapping):
            value = ", ".join(f"{key}: {each}" for key, each in value.items())
        elif isinstance(value, bool):
            value = "yes" if value else None
        elif isinstance(value, int | float):
            value = numbers.number(value)
        if value and value != "0":
            found.append((label, str(value)))
    return found
