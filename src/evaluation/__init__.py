"""Held-out rollouts: metrics, figures, an animation and the report; importing it loads no torch."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Evaluation": "evaluate",
    "PhysicalPredictor": "predictors",
    "ReportInputs": "report",
    "RolloutSample": "evaluate",
    "SyntheticPredictor": "predictors",
    "collect_provenance": "provenance",
    "compute_metrics": "metrics",
    "persistence": "predictors",
    "report_of_folder": "report",
    "write_figures": "figures",
    "write_metrics": "evaluate",
    "write_report": "report",
    "write_rollouts": "rollouts",
    "write_training_figures": "training_figures",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"src.evaluation.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
