"""The stage ``report``: one self-contained HTML page."""

from pathlib import Path
from typing import Any

from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.evaluation.report.html_report import report_of_folder


def write_experiment_report(settings: dict[str, Any], results: Path, page: Path) -> None:
    """Write the report of an experiment's results.

    Args:
        settings: The experiment's settings that the report shows.
        results: The experiment's folder.
        page: HTML file to write.
    """
    report_of_folder(page, results, parse_experiment(settings))
