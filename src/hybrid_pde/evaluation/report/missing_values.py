"""What the report says about missing values of held-out simulations."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.evaluation.measures.metrics import PREDICTORS


def gap_notices(metrics: Mapping[str, Any]) -> list[str]:
    """What missing values of the held-out simulations do to the errors."""
    described, found = metrics.get("evaluated_on", {}), []
    compared = [metrics[name] for name in PREDICTORS if name in metrics]
    if missing := max((each.get("missing", 0) for each in compared), default=0):
        found.append(
            f"Values of the held-out simulations are missing ({missing}): no error counts them."
        )
    if starts := described.get("starts"):
        places = ", ".join(f"simulation {index} at frame {at}" for index, at in starts.items())
        found.append(f"Rollouts start where the fewest values are missing: {places}.")
    if filled := described.get("filled"):
        places = ", ".join(f"{number} in simulation {index}" for index, number in filled.items())
        found.append(
            "Values missing in the state that a rollout starts from are replaced by the nearest one"
            f" ({places}): all its errors contain what that does."
        )
    return found
