"""Warnings at the top of the report."""

from collections.abc import Mapping
from typing import Any

from hybrid_pde.evaluation.measures.metrics import LABELS, PREDICTORS
from hybrid_pde.evaluation.number_format import number, plural


def notices(metrics: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """Sentences on what a reader must know before trusting the numbers."""
    found = []
    for name, parameter in parameters.get("parameters", {}).items():
        if not parameter.get("determined", True):
            found.append(
                f"The data do not determine {name}. It has no estimate, and no simulations can "
                "be generated until it is given a fixed value."
            )
    for direction in parameters.get("undetermined_directions") or []:
        combination = " ".join(
            f"{'−' if weight < 0 else '+'} {number(abs(weight), 3)} {name}"
            for name, weight in direction.items()
        )
        found.append(f"Changes along {combination} do not affect the prediction.")
    status = parameters.get("status", "converged")
    if status == "max_iterations":
        found.append("The calibration did not converge within the maximum number of iterations.")
    elif status != "converged":
        found.append(f"The calibration {status}; the parameters are the best found until then.")
    split = metrics.get("evaluated_on", {}).get("split", "test")
    if split == "validation":
        found.append(
            "There are no test simulations: errors are on the validation simulations, which "
            "may have influenced the training."
        )
    elif split == "train":
        found.append(
            "There are no held-out simulations: errors are on the training simulations and say "
            "nothing about unseen data."
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
        found.append(f"{label}: diverged ({places}); its mean errors are infinite from then on.")
    if skipped := metrics["skipped"]["vrmse"]:
        found.append(
            f"{label}: VRMSE excludes {plural(skipped, 'frame')} in which the truth is uniform"
            f"{' or missing' if metrics.get('missing') else ''}."
        )
    return found


def _missing_value_notices(metrics: Mapping[str, Any]) -> list[str]:
    """Sentences on missing values of the held-out simulations."""
    described, found = metrics.get("evaluated_on", {}), []
    compared = [metrics[name] for name in PREDICTORS if name in metrics]
    if missing := max((each.get("missing", 0) for each in compared), default=0):
        found.append(
            f"The held-out simulations have {missing} missing values, which are excluded from the "
            "errors."
        )
    if starts := described.get("starts"):
        places = ", ".join(f"simulation {index} at frame {at}" for index, at in starts.items())
        found.append(f"Rollouts start at frames with the fewest missing values: {places}.")
    if filled := described.get("filled"):
        places = ", ".join(f"{number} in simulation {index}" for index, number in filled.items())
        found.append(
            f"Missing values in initial states are filled with the nearest neighbours ({places}), "
            "which affects the errors of these rollouts."
        )
    return found


def long_rollout_notices(metrics: Mapping[str, Any]) -> list[str]:
    """Sentences on divergence and limits of the long rollouts."""
    notices = []
    for name in PREDICTORS:
        found = metrics.get(name, {}).get("long_rollout")
        if found and not found["finite"]:
            notices.append(
                f"{LABELS[name]}: long rollouts diverge after {found['lasted']} "
                f"of {found['steps']} steps."
            )
    limited = {
        found["steps"]
        for name in PREDICTORS
        if (found := metrics.get(name, {}).get("long_rollout")) and found["limited"]
    }
    for steps in limited:
        notices.append(
            f"Long rollouts are limited to {steps} steps, since known parameters that change in "
            "time are given only up to the end of the data."
        )
    return notices
