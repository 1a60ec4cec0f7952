"""The report of an experiment: one HTML page that needs no other file and no network."""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import yaml

from src.config import Experiment, parse_experiment, to_mapping
from src.data.atomic import atomic_path
from src.evaluation import numbers
from src.evaluation.findings import headline_cards, metric_rows, notices, parameter_rows, subtitle
from src.evaluation.history import History

TEMPLATE = "report.html.j2"
MEDIA_TYPES = {".png": "image/png", ".gif": "image/gif", ".svg": "image/svg+xml"}
CAPTIONS = {
    "error_curves": "Error over lead time. VRMSE 1 is what predicting the mean of the field gives.",
    "prediction": "Truth, prediction and the magnitude of the error at four lead times. Truth and "
    "predictions share one colour scale; each error has its own.",
    "animation": "The first of these simulations in motion.",
    "training": "Training loss (left scale) and, where measured, validation error (right scale).",
    "calibration": "Parameters over the iterations; shaded: the estimate ± 2 standard deviations.",
}


@dataclass(frozen=True)
class ReportInputs:
    """Everything that a report shows.

    Attributes:
        experiment: The experiment, a plain mapping or an :class:`Experiment`.
        metrics: Content of ``metrics.json``.
        parameters: Content of ``parameters.yaml``.
        synthetic_history: Columns of ``synthetic/history.csv``.
        physical_history: Columns of ``physical/history.csv``.
        pictures: Files by name: ``error_curves``, ``prediction``, ``animation``, ``training``,
            ``calibration``.
        seconds_per_step: For each predictor the time of a step [s].
        provenance: What :func:`~src.evaluation.provenance.collect_provenance` gave.
    """

    experiment: Mapping[str, Any] | Experiment
    metrics: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] | None = None
    synthetic_history: History | None = None
    physical_history: History | None = None
    pictures: Mapping[str, str | Path] = field(default_factory=dict)
    seconds_per_step: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_report(path: str | Path, inputs: ReportInputs) -> None:
    """Write ``report.html`` atomically: pictures as data URIs, styles inline, no scripts.

    Raises:
        FileNotFoundError: if a picture is not there.
        ValueError: if a picture is no PNG, GIF or SVG.
    """
    page = render_report(inputs)
    with atomic_path(Path(path)) as sibling:
        sibling.write_text(page, encoding="utf-8")


def render_report(inputs: ReportInputs) -> str:
    """The page as text; see :func:`write_report`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": numbers.number, "duration": numbers.duration}
    experiment = parse_experiment(inputs.experiment)
    metrics, parameters = inputs.metrics or {}, inputs.parameters or {}
    return environment.get_template(TEMPLATE).render(
        name=experiment.name,
        subtitle=subtitle(experiment),
        notices=notices(metrics, parameters),
        cards=headline_cards(experiment, metrics, parameters),
        parameters=parameters,
        parameter_rows=parameter_rows(experiment, parameters),
        metrics=metrics,
        metric_rows=metric_rows(metrics),
        seconds_per_step=inputs.seconds_per_step,
        training=training_summary(inputs.synthetic_history),
        pictures={key: data_uri(path) for key, path in inputs.pictures.items()},
        captions=CAPTIONS,
        settings=_settings(experiment),
        provenance=inputs.provenance,
    )


def data_uri(path: str | Path) -> str:
    """A picture as the address of an ``<img>`` that holds it."""
    path = Path(path)
    if path.suffix not in MEDIA_TYPES:
        raise ValueError(f"{path}: a picture of a report is one of {', '.join(MEDIA_TYPES)}")
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{encoded}"


def training_summary(history: History | None) -> list[tuple[str, str]]:
    """What a table says about the training of the surrogate: label and value."""
    if not history or not history["epoch"]:
        return []
    rows = [
        ("Epochs", numbers.number(len(history["epoch"]))),
        ("Training loss, first and last", " → ".join(
            numbers.number(history["train_loss"][at], 3) for at in (0, -1))),
    ]  # fmt: skip
    validation = [
        (value, epoch)
        for value, epoch in zip(history.get("val_vrmse", []), history["epoch"], strict=False)
        if math.isfinite(value)
    ]
    if validation:
        value, epoch = min(validation)
        rows.append(("Best validation VRMSE", f"{numbers.number(value, 3)} in epoch {epoch:.0f}"))
    seconds = [value for value in history.get("seconds", []) if math.isfinite(value)]
    if seconds:
        rows.append(("Time", numbers.duration(sum(seconds))))
    return rows


def _settings(experiment: Experiment) -> str:
    return yaml.safe_dump(to_mapping(experiment), sort_keys=False, allow_unicode=True, width=100)
