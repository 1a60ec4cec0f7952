"""What a report says: its sentences, cards and table rows, from metrics and parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hybrid_pde.config import Experiment
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.evaluation.history import component
from hybrid_pde.evaluation.labels import LABELS
from hybrid_pde.evaluation.measures.metrics import PREDICTORS
from hybrid_pde.evaluation.number_format import MISSING, estimate, number, percent
from hybrid_pde.evaluation.report.diagnostic_tables import long_notices, spread_of_replicates
from hybrid_pde.evaluation.report.missing_values import gap_notices

MAX_PARAMETER_CARDS = 4
AXES = "xyz"
UNDETERMINED = "not determined"


@dataclass(frozen=True)
class Card:
    """A key number: what it is, the number, its unit, and one line of context."""

    kind: str
    title: str
    value: str
    unit: str
    note: str


def subtitle(experiment: Experiment, generated: int | None = None) -> str:
    """One sentence: what was trained on what.

    Args:
        experiment: Its settings.
        generated: Number of generated simulations that are there, where that is known.
    """
    physical, synthetic = experiment.model.physical, experiment.model.synthetic
    kind, training = experiment.run_params.model_type, experiment.trainer_params
    data = experiment.data.dset_name or "the data"
    parts = []
    if physical and kind != "synthetic":
        spec = built_in_equations().get(physical.name)
        formula = spec.formula if spec is not None else ""
        count = len(training.physical.train_sim or training.train_sim)
        parts.append(
            f"{physical.name}{f' ({formula})' if formula else ''} calibrated on "
            f"{_count(count, 'simulation')} of {data}"
        )
    if synthetic and kind != "physical":
        count = len(training.synthetic.train_sim or training.train_sim)
        wanted = experiment.augmentation.num_simulations
        made = wanted if generated is None else generated
        parts.append(
            f"{synthetic.name} trained on {_count(count, 'simulation')}"
            + ("" if parts else f" of {data}")
        )
        if kind == "hybrid" and experiment.augmentation.enabled and wanted:
            parts[-1] += f" and {made} generated ones"
            parts[-1] += f" ({wanted - made} diverged and are left out)" if made < wanted else ""
    return "; ".join(parts) + "."


def notices(metrics: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """What a reader must know before believing a number."""
    found = []
    for name, parameter in parameters.get("parameters", {}).items():
        if not parameter.get("determined", True):
            found.append(
                f"The data do not determine {name}; it has no estimate, and nothing is generated "
                f"with it until it is fixed."
            )
    for direction in parameters.get("undetermined_directions") or []:
        combination = " ".join(
            f"{'−' if weight < 0 else '+'} {number(abs(weight), 3)} {name}"
            for name, weight in direction.items()
        )
        found.append(f"Changes along {combination} leave the prediction as it is.")
    status = parameters.get("status", "converged")
    if status == "max_iterations":
        found.append("The calibration stopped at the largest number of iterations, unconverged.")
    elif status != "converged":
        found.append(f"The calibration {status}; the parameters are the best found before that.")
    split = metrics.get("evaluated_on", {}).get("split", "test")
    if split == "validation":
        found.append(
            "There are no test simulations: the errors are those of the validation simulations, "
            "which training may have been steered by."
        )
    elif split == "train":
        found.append(
            "There are no held-out simulations: the errors are those of the training simulations "
            "and say nothing about unseen ones."
        )
    found += gap_notices(metrics)
    for name in (name for name in PREDICTORS if name in metrics):
        found += _metric_notices(LABELS[name], metrics[name])
    return found + long_notices(metrics)


def _metric_notices(label: str, metrics: Mapping[str, Any]) -> list[str]:
    found = []
    if metrics["diverged"]:
        places = ", ".join(
            f"simulation {simulation} at step {step}"
            for simulation, step in metrics["diverged_at"].items()
        )
        found.append(f"{label}: diverged ({places}); its mean errors are infinite from there on.")
    if skipped := metrics["skipped"]["vrmse"]:
        found.append(
            f"{label}: VRMSE leaves out {_count(skipped, 'frame')} in which the truth is uniform"
            f"{' or missing' if metrics.get('missing') else ''}."
        )
    return found


def headline_cards(
    experiment: Experiment, metrics: Mapping[str, Any], parameters: Mapping[str, Any]
) -> list[Card]:
    """The key numbers: parameters first, then a card a predictor."""
    cards = [
        Card("parameter", row["name"], *_split(row["estimate"], row["unit"]), row["known"])
        for row in parameter_rows(experiment, parameters)[:MAX_PARAMETER_CARDS]
    ]
    for name in (name for name in PREDICTORS if name in metrics):
        value = metrics[name]["vrmse"]
        gain = gain_over_persistence(metrics, name)
        note = f"{number(gain, 3)} × better than persistence" if gain else ""
        if name == "persistence":
            note = "the first frame for ever"
        elif metrics[name]["diverged"]:
            note = f"diverged in {_count(metrics[name]['diverged'], 'simulation')}"
        elif gain and gain < 1:
            note = f"{number(1 / gain, 3)} × worse than persistence"
        shown = _error(value, metrics[name]["diverged"])
        cards.append(Card(name, LABELS[name], shown, "VRMSE", note))
    return cards


def gain_over_persistence(metrics: Mapping[str, Any], name: str) -> float | None:
    """How many times smaller a model's VRMSE is, over the fields that it predicts."""
    fields = metrics[name]["by_field"]
    reference = [metrics["persistence"]["by_field"][key]["vrmse"] for key in fields]
    own = [values["vrmse"] for values in fields.values()]
    if None in own or None in reference or not sum(own):
        return None
    return float(sum(reference) / sum(own))


