"""All evaluation figures of an experiment, with fixed file names."""

from pathlib import Path

from hybrid_pde.domain.stated_units import NO_UNITS
from hybrid_pde.evaluation.figures.animation import write_animation
from hybrid_pde.evaluation.figures.diagnostic_figure import plot_diagnostics
from hybrid_pde.evaluation.figures.error_curves import plot_error_curves
from hybrid_pde.evaluation.figures.field_images import plot_prediction
from hybrid_pde.evaluation.figures.style import save_figure
from hybrid_pde.evaluation.rollout_evaluation import Evaluation

PICTURES = {
    "error_curves": "error_curves.png",
    "diagnostics": "diagnostics.png",
    "prediction": "prediction.png",
    "animation": "animation.gif",
}


def write_figures(folder: str | Path, evaluation: Evaluation) -> dict[str, Path]:
    """Write error curves, diagnostics, and field images and animation of the first simulation.

    Without a model (persistence alone) there is no animation.

    Returns:
        Path of each figure, by its name in ``PICTURES``.
    """
    folder = Path(folder)
    paths = {name: folder / PICTURES[name] for name in ("error_curves", "diagnostics")}
    units = evaluation.samples[0].units if evaluation.samples else NO_UNITS
    curves = plot_error_curves(evaluation.metrics, units=units)
    save_figure(paths["error_curves"], curves)
    diagnostics = plot_diagnostics(evaluation.metrics, evaluation.spectra, units)
    save_figure(paths["diagnostics"], diagnostics)
    if not evaluation.samples:
        return paths
    sample = evaluation.samples[0]
    paths["prediction"] = folder / PICTURES["prediction"]
    save_figure(paths["prediction"], plot_prediction(sample))
    if sample.predictions:
        paths["animation"] = folder / PICTURES["animation"]
        write_animation(paths["animation"], sample)
    return paths
