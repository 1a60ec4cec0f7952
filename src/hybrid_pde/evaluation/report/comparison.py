"""Comparison of experiments: a single self-contained HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.errors import UserError
from hybrid_pde.evaluation import number_format as numbers
from hybrid_pde.evaluation.report.html_report import template
from hybrid_pde.evaluation.report.result_files import results_with_warnings
from hybrid_pde.evaluation.report.stage_times import TIMED_STAGES, stage_seconds
from hybrid_pde.evaluation.report.warnings_of_stages import gather_warnings

TEMPLATE = "comparison.html.j2"
LABELS = {
    "synthetic": "Synthetic model",
    "physical": "Physical model",
    "persistence": "Persistence",
}


def write_comparison(path: Path, folders: Sequence[Path]) -> None:
    """Write the page with the results of several experiments side by side.

    Args:
        path: The page.
        folders: Their folders, ``results/<name>``.

    Raises:
        UserError: naming a folder without results.
    """
    rows = [_row(folder) for folder in folders]
    names = dict.fromkeys(name for row in rows for name in row["parameters"])
    stages = [stage for stage in TIMED_STAGES if any(stage in row["times"] for row in rows)]
    text = template(TEMPLATE).render(
        name="Comparison of experiments",
        script=None,
        rows=rows,
        parameters=list(names),
        labels=LABELS,
        stages=stages,
        split_note=_split_note(rows),
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _split_note(rows: Sequence[Mapping[str, Any]]) -> str:
    """The simulations that all experiments are evaluated on, or why errors cannot be compared.

    Other data may have the same numbers of simulations, but then persistence has other errors.
    """
    evaluated = [row for row in rows if row["evaluated_on"]]
    if not evaluated:
        return ""
    if len({row["evaluated_on"] for row in evaluated}) > 1:
        return "not all are evaluated on the same simulations"
    if len({row["steps"] for row in evaluated}) > 1:
        return "not all are evaluated over the same number of steps"
    if len({row["errors"].get("persistence") for row in evaluated}) > 1:
        return "not all are evaluated on the same data: the errors of persistence differ"
    return f"evaluated on {evaluated[0]['evaluated_on']}"


def _row(folder: Path) -> dict[str, Any]:
    """Results of one experiment, as text."""
    parameters, metrics, timing = results_with_warnings(folder)
    if not metrics and not parameters:
        raise UserError(
            f"{folder}: no results: neither physical/parameters.yaml nor evaluation/metrics.json; "
            "name folders results/<experiment> of finished experiments"
        )
    errors = {kind: metrics[kind] for kind in LABELS if kind in metrics}
    where = metrics.get("evaluated_on", {})
    simulations = where.get("simulations") or []
    return {
        "name": folder.resolve().name,
        "parameters": _estimates(parameters.get("parameters", {})),
        "status": str(parameters.get("status", numbers.MISSING)).replace("_", " "),
        "errors": {
            kind: numbers.mean_error(found["vrmse"], found["diverged"])
            for kind, found in errors.items()
        },
        "ratio": _ratio(errors),
        "steps": numbers.number(where.get("num_steps")),
        "evaluated_on": f"{where.get('split')} simulations {simulations}" if simulations else "",
        "times": {
            stage: numbers.duration(seconds)
            for stage, (_, seconds) in stage_seconds([folder]).items()
        },
        "step_synthetic": _step(timing.get("synthetic")),
        "step_physical": _step(timing.get("physical")),
        "warnings": gather_warnings(parameters, metrics, timing),
    }


def _estimates(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Estimate with its uncertainty for each parameter, lists in parentheses."""
    found = {}
    for name, each in parameters.items():
        value, std = each.get("value"), each.get("uncertainty", each.get("std"))
        if each.get("per_simulation"):
            valued = sum(v is not None for v in value or ())
            text = f"values of {numbers.plural(valued, 'simulation')}"
        elif isinstance(value, list):
            stds = std if isinstance(std, list) else [None] * len(value)
            parts = (numbers.estimate(v, s) for v, s in zip(value, stds, strict=True))
            text = f"({', '.join(parts)})"
        elif isinstance(value, int | float):
            text = numbers.estimate(value, std)
        else:
            text = "a field" if each.get("determined", True) else "undetermined"
        found[name] = text
    return found


def _ratio(errors: Mapping[str, Mapping[str, Any]]) -> str:
    both = [errors.get(kind, {}).get("vrmse") for kind in ("synthetic", "persistence")]
    return numbers.number(both[0] / both[1], 3) if None not in both and both[1] else numbers.MISSING


def _step(seconds: Any) -> str:
    return numbers.duration(seconds) if isinstance(seconds, int | float) else numbers.MISSING
