"""Error and run time of the solver on coarser grids, to compare a surrogate's cost with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from hybrid_pde.evaluation.measures.metrics import rollout_errors, summarize
from hybrid_pde.evaluation.measures.step_timing import seconds_per_step
from hybrid_pde.evaluation.physical_predictor import PhysicalPredictor
from hybrid_pde.evaluation.predictors import Predictor
from hybrid_pde.evaluation.rollout_batches import HeldOut, roll_out, stack_states

COARSENINGS = (2, 4, 8)
FEWEST_POINTS = 8  # along an axis; below, no scheme resolves anything


def cost_of_accuracy(
    starts: Sequence[HeldOut],
    predictors: Mapping[str, Predictor],
    seconds: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Mean VRMSE and seconds per step of each model, and of the solver on coarser grids.

    The solver keeps its scheme. The initial state is interpolated to the coarser grid and every
    frame back to the grid of the data, where the error is measured; time steps grow with the cells
    as far as they are stable.

    Args:
        starts: Simulations of one batch, the same for all models.
        predictors: ``synthetic`` and ``physical``; without both there is nothing to compare.
        seconds: Time per step of each of them that does not diverge, in a rollout of one.

    Returns:
        For each ``model`` and ``shape`` of its grid: ``vrmse``, ``None`` after a divergence, and
        ``seconds`` per step and simulation in a rollout of one.
    """
    physical = predictors.get("physical")
    if "synthetic" not in predictors or not isinstance(physical, PhysicalPredictor):
        return []
    shape = physical.grid.shape
    points = [
        {
            "model": name,
            "shape": list(shape),
            **_measured(starts, predictors[name], seconds.get(name)),
        }
        for name in ("synthetic", "physical")
    ]
    used = physical.model.discretization
    try:
        for factor in COARSENINGS:
            coarse = [points // factor for points in shape]
            if min(coarse) < FEWEST_POINTS:
                break
            physical.model.discretization = replace(used, coarsen=factor)
            points.append({"model": "physical", "shape": coarse, **_measured(starts, physical)})
    finally:
        physical.model.discretization = used
    return points


def _measured(
    starts: Sequence[HeldOut], predictor: Predictor, seconds: float | None = None
) -> dict[str, float | None]:
    """Error and time per step, which is measured if it is not given; none after a divergence."""
    start = starts[0].start
    found = roll_out(predictor, stack_states([each.start.initial for each in starts]), start.steps)
    errors = []
    for position, each in enumerate(starts):
        rollout = {
            key: values[position].detach().numpy()
            for key, values in found.items()
            if key in each.start.truth
        }
        targets = {key: each.start.truth[key][1:] for key in rollout}
        errors.append(rollout_errors(rollout, targets, each.index))
    if not all(bool(torch.isfinite(values).all()) for values in found.values()):
        seconds = None
    elif seconds is None:
        seconds = seconds_per_step(predictor, start.initial, start.steps)
    return {"vrmse": summarize(errors)["vrmse"], "seconds": seconds}
