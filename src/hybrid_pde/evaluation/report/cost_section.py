"""Sentence on the surrogate's cost beside that of a solver with an equal error."""

from collections.abc import Mapping, Sequence
from typing import Any

from hybrid_pde.evaluation.number_format import duration, mean_error, number


def cost_sentence(timing: Mapping[str, Any]) -> str:
    """Cost of a solver that is at least as accurate as the surrogate; empty without both.

    Args:
        timing: Content of ``timing.json``.
    """
    points = timing.get("cost") or []
    surrogate = next((each for each in points if each["model"] == "synthetic"), None)
    if surrogate is None or surrogate["seconds"] is None:
        return ""
    own = f"The surrogate takes {duration(surrogate['seconds'])} a step"
    solver = at_equal_error(points)
    if solver is None:
        return f"{own}; no solver that was tried is as accurate."
    ratio = solver["seconds"] / surrogate["seconds"]
    relation = "as fast as the surrogate"
    if "1" not in (slower := number(ratio, 2), faster := number(1 / ratio, 2)):
        relation = f"{slower} × slower" if ratio > 1 else f"{faster} × faster"
    grid = " × ".join(map(str, solver["shape"]))
    return (
        f"{own} at a VRMSE of {mean_error(surrogate['vrmse'], 0)}. The cheapest solver that is at "
        f"least as accurate, on {grid} points (VRMSE {mean_error(solver['vrmse'], 0)}), takes "
        f"{duration(solver['seconds'])}: {relation}."
    )


def at_equal_error(points: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The fastest solver with at most the surrogate's error; ``None`` if there is none.

    Args:
        points: Result of ``cost_of_accuracy``, from ``timing.json``.
    """
    surrogate = next((each for each in points if each["model"] == "synthetic"), None)
    if surrogate is None or surrogate["vrmse"] is None:
        return None
    as_good = [
        each
        for each in points
        if each["model"] == "physical"
        and each["vrmse"] is not None
        and each["seconds"] is not None
        and each["vrmse"] <= surrogate["vrmse"]
    ]
    return min(as_good, key=lambda each: each["seconds"], default=None)
