"""Captions of the drawings in the report; the keys are their names without a number."""

CAPTIONS = {
    "convergence": "Parameter at every evaluated point; shaded: estimate ± 2 standard deviations "
    "of independent errors.",
    "convergence_loss": "Mean square residual in units of the data's variance.",
    "residual_rms": "Where the calibrated equation misses the data: root mean square residual over "
    "time and windows.",
    "residual_mean": "Mean residual at each position. Noise averages out; structure remains.",
    "residual_time": "Growth of the residuals with lead time: constant for noise of the "
    "observations, growing where the equation or its solution is off.",
    "residual_correlation": "Autocorrelation of the residuals: noise drops to 0 at once; structure "
    "reaches further.",
    "profile": "Profile likelihood: increase of the smallest misfit as one parameter is held away "
    "from its estimate and the others are fitted. Values below the horizontal line are in the 90 % "
    "interval; dashed: a parabola with the curvature near the estimate.",
    "per_simulation": "Estimate of each simulation, with its 90 % interval where it is larger than "
    "the mark; against the value that its file states, where it states one.",
    "training": "Training loss (left axis), and validation error (right axis) where it was "
    "measured.",
    "error_curves": "Error against lead time. A VRMSE of 1 is the error of predicting the mean of "
    "the field.",
    "correlation": "Spatial correlation with the truth, and the threshold of the correlation time.",
    "spectrum": "Energy spectrum at the last lead time; vertical lines: bounds of the bands.",
    "drift": "Drift of quantities that the truth conserves.",
    "growth": "Largest value in long rollouts; vertical line: end of the data.",
    "cost": "Error against time per step. Points of the solver: its scheme on the grid of the data "
    "and on coarser ones.",
}


def caption(name: str) -> str:
    """Caption of a drawing, also of the numbered ones of a kind."""
    return CAPTIONS.get(name) or CAPTIONS.get(name.rstrip("0123456789").rstrip("_"), "")
