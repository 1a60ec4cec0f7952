"""Cards at the top of the report, one for each key number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hybrid_pde.config import Experiment
from hybrid_pde.evaluation.evaluation_warnings import gain_over_persistence
from hybrid_pde.evaluation.measures.metrics import LABELS, PREDICTORS
from hybrid_pde.evaluation.number_format import compared, mean_error, plural
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


def headline_cards(
    experiment: Experiment, metrics: Mapping[str, Any], parameters: Mapping[str, Any]
) -> list[Card]:
    """Cards of the key numbers: parameters first, then one per predictor."""
    cards = [
        Card("parameter", row["name"], *_split(row["estimate"], row["unit"]), _note(row))
        for row in parameter_rows(experiment, parameters)[:MAX_PARAMETER_CARDS]
    ]
    for name in (name for name in PREDICTORS if name in metrics):
        value = metrics[name]["vrmse"]
        gain = gain_over_persistence(metrics, name)
        note = f"{compared(gain)} than persistence" if gain else ""
        if name == "persistence":
            note = "first frame repeated"
        elif metrics[name]["diverged"]:
            note = f"diverged in {plural(metrics[name]['diverged'], 'simulation')}"
        shown = mean_error(value, metrics[name]["diverged"])
        cards.append(Card(name, LABELS[name], shown, "VRMSE", note))
    return cards


def _note(row: Mapping[str, str]) -> str:
    """The estimate in the files' unit of time, and the true value, where there are such."""
    in_files = f"= {row['in_files']}" if row.get("in_files") else ""
    return "; ".join(filter(None, (in_files, row["true_value"])))


def _split(text: str, unit: str) -> tuple[str, str]:
    """The large and the small text of a card."""
    unit = "" if unit == "1" or text == UNDETERMINED else unit
    if " (median of " in text:
        return text.partition(" (")[0], f"{unit}, median".lstrip(", ")
    if text.startswith("a value for each"):
        return "several values", unit
    if " ± " in text and not text.startswith("("):
        value, _, deviation = text.partition(" ± ")
        return value, f"± {deviation} {unit}".strip()
    return text, unit
