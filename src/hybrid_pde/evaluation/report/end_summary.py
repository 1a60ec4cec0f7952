"""Last lines of a run: parameters, errors of the models, warnings, and the report's path."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.evaluation.evaluation_warnings import gain_over_persistence
from hybrid_pde.evaluation.history import component
from hybrid_pde.evaluation.measures.metrics import LABELS, PREDICTORS
from hybrid_pde.evaluation.number_format import compared, estimate, mean_error, number
from hybrid_pde.evaluation.report.parameter_tables import (
    component_name,
    in_units_of_files,
    stated_value,
)
from hybrid_pde.evaluation.report.result_files import results_with_warnings
from hybrid_pde.evaluation.report.warnings_of_stages import gather_warnings
from hybrid_pde.result_warnings import summary_of

REPORT = "report.html"


def summary_of_folder(folder: Path) -> str:
    """Results of an experiment, one line each, from its folder; any file may be missing."""
    parameters, metrics, timing = results_with_warnings(folder)
    lines = [f"{folder}:", *_estimates(parameters), *_errors(metrics)]
    lines.append(summary_of(gather_warnings(parameters, metrics, timing)).replace("\n", "\n  "))
    if (folder / REPORT).exists():
        lines.append(f"report: {folder / REPORT}")
    return "\n  ".join(lines)


def _estimates(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Each parameter with its uncertainty and unit."""
    for name, found in parameters.get("parameters", {}).items():
        value, unit = found["value"], found.get("unit") or ""
        unit = "" if unit == "1" else f" {unit}"
        if value is None:
            yield f"{name}: not determined by the data"
        elif found.get("per_simulation"):
            valued = sum(each is not None for each in value)
            yield f"{name}: values for {valued} of {len(value)} simulations, per_simulation.csv"
        elif isinstance(value, Mapping):
            yield f"{name}: a field, {value.get('file', '')}".rstrip(", ")
        else:
            spread = found.get("std") if found.get("uncertainty") is None else found["uncertainty"]
            for index in range(len(value) if isinstance(value, list) else 1):
                text = estimate(component(value, index), component(spread, index))
                in_files = in_units_of_files(found, index)
                also = f" = {in_files}" if in_files else ""
                if stated := stated_value(found, index):
                    also += f"; stated: {stated}"
                yield f"{component_name(name, value, index)} = {text}{unit}{also}"


def _errors(metrics: Mapping[str, Any]) -> Iterator[str]:
    """VRMSE of each model beside that of persistence."""
    for name in (name for name in PREDICTORS if name in metrics):
        found = metrics[name]
        text = f"{LABELS[name].lower()}: VRMSE {mean_error(found['vrmse'], found['diverged'])}"
        gain = gain_over_persistence(metrics, name)
        if name != "persistence" and gain:
            text += f", {compared(gain)} than persistence ({number(_persistence(metrics), 3)})"
        if name != "persistence":
            yield text


def _persistence(metrics: Mapping[str, Any]) -> Any:
    return metrics.get("persistence", {}).get("vrmse")
