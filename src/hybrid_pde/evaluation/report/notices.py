"""Warnings at the top of a report: what a reader must know before trusting the numbers."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.evaluation.measures.metrics import LABELS, PREDICTORS
from hybrid_pde.evaluation.number_format import number, plural


def notices(metrics: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """What a reader must know before believing a number."""
    found = []
    for name, parameter in parameters.get("parameters", {}).items():
        if not parameter.get("determined", True):
            found.append(
                f"The data do not determine {name}; it has no estimate, and nothing is generated "
                f"with it until it is fixed."
            )
    for direction in parameters.get("undetermined_directions") or []:
        combination = " ".join(
            f"{'−' if weight < 0 else '+'} {number(abs(weight), 3)} {name}"
            for name, weight in direction.items()
        )
        found.append(f"Changes along {combination} leave the prediction as it is.")
    status = parameters.get("status", "converged")
    if status == "max_iterations":
        found.append("The calibration stopped at the largest number of iterations, unconverged.")
    elif status != "converged":
        found.append(f"The calibration {status}; the parameters are the best found before that.")
    split = metrics.get("evaluated_on", {}).get("split", "test")
    if split == "validation":
        found.append(
            "There are no test simulations: the errors are those of the validation simulations, "
            "which training may have been steered by."
        )
    elif split == "train":
        found.append(
            "There are no held-out simulations: the errors are those of the training simulations "
            "and say nothing about unseen ones."
        )
    found += _missing_value_notices(metrics)
    for name in (name for name in PREDICTORS if name in metrics):
        found += _metric_notices(LABELS[name], metrics[name])
    return found + long_rollout_notices(metrics)


def _metric_notices(label: str, metrics: Mapping[str, Any]) -> list[str]:
    found = []
    if metrics["diverged"]:
        places = ", ".join(
            f"simulation {simulation} at step {step}"
            for simulation, step in metrics["diverged_at"].items()
        )
        found.append(f"{label}: diverged ({places}); its mean errors are infinite from there on.")
    if skipped := metrics["skipped"]["vrmse"]:
        found.append(
            f"{label}: VRMSE leaves out {plural(skipped, 'frame')} in which the truth is uniform"
            f"{' or missing' if metrics.get('missing') else ''}."
        )
    return found


def _missing_value_notices(metrics: Mapping[str, Any]) -> list[str]:
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


def long_rollout_notices(metrics: Mapping[str, Any]) -> list[str]:
    """What happens beyond the data that a reader must know."""
    notices = []
    for name in PREDICTORS:
        found = metrics.get(name, {}).get("long_rollout")
        if found and not found["finite"]:
            notices.append(
                f"{LABELS[name]}: long rollouts leave the finite numbers after {found['lasted']} "
                f"of {found['steps']} steps."
            )
    limited = {
        found["steps"]
        for name in PREDICTORS
        if (found := metrics.get(name, {}).get("long_rollout")) and found["limited"]
    }
    for steps in limited:
        notices.append(
            f"Known parameters that change in time end with the data, and long rollouts with them, "
            f"after {steps} steps."
        )
    return notices
