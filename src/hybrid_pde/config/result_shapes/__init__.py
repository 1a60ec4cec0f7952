"""Shapes of the result files of a run, as their readers need them: keys and kinds of values.

Keys that are not listed may be there. A number may be ``null``, where a simulation diverged or the
data do not determine it.
"""

from hybrid_pde.config.result_shapes.calibration import (
    EstimateManifest,
    Parameters,
    Residuals,
    SimulationEstimate,
)
from hybrid_pde.config.result_shapes.frames import Frames
from hybrid_pde.config.result_shapes.metrics import Metrics, Timing
from hybrid_pde.config.result_shapes.shape import Shape

SHAPES: dict[str, type[Shape]] = {
    "parameters.yaml": Parameters,
    "metrics.json": Metrics,
    "timing.json": Timing,
    "frames.json": Frames,
    "residuals.json": Residuals,
}

__all__ = ["SHAPES", "EstimateManifest", "Shape", "SimulationEstimate"]
