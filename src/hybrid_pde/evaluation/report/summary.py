"""Summary at the top of the report: one sentence, and a card for each key number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hybrid_pde.config import Experiment
from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.evaluation.evaluation_warnings import gain_over_persistence
from hybrid_pde.evaluation.measures.metrics import LABELS, PREDICTORS
from hybrid_pde.evaluation.number_format import mean_error, number, plural
from hybrid_pde.evaluation.report.parameter_tables import UNDETERMINED, parameter_rows

MAX_PARAMETER_CARDS = 4


@dataclass(frozen=True)
class Card:
    """A key number with its title, unit, and one line of context."""

    kind: str
    title: str
    value: str
    unit: str
    note: str


def subtitle(experiment: Experiment, generated: int | None = None) -> str:
    """One sentence on the models and their training data.

    Args:
        experiment: Settings of the experiment.
        generated: Number of generated simulations, if known.
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
            f"{plural(count, 'simulation')} of {data}"
        )
    if synthetic and kind != "physical":
        count = len(training.synthetic.train_sim or training.train_sim)
        wanted = experiment.augmentation.num_simulations
        made = wanted if generated is None else generated
        parts.append(
            f"{synthetic.name} trained on {plural(count, 'simulation')}"
            + ("" if parts else f" of {data}")
        )
        if kind == "hybrid" and experiment.augmentation.enabled and wanted:
            parts[-1] += f" and {made} generated simulations"
            parts[-1] += (
                f" ({wanted - made} more diverged and were left out)" if made < wanted else ""
            )
    return "; ".join(parts) + "."


def headline_cards(
    experiment: Experiment, metrics: Mapping[str, Any], parameters: Mapping[str, Any]
) -> list[Card]:
    """Cards of the key numbers: parameters first, then one per predictor."""
    cards = [
        Card("parameter", row["name"], *_split(row["estimate"], row["unit"]), row["true_value"])
        for row in parameter_rows(experiment, parameters)[:MAX_PARAMETER_CARDS]
    ]
    for name in (name for name in PREDICTORS if name in metrics):
        value = metrics[name]["vrmse"]
        gain = gain_over_persistence(metrics, name)
        note = f"{_compared(gain)} than persistence" if gain else ""
        if name == "persistence":
            note = "first frame repeated"
        elif metrics[name]["diverged"]:
            note = f"diverged in {plural(metrics[name]['diverged'], 'simulation')}"
        shown = mean_error(value, metrics[name]["diverged"])
        cards.append(Card(name, LABELS[name], shown, "VRMSE", note))
    return cards


def _compared(gain: float) -> str:
    better, worse = number(gain, 3), number(1 / gain, 3)
    if "1" in (better, worse):
        return "no better"
    return f"{better} × better" if gain > 1 else f"{worse} × worse"


def _split(text: str, unit: str) -> tuple[str, str]:
    """The large and the small text of a card."""
    unit = "" if unit == "1" or text == UNDETERMINED else unit
    if " ± " in text and not text.startswith("("):
        value, _, deviation = text.partition(" ± ")
        return value, f"± {deviation} {unit}".strip()
    return text, unit
