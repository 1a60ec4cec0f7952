"""Held-out rollouts: metrics, pictures, an animation and the report."""

from src.exports import on_first_use

_HOMES = {
    "Evaluation": "evaluate",
    "PhysicalPredictor": "predictors",
    "ReportInputs": "report",
    "RolloutSample": "samples",
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
__all__ = sorted(_HOMES)

__getattr__ = on_first_use(__name__, _HOMES)