def parameter_rows(experiment: Experiment, parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row for each parameter, or for each component of one; one for a field."""
    generation = experiment.generation_params
    true_values = generation.parameters if generation else {}
    rows = []
    for name, parameter in parameters.get("parameters", {}).items():
        if "labels" in parameter:
            rows.append(_field_row(name, parameter))
            continue
        value = parameter["value"]
        many = isinstance(value, list)
        for index in range(len(value) if many else 1):
            at = component(value, index)
            known = true_values.get(name)
            if isinstance(known, list) and not many:
                known = None
            rows.append(
                {
                    "name": f"{name} {AXES[index] if len(value) <= 3 else index}" if many else name,
                    "estimate": _estimate(at, component(parameter.get("std"), index)),
                    "unit": parameter.get("unit") or "",
                    "initial_guess": number(component(parameter.get("initial_guess"), index)),
                    "bounds": _bounds(parameter.get("bounds")),
                    "discretization_error": number(
                        component(parameter.get("discretization_error"), index), 2
                    ),
                    "known": _known(at, component(known, index)),
                }
            )
    return rows


def _field_row(name: str, parameter: Mapping[str, Any]) -> dict[str, str]:
    """What describes a parameter that is a field; its values lie in a file of their own."""
    value = parameter["value"]
    described = (
        UNDETERMINED
        if value is None
        else "; ".join(
            f"{key} {f'{len(part)} numbers' if isinstance(part, Mapping) else number(part)}"
            for key, part in value.items()
            if key not in ("file", "sha256")
        )
    )
    learned = len(parameter["labels"])
    return {
        "name": name,
        "estimate": described,
        "unit": parameter.get("unit") or "",
        "initial_guess": MISSING,
        "bounds": MISSING,
        "discretization_error": MISSING,
        "known": f"a field of {_count(learned, 'learned number')}"
        + (f", in {value['file']}" if value else ""),
    }


def numerics_summary(parameters: Mapping[str, Any]) -> str:
    """The discretization in one line."""
    used = parameters.get("numerics") or {}
    parts = [_scheme(used)] if used.get("scheme") else []
    parts += [str(used[key]) for key in ("time_stepping",) if used.get(key)]
    if used.get("substeps"):
        parts.append(_count(used["substeps"], "step") + " a frame")
    if used.get("precision"):
        parts.append(f"{used['precision']} precision")
    return ", ".join(parts)


def scheme_rows(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each discretization that was tried: its loss, and what it would have estimated."""
    return [
        {
            "scheme": _scheme(candidate),
            "loss": "diverged" if candidate["loss"] is None else number(candidate["loss"], 3),
            "parameters": ", ".join(
                f"{name} {number(value)}"
                for name, value in (candidate.get("parameters") or {}).items()
            ),
        }
        for candidate in (parameters.get("numerics") or {}).get("candidates") or []
    ]


def metric_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each predictor: errors over all, at the first and last step, of each field."""
    rows = []
    for name in (name for name in PREDICTORS if name in metrics):
        found = metrics[name]
        over_time = found["by_lead_time"]["vrmse"]
        errors = {
            "vrmse": found["vrmse"],
            "relative_l2": found["relative_l2"],
            "first": over_time[0],
            "last": over_time[-1],
        }
        rows.append(
            {
                "kind": name,
                "label": LABELS[name],
                **{key: _error(value, found["diverged"]) for key, value in errors.items()},
                "spread": spread_of_replicates(found),
                "by_field": {
                    key: _error(values["vrmse"], found["diverged"])
                    for key, values in found["by_field"].items()
                },
            }
        )
    return rows


def _scheme(numerics: Mapping[str, Any]) -> str:
    order = numerics.get("order")
    return str(numerics["scheme"]).replace("_", " ") + (f", order {order}" if order else "")


def _split(text: str, unit: str) -> tuple[str, str]:
    """The number that a card shows large, and what stands small beside it."""
    unit = "" if unit == "1" or text == UNDETERMINED else unit
    if " ± " in text and not text.startswith("("):
        value, _, deviation = text.partition(" ± ")
        return value, f"± {deviation} {unit}".strip()
    return text, unit


def _error(value: float | None, diverged: int) -> str:
    """A mean error; ∞ where it is missing because a simulation diverged."""
    return "∞" if value is None and diverged else number(value, 3)


def _estimate(value: float | None, std: float | None) -> str:
    return UNDETERMINED if value is None else estimate(value, std)


def _known(value: float | None, known: float | None) -> str:
    """The value that the data were generated with, and how far the estimate is from it."""
    if known is None:
        return ""
    if value is None or not known:
        return f"generated with {number(known)}"
    return f"generated with {number(known)}; {percent(abs(value / known - 1))} off"


def _bounds(bounds: Any) -> str:
    if bounds is None:
        return MISSING
    low, high = bounds
    return f"{'−∞' if low is None else number(low)} … {'∞' if high is None else number(high)}"


def _count(number_of: int, what: str) -> str:
    return f"{number_of} {what}{'' if number_of == 1 else 's'}"
