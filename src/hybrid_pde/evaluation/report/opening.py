"""The first three sentences of a report: what was asked, what was found, how good it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from hybrid_pde.config import Experiment
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.evaluation.evaluation_warnings import gain_over_persistence
from hybrid_pde.evaluation.measures.metrics import LABELS
from hybrid_pde.evaluation.number_format import compared, mean_error, plural
from hybrid_pde.evaluation.report.parameter_tables import UNDETERMINED, parameter_rows

MAX_PARAMETERS = 4  # named with their values
MODELS = ("synthetic", "physical")


def opening(
    experiment: Experiment,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any],
    generated: int | None = None,
) -> list[str]:
    """At most three sentences; those without anything to say are left out.

    Args:
        experiment: Settings of the experiment.
        parameters: Content of ``parameters.yaml``.
        metrics: Content of ``metrics.json``.
        generated: Number of generated simulations, if known.
    """
    sentences = [asked(experiment, generated), found(experiment, parameters), errors(metrics)]
    return [sentence for sentence in sentences if sentence]


def asked(experiment: Experiment, generated: int | None = None) -> str:
    """The models that are calibrated and trained, and their data."""
    physical, synthetic = experiment.model.physical, experiment.model.synthetic
    kind, training = experiment.run_params.model_type, experiment.trainer_params
    data = experiment.data.dset_name or "the data"
    parts = []
    if physical and kind != "synthetic":
        spec = built_in_equations().get(physical.name)
        formula = f" ({spec.formula})" if spec is not None and spec.formula else ""
        names = [each.name.replace("_", " ") for each in training.physical.learnable_parameters]
        count = len(training.physical.train_sim or training.train_sim)
        wanted = f"the {_listed(names)} of " if names else ""
        parts.append(
            f"{wanted}{physical.name}{formula} calibrated on {plural(count, 'simulation')} of "
            f"{data}"
        )
    if synthetic and kind != "physical":
        count = len(training.synthetic.train_sim or training.train_sim)
        wanted_number = experiment.augmentation.num_simulations
        made = wanted_number if generated is None else generated
        parts.append(
            f"{synthetic.name} trained on {plural(count, 'simulation')}"
            + ("" if parts else f" of {data}")
        )
        if kind == "hybrid" and experiment.augmentation.enabled and wanted_number:
            parts[-1] += f" and {made} generated simulations"
            if made < wanted_number:
                parts[-1] += f" ({wanted_number - made} more diverged and were left out)"
    return f"Asked: {'; '.join(parts)}." if parts else ""


def found(experiment: Experiment, parameters: Mapping[str, Any]) -> str:
    """The estimates with their uncertainty, and how the calibration ended."""
    rows = parameter_rows(experiment, parameters)
    if not rows:
        return ""
    parts = []
    for row in rows[:MAX_PARAMETERS]:
        if parameters["parameters"].get(row["name"], {}).get("per_simulation"):
            unit = f" [{row['unit']}]" if row["unit"] not in ("", "1") else ""
            parts.append(f"{row['name'].replace('_', ' ')}{unit}: {row['estimate']}")
            continue
        unit = "" if row["unit"] in ("", "1") or row["estimate"] == UNDETERMINED else row["unit"]
        text = f"{row['name'].replace('_', ' ')} = {row['estimate']} {unit}".strip()
        if row.get("in_files"):
            text += f" = {row['in_files']}"
        if row["estimate"] == UNDETERMINED:
            text = f"{row['name']} is not determined by the data"
        parts.append(text + (f" ({row['true_value']})" if row["true_value"] else ""))
    if len(rows) > MAX_PARAMETERS:
        parts.append(f"{len(rows) - MAX_PARAMETERS} more below")
    status = str(parameters.get("status", "")).replace("_", " ")
    ended = {"converged": "the calibration converged"}.get(status, f"the calibration: {status}")
    return f"Found: {'; '.join(parts)}; {ended}."


def errors(metrics: Mapping[str, Any]) -> str:
    """The error of each model beside that of persistence."""
    models = [name for name in MODELS if name in metrics]
    if not models:
        return ""
    where = metrics["evaluated_on"]
    parts = []
    for name in models:
        each = metrics[name]
        gain = gain_over_persistence(metrics, name)
        text = f"the {LABELS[name].lower()} has a VRMSE of "
        text += mean_error(each["vrmse"], each["diverged"])
        parts.append(text + (f", {compared(gain)} than persistence" if gain else ""))
    simulations = plural(len(where["simulations"]), f"{where['split']} simulation")
    return f"On {simulations} and {plural(where['num_steps'], 'step')}, {'; '.join(parts)}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
