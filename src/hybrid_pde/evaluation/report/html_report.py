"""The report of an experiment: a single self-contained HTML page."""

import base64
import hashlib
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
from hybrid_pde.domain.run_folders import RESIDUALS, cycle_folder
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.evaluation import number_format as numbers
from hybrid_pde.evaluation.history import History, read_columns
from hybrid_pde.evaluation.report.captions import caption
from hybrid_pde.evaluation.report.cost_section import cost_sentence
from hybrid_pde.evaluation.report.cycle_table import Cycle, cycle_rows, read_cycles
from hybrid_pde.evaluation.report.data_section import (
    data_facts,
    field_rows,
    time_step,
    units_of_data,
)
from hybrid_pde.evaluation.report.diagnostic_tables import (
    conserved_quantity_names,
    diagnostic_rows,
    long_steps,
)
from hybrid_pde.evaluation.report.drawings import draw_report, units_of
from hybrid_pde.evaluation.report.error_tables import metric_rows, table_notes
from hybrid_pde.evaluation.report.opening import opening
from hybrid_pde.evaluation.report.origin import origin_of, usage
from hybrid_pde.evaluation.report.parameter_tables import (
    correlation_rows,
    least_determined,
    numerics_summary,
    parameter_rows,
    rounding_residuals,
    scheme_rows,
    with_symbols,
)
from hybrid_pde.evaluation.report.result_files import read_if_present
from hybrid_pde.evaluation.report.rollout_section import (
    clock,
    picture_class,
    rollout_styles,
    strip,
)
from hybrid_pde.evaluation.report.simulation_tables import simulation_rows
from hybrid_pde.evaluation.report.stage_times import stage_rows
from hybrid_pde.evaluation.report.summary import headline_cards
from hybrid_pde.evaluation.report.training_table import training_rows
from hybrid_pde.evaluation.report.uncertainty_bars import uncertainty_rows
from hybrid_pde.evaluation.report.warnings_of_stages import gather_warnings

TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE = "report.html.j2"
SCRIPT = "slider.js.j2"
HISTORY_COLUMNS = {"synthetic": ("epoch", "train_loss"), "physical": ("iteration", "loss")}


@dataclass(frozen=True)
class ReportInputs:
    """Content of a report.

    Attributes:
        experiment: The experiment, as a mapping or an :class:`Experiment`.
        metrics: Content of ``metrics.json``.
        parameters: Content of ``parameters.yaml``.
        simulation_values: Rows of ``per_simulation.csv``.
        synthetic_history: Columns of ``synthetic/history.csv``.
        drawings: SVG text of each figure by its name.
        residual_sentences: What the structure of the residuals says of the equation.
        frames: Content of ``frames.json``.
        timing: Content of ``timing.json``.
        cycles: The hybrid cycles, if there are several.
        generated: Number of generated simulations, if known.
        stages: Rows of :func:`~hybrid_pde.evaluation.report.stage_times.stage_rows`.
        origin: Result of :func:`~hybrid_pde.evaluation.report.origin.origin_of`.
    """

    experiment: Mapping[str, Any] | Experiment
    metrics: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] | None = None
    simulation_values: Sequence[Row] = ()
    synthetic_history: History | None = None
    drawings: Mapping[str, str] = field(default_factory=dict)
    residual_sentences: Sequence[str] = ()
    frames: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    cycles: Sequence[Cycle] = ()
    generated: int | None = None
    stages: Sequence[Mapping[str, Any]] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)


def write_report(path: str | Path, inputs: ReportInputs) -> None:
    """Write ``report.html`` atomically; it needs no other file and no network."""
    page = render_report(inputs)
    with atomic_path(Path(path)) as sibling:
        sibling.write_text(page, encoding="utf-8")


def report_of_folder(
    path: str | Path, folder: str | Path, experiment: Mapping[str, Any] | Experiment
) -> None:
    """Write the report of an experiment from its folder of results.

    Draws all figures to ``evaluation``, as SVG and PDF, and ``training.png``, ``calibration.png``
    and ``per_simulation.png``. All of these files are optional: ``physical/parameters.yaml``,
    ``residuals.json`` and ``history.csv``, ``synthetic/history.csv``, ``evaluation/metrics.json``,
    ``timing.json`` and ``frames.json``; ``benchmarks``; and, for hybrid cycles,
    ``parameters.yaml`` and ``synthetic/history.csv`` in ``cycle_01``, ….

    Args:
        path: HTML file to write.
        folder: Results of the experiment.
        experiment: Settings of the experiment.
    """
    folder = Path(folder)
    parameters = read_if_present(folder / "physical" / "parameters.yaml")
    histories = {
        stage: read_columns(file, required)
        for stage, required in HISTORY_COLUMNS.items()
        if (file := folder / stage / "history.csv").exists()
    }
    metrics, timing, frames = (
        read_if_present(folder / "evaluation" / f"{name}.json")
        for name in ("metrics", "timing", "frames")
    )
    values: list[Row] = []
    if parameters and "per_simulation" in parameters:
        values = read_table(folder / "physical" / TABLE)
    _write_pictures(folder / "evaluation", histories, parameters, values)
    residuals = read_if_present(folder / "physical" / RESIDUALS)
    drawings = draw_report(
        folder / "evaluation",
        metrics=metrics,
        timing=timing,
        parameters=parameters,
        residuals=residuals,
        **histories,
        values=values,
        units=_units(frames),
    )
    inputs = ReportInputs(
        experiment=experiment,
        metrics=metrics,
        parameters=parameters,
        simulation_values=values,
        synthetic_history=histories.get("synthetic"),
        drawings=drawings,
        residual_sentences=(residuals or {}).get("sentences", ()),
        frames=frames or {},
        timing=timing or {},
        cycles=read_cycles(folder),
        generated=_count_generated(folder, parse_experiment(experiment)),
        stages=stage_rows(folder, _data_folders(parse_experiment(experiment))),
        origin=origin_of(folder),
    )
    write_report(path, inputs)


