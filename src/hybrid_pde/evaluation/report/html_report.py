"""The report of an experiment: a single self-contained HTML page."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import yaml

from hybrid_pde.config import Experiment, parse_experiment, to_mapping
from hybrid_pde.config.derived import num_cycles
from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.simulation_table import FILE as TABLE
from hybrid_pde.data.simulation_table import Row, read_table
from hybrid_pde.domain.run_folders import cycle_folder
from hybrid_pde.evaluation import number_format as numbers
from hybrid_pde.evaluation.history import History, read_columns
from hybrid_pde.evaluation.provenance import collect_provenance
from hybrid_pde.evaluation.report.captions import captions
from hybrid_pde.evaluation.report.cycle_table import Cycle, cycle_rows, read_cycles
from hybrid_pde.evaluation.report.diagnostic_tables import (
    conserved_quantity_names,
    diagnostic_rows,
    long_steps,
)
from hybrid_pde.evaluation.report.error_tables import metric_rows, table_notes
from hybrid_pde.evaluation.report.parameter_tables import (
    correlation_rows,
    least_determined,
    numerics_summary,
    parameter_rows,
    scheme_rows,
    with_symbols,
)
from hybrid_pde.evaluation.report.result_files import read_if_present, read_picture
from hybrid_pde.evaluation.report.simulation_tables import simulation_rows
from hybrid_pde.evaluation.report.summary import headline_cards, subtitle
from hybrid_pde.evaluation.report.uncertainty_bars import uncertainty_rows
from hybrid_pde.evaluation.report.warnings_of_stages import gather_warnings

TEMPLATE = "report.html.j2"
MEDIA_TYPES = {".png": "image/png", ".gif": "image/gif", ".svg": "image/svg+xml"}
PICTURES = (
    "error_curves",
    "diagnostics",
    "prediction",
    "animation",
    "training",
    "calibration",
    "per_simulation",
    "profiles",
)


@dataclass(frozen=True)
class ReportInputs:
    """Content of a report.

    Attributes:
        experiment: The experiment, as a mapping or an :class:`Experiment`.
        metrics: Content of ``metrics.json``.
        parameters: Content of ``parameters.yaml``.
        simulation_values: Rows of ``per_simulation.csv``.
        synthetic_history: Columns of ``synthetic/history.csv``.
        pictures: Image files by their name in :data:`PICTURES`.
        timing: Content of ``timing.json``.
        cycles: The hybrid cycles, if there are several.
        generated: Number of generated simulations, if known.
        provenance: Result of :func:`~hybrid_pde.evaluation.provenance.collect_provenance`.
    """

    experiment: Mapping[str, Any] | Experiment
    metrics: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] | None = None
    simulation_values: Sequence[Row] = ()
    synthetic_history: History | None = None
    pictures: Mapping[str, str | Path] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    cycles: Sequence[Cycle] = ()
    generated: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_report(path: str | Path, inputs: ReportInputs) -> None:
    """Write ``report.html`` atomically, with images as data URIs, inline styles and no scripts.

    Raises:
        FileNotFoundError: if an image does not exist.
        ValueError: if an image is not a PNG, GIF or SVG.
    """
    page = render_report(inputs)
    with atomic_path(Path(path)) as sibling:
        sibling.write_text(page, encoding="utf-8")


def report_of_folder(
    path: str | Path, folder: str | Path, experiment: Mapping[str, Any] | Experiment
) -> None:
    """Write the report of an experiment from its folder of results.

    Draws the training histories to ``evaluation/training.png`` and ``calibration.png``. All of
    these files are optional: ``physical/parameters.yaml``, ``physical/history.csv``,
    ``synthetic/history.csv``, ``evaluation/metrics.json``, ``timing.json`` and images; and, for
    hybrid cycles, ``parameters.yaml`` and ``synthetic/history.csv`` in ``cycle_01``, ….

    Args:
        path: HTML file to write.
        folder: Results of the experiment.
        experiment: Settings of the experiment.
    """
    # these import Matplotlib
    from hybrid_pde.evaluation.figures.profile_curves import plot_profiles
    from hybrid_pde.evaluation.figures.simulation_values import plot_values
    from hybrid_pde.evaluation.figures.style import save_figure
    from hybrid_pde.evaluation.figures.training_figures import write_training_figures

    folder = Path(folder)
    parameters = read_if_present(folder / "physical" / "parameters.yaml")
    histories = {
        stage: read_columns(file)
        for stage in ("synthetic", "physical")
        if (file := folder / stage / "history.csv").exists()
    }
    pictures = write_training_figures(folder / "evaluation", **histories, parameters=parameters)
    values: list[Row] = []
    if parameters and "per_simulation" in parameters:
        values = read_table(folder / "physical" / TABLE)
        pictures["per_simulation"] = folder / "evaluation" / "per_simulation.png"
        save_figure(pictures["per_simulation"], plot_values(values, _units(parameters)))
    if parameters and parameters.get("profiles"):
        pictures["profiles"] = folder / "evaluation" / "profiles.png"
        save_figure(pictures["profiles"], plot_profiles(parameters))
    for name in PICTURES:
        for suffix in MEDIA_TYPES:
            if (picture := folder / "evaluation" / f"{name}{suffix}").exists():
                pictures.setdefault(name, picture)
    inputs = ReportInputs(
        experiment=experiment,
        metrics=read_if_present(folder / "evaluation" / "metrics.json"),
        parameters=parameters,
        simulation_values=values,
        synthetic_history=histories.get("synthetic"),
        pictures=pictures,
        timing=read_if_present(folder / "evaluation" / "timing.json") or {},
        cycles=read_cycles(folder),
        generated=_count_generated(folder, parse_experiment(experiment)),
        provenance=collect_provenance(),
    )
    write_report(path, inputs)


def render_report(inputs: ReportInputs) -> str:
    """Render the page as text, see :func:`write_report`."""
    experiment = parse_experiment(inputs.experiment)
    metrics, parameters = inputs.metrics or {}, inputs.parameters or {}
    return template(TEMPLATE).render(
        name=experiment.name,
        subtitle=subtitle(experiment, inputs.generated),
        warnings=gather_warnings(parameters, metrics, inputs.timing),
        cards=headline_cards(experiment, metrics, parameters),
        parameters=parameters,
        parameter_rows=with_symbols(experiment, parameter_rows(experiment, parameters)),
        uncertainty_rows=uncertainty_rows(parameters),
        simulation_rows=simulation_rows(inputs.simulation_values),
        correlation_rows=correlation_rows(parameters),
        least_determined=least_determined(parameters),
        numerics=numerics_summary(parameters),
        scheme_rows=scheme_rows(parameters),
        metrics=metrics,
        metric_rows=metric_rows(metrics),
        diagnostic_rows=diagnostic_rows(metrics),
        conserved=conserved_quantity_names(metrics),
        long_steps=long_steps(metrics),
        timing=inputs.timing,
        table_notes=table_notes(metrics, inputs.timing),
        cycle_rows=cycle_rows(experiment, inputs.cycles),
        training=training_summary(inputs.synthetic_history),
        pictures={key: data_uri(path) for key, path in inputs.pictures.items()},
        captions=captions(metrics, parameters, inputs.synthetic_history),
        settings=_settings(experiment),
        provenance=inputs.provenance,
    )


def template(name: str) -> jinja2.Template:
    """A template of this folder; what is put into it is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": numbers.number, "duration": numbers.duration}
    return environment.get_template(name)


def data_uri(path: str | Path) -> str:
    """An image as a data URI for an ``<img>``."""
    path = Path(path)
    if path.suffix not in MEDIA_TYPES:
        raise ValueError(f"{path}: an image in a report must be one of {', '.join(MEDIA_TYPES)}")
    encoded = base64.b64encode(read_picture(path)).decode("ascii")
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{encoded}"


def training_summary(history: History | None) -> list[tuple[str, str]]:
    """Label and value of each entry in the table on the surrogate's training."""
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


def _count_generated(folder: Path, experiment: Experiment) -> int | None:
    """Number of generated simulations of the last cycle, ``None`` without any."""
    cycles, wanted = num_cycles(experiment), experiment.augmentation.num_simulations
    home = cycle_folder(folder, cycles) if cycles > 1 else folder
    made = SimulationStore(home / "augmented").indices()
    return sum(index < wanted for index in made) if made else None


def _units(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Unit of each parameter."""
    return {name: each.get("unit") or "" for name, each in parameters["parameters"].items()}


def _settings(experiment: Experiment) -> str:
    return yaml.safe_dump(to_mapping(experiment), sort_keys=False, allow_unicode=True, width=100)
