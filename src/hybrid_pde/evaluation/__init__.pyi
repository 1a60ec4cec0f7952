from .figures.all_figures import write_figures as write_figures
from .figures.training_figures import write_training_figures as write_training_figures
from .measures.metrics import compute_metrics as compute_metrics
from .physical_predictor import PhysicalPredictor as PhysicalPredictor
from .predictors import persistence as persistence
from .provenance import collect_provenance as collect_provenance
from .report.html_report import ReportInputs as ReportInputs
from .report.html_report import report_of_folder as report_of_folder
from .report.html_report import write_report as write_report
from .rollout_evaluation import Evaluation as Evaluation
from .rollout_evaluation import write_metrics as write_metrics
from .rollout_samples import RolloutSample as RolloutSample
from .rollouts_file import write_rollouts as write_rollouts

__all__ = [
    "Evaluation",
    "PhysicalPredictor",
    "ReportInputs",
    "RolloutSample",
    "collect_provenance",
    "compute_metrics",
    "persistence",
    "report_of_folder",
    "write_figures",
    "write_metrics",
    "write_report",
    "write_rollouts",
    "write_training_figures",
]
