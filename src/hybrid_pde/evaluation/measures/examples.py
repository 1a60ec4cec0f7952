"""Choice of the simulations that a report shows: the median and the worst by error."""

import math
from collections.abc import Mapping
from typing import Any

MEASURE = "vrmse"


def example_simulations(metrics: Mapping[str, Any]) -> dict[str, int]:
    """Numbers of the ``median`` and the ``worst`` simulation; the same one if there is only one.

    They are ordered by the surrogate's VRMSE, by the physical model's without a surrogate. A
    simulation that diverged counts as infinite, one whose truth is uniform is left out; of an even
    number the lower median is taken. Empty without a model.

    Args:
        metrics: Content of ``metrics.json``.
    """
    name = next((each for each in ("synthetic", "physical") if each in metrics), None)
    if name is None:
        return {}
    found = metrics[name]
    errors = {
        int(number): math.inf if number in found["diverged_at"] else error
        for number, error in found["by_simulation"][MEASURE].items()
    }
    counted = {number: error for number, error in errors.items() if error is not None}
    ordered = sorted(counted, key=lambda number: (counted[number], number)) or sorted(errors)
    return {"median": ordered[(len(ordered) - 1) // 2], "worst": ordered[-1]}
