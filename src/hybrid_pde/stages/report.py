"""The stage ``report``: one self-contained HTML page, and the file that repeats the run."""

import logging
from pathlib import Path
from typing import Any

from hybrid_pde.config.complete_file import complete_text
from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.evaluation.provenance import version_and_revision
from hybrid_pde.evaluation.report.html_report import report_of_folder
from hybrid_pde.evaluation.report.warnings_of_stages import warnings_in_folder
from hybrid_pde.result_warnings import summary_of

logger = logging.getLogger(__name__)


def write_experiment_report(
    settings: dict[str, Any], results: Path, page: Path, file: Path, *, compile: str = "auto"
) -> None:
    """Write the report of an experiment's results, and log a summary of all warnings.

    Args:
        settings: The experiment's settings that the report shows.
        results: The experiment's folder.
        page: HTML file to write.
        file: Experiment file to write, see :func:`write_experiment_file`.
        compile: Whether time steps were compiled: ``auto``, ``always`` or ``never``.
    """
    experiment = parse_experiment({**settings, "workflow": {"compile": compile}})
    write_experiment_file(file, experiment)
    report_of_folder(page, results, experiment)
    logger.info("%s: %s", page, summary_of(warnings_in_folder(results)))


def write_experiment_file(path: Path, experiment: Experiment) -> None:
    """Write the complete experiment file that repeats a run, atomically.

    Args:
        path: YAML file to write.
        experiment: The experiment as it was run, settings of the command line included.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(complete_text(experiment, version_and_revision()), "utf-8")
