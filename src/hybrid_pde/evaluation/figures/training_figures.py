"""Figures of what happened in training, from the histories that the stages leave."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.evaluation.figures.curves import plot_calibration, plot_training
from hybrid_pde.evaluation.figures.style import save_figure
from hybrid_pde.evaluation.history import History

PICTURES = {"training": "training.png", "calibration": "calibration.png"}


def write_training_figures(
    folder: str | Path,
    *,
    synthetic: History | None = None,
    physical: History | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, Path]:
    """Draw the histories that are there and have rows.

    Args:
        folder: Where the pictures go.
        synthetic: Columns of ``synthetic/history.csv``.
        physical: Columns of ``physical/history.csv``.
        parameters: The content of ``parameters.yaml``; needed with ``physical``.

    Returns:
        Path of each picture by its name in ``PICTURES``.
    """
    paths = {}
    if synthetic:
        paths["training"] = Path(folder) / PICTURES["training"]
        save_figure(paths["training"], plot_training(synthetic))
    if physical and parameters is not None:
        paths["calibration"] = Path(folder) / PICTURES["calibration"]
        save_figure(paths["calibration"], plot_calibration(physical, parameters["parameters"]))
    return paths
