"""Warnings of all stages, gathered from their results for the report and the end of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.evaluation.report.result_files import results_with_warnings
from hybrid_pde.result_warnings import STAGES, stage_of


def gather_warnings(
    parameters: Mapping[str, Any], metrics: Mapping[str, Any], timing: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Pairs of stage and message in the order of the stages, each once.

    Each result keeps the warnings of its own stage in the key ``warnings`` and, with the stage's
    name in front, those of the earlier stages that its own stage reads.

    Args:
        parameters: Content of ``parameters.yaml``.
        metrics: Content of ``metrics.json``.
        timing: Content of ``timing.json``.
    """
    kept = (("train_physical", parameters), ("evaluate", metrics), ("evaluate", timing))
    found = [
        stage_of(text, stage) for stage, result in kept for text in result.get("warnings") or ()
    ]
    return sorted(dict.fromkeys(found), key=lambda pair: STAGES.index(pair[0]))


def warnings_in_folder(folder: Path) -> list[tuple[str, str]]:
    """Like :func:`gather_warnings`, from an experiment's folder; any file may be missing."""
    return gather_warnings(*results_with_warnings(folder))