def render_report(inputs: ReportInputs) -> str:
    """Render the page as text, see :func:`write_report`."""
    experiment = parse_experiment(inputs.experiment)
    metrics, parameters = inputs.metrics or {}, inputs.parameters or {}
    rollouts, data = inputs.frames.get("simulations", []), inputs.frames.get("data", {})
    time_unit, time_factor = units_of_data(data).shown_time
    return template(TEMPLATE).render(
        name=experiment.name,
        script=_script(),
        opening=opening(experiment, parameters, metrics, inputs.generated),
        warnings=gather_warnings(parameters, metrics, inputs.timing),
        cards=headline_cards(experiment, metrics, parameters),
        data_facts=data_facts(data),
        field_rows=field_rows(data),
        parameters=parameters,
        parameter_rows=with_symbols(
            experiment, parameter_rows(experiment, parameters), units_of_data(data)
        ),
        uncertainty_rows=uncertainty_rows(parameters),
        simulation_rows=simulation_rows(inputs.simulation_values),
        correlation_rows=correlation_rows(parameters),
        least_determined=least_determined(parameters),
        numerics=numerics_summary(parameters),
        scheme_rows=scheme_rows(parameters),
        rounding_residuals=rounding_residuals(parameters),
        residual_sentences=inputs.residual_sentences,
        metrics=metrics,
        time_unit=time_unit,
        time_step=time_step(data, metrics["evaluated_on"]) if metrics else "",
        metric_rows=metric_rows(metrics),
        diagnostic_rows=diagnostic_rows(metrics, time_factor),
        conserved=conserved_quantity_names(metrics),
        long_steps=long_steps(metrics),
        timing=inputs.timing,
        cost=cost_sentence(inputs.timing),
        table_notes=table_notes(metrics, inputs.timing),
        cycle_rows=cycle_rows(experiment, inputs.cycles),
        training=training_rows(inputs.synthetic_history, inputs.metrics or {}),
        drawings=inputs.drawings,
        rollouts=rollouts,
        rollout_styles=rollout_styles(rollouts),
        stages=inputs.stages,
        settings=_settings(experiment),
        origin=inputs.origin,
        usage=usage(experiment.name, "synthetic" in metrics, bool(parameters)),
    )


def template(name: str) -> jinja2.Template:
    """A template of the folder ``templates``; what is put into it is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": numbers.number,
        "duration": numbers.duration,
        "caption": caption,
        "strip": strip,
        "clock": clock,
    }
    environment.globals["picture_class"] = picture_class
    return environment.get_template(name)


def _script() -> dict[str, str]:
    """The page's only script, and its digest for the page's security policy."""
    text = (TEMPLATES / SCRIPT).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return {"text": text, "digest": f"sha256-{digest}"}


def _write_pictures(
    folder: Path,
    histories: Mapping[str, History],
    parameters: Mapping[str, Any] | None,
    values: Sequence[Row],
) -> None:
    """Write ``training.png``, ``calibration.png`` and ``per_simulation.png``."""
    # these import Matplotlib
    from hybrid_pde.evaluation.figures.simulation_values import plot_values
    from hybrid_pde.evaluation.figures.style import save_figure
    from hybrid_pde.evaluation.figures.training_figures import write_training_figures

    write_training_figures(folder, **histories, parameters=parameters)
    if values and parameters:
        save_figure(folder / "per_simulation.png", plot_values(values, units_of(parameters)))


def _data_folders(experiment: Experiment) -> list[Path]:
    """Folders of the data set's raw and cached simulations."""
    return [experiment.raw_dir, experiment.cache_root / experiment.data.dset_name]


def _units(frames: Mapping[str, Any] | None) -> StatedUnits:
    """Units of length and time, as ``frames.json`` has them."""
    return units_of_data((frames or {}).get("data", {}))


def _count_generated(folder: Path, experiment: Experiment) -> int | None:
    """Number of generated simulations of the last cycle, ``None`` without any."""
    cycles, wanted = num_cycles(experiment), experiment.augmentation.num_simulations
    home = cycle_folder(folder, cycles) if cycles > 1 else folder
    made = SimulationStore(home / "augmented").indices()
    return sum(index < wanted for index in made) if made else None


def _settings(experiment: Experiment) -> str:
    return yaml.safe_dump(to_mapping(experiment), sort_keys=False, allow_unicode=True, width=100)
