"""All drawings of a report as SVG for its page, with SVG and PDF files in ``evaluation``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_pde.data.simulation_table import Row
from hybrid_pde.domain.stated_units import NO_UNITS, StatedUnits
from hybrid_pde.evaluation.history import History

PANEL = (5.2, 3.6)  # of a figure [inch], legible at the width of a phone


def draw_report(
    folder: Path,
    *,
    metrics: Mapping[str, Any] | None = None,
    timing: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    residuals: Mapping[str, Any] | None = None,
    synthetic: History | None = None,
    physical: History | None = None,
    values: Sequence[Row] = (),
    units: StatedUnits = NO_UNITS,
) -> dict[str, str]:
    """Draw what the results have, and write each figure as ``<name>.svg`` and ``<name>.pdf``.

    Args:
        folder: Folder of the files, ``evaluation`` of the experiment.
        metrics: Content of ``metrics.json``.
        timing: Content of ``timing.json``.
        parameters: Content of ``parameters.yaml``.
        residuals: Content of ``residuals.json``.
        synthetic: Columns of ``synthetic/history.csv``.
        physical: Columns of ``physical/history.csv``.
        values: Rows of ``per_simulation.csv``.
        units: The system of the data.

    Returns:
        SVG text by the figure's name.
    """
    # these import Matplotlib
    from hybrid_pde.evaluation.figures.cost_figure import plot_cost
    from hybrid_pde.evaluation.figures.diagnostic_figure import diagnostic_panels
    from hybrid_pde.evaluation.figures.error_curves import plot_error_curves
    from hybrid_pde.evaluation.figures.profile_curves import profile_panels
    from hybrid_pde.evaluation.figures.residual_figures import residual_panels
    from hybrid_pde.evaluation.figures.simulation_values import value_panels
    from hybrid_pde.evaluation.figures.training_figures import calibration_panels, plot_training
    from hybrid_pde.evaluation.figures.vector_files import save_vector

    shared = {
        name: each
        for name, each in (parameters or {}).get("parameters", {}).items()
        if not each.get("per_simulation")  # many calibrations; they have figures of their own
    }
    figures: dict[str, Any] = {}
    if physical and shared:
        figures |= calibration_panels(physical, shared)
    if residuals:
        figures |= residual_panels(residuals, units)
    if parameters and parameters.get("profiles"):
        figures |= profile_panels(parameters)
    if values and parameters:
        figures |= value_panels(values, units_of(parameters))
    if synthetic:
        figures["training"] = plot_training(synthetic, PANEL)
    if metrics and "range_by_lead_time" in metrics.get("persistence", {}):
        figures["error_curves"] = plot_error_curves(metrics, units=units, size=PANEL)
        spectra = {
            name: {line: np.array(each, dtype=float) for line, each in lines.items()}
            for name, lines in metrics.get("spectra", {}).items()
        }
        figures |= diagnostic_panels(metrics, spectra, units)
    if cost := plot_cost((timing or {}).get("cost") or ()):
        figures["cost"] = cost
    return {name: save_vector(folder, name, figure) for name, figure in figures.items()}


def units_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Unit of each parameter, from the content of ``parameters.yaml``."""
    return {name: each.get("unit") or "" for name, each in parameters["parameters"].items()}
