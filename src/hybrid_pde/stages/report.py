"""The stage ``report``: one self-contained HTML page."""

import logging
from pathlib import Path
from typing import Any

from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.evaluation.report.html_report import report_of_folder
from hybrid_pde.evaluation.report.warnings_of_stages import warnings_in_folder
from hybrid_pde.result_warnings import summary_of

logger = logging.getLogger(__name__)


def write_experiment_report(settings: dict[str, Any], results: Path, page: Path) -> None:
    """Write the report of an experiment's results, and log a summary of all warnings.

    Args:
        settings: The experiment's settings that the report shows.
        results: The experiment's folder.
        page: HTML file to write.
    """
    report_of_folder(page, results, parse_experiment(settings))
    logger.info("%s: %s", page, summary_of(warnings_in_folder(results)))
