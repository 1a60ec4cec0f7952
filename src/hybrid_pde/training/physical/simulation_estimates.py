"""Result of a calibration by simulation, from the estimates of the single simulations."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hybrid_pde.config.derived import own_parameters, trained_simulations
from hybrid_pde.config.schema import Experiment
from hybrid_pde.errors import CalibrationError
from hybrid_pde.result_warnings import warn_of_result
from hybrid_pde.training.physical.minimum import CONVERGED
from hybrid_pde.training.physical.per_simulation import FAILED, UNDETERMINED, Estimate

_NUMBER = re.compile(r"[-+−]?\d[\d.,]*(?:e[-+]?\d+)?")
# Simulations that a warning names; of more it gives the number.
_NAMED = 5
_LISTED = ("value", "std", "uncertainty", "interval_90", "discretization_error")


def combined_result(
    experiment: Experiment,
    estimates: Sequence[Estimate],
    shared: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The result of all simulations, as :meth:`PhysicalTrainer.train` returns one.

    Numbers of the parameters are lists over the training simulations. The key ``table`` has the
    rows of ``per_simulation.csv``. Warns of simulations without an estimate, and once of each kind
    of warning about single simulations.

    Args:
        experiment: Section ``trainer_params``.
        estimates: What :meth:`SimulationCalibrator.calibrate` returned, of all simulations.
        shared: What :meth:`JointCalibration.run` returned for the parameters that all share.

    Raises:
        CalibrationError: if no training simulation has an estimate.
    """
    by_index = {each["simulation"]: each for each in estimates}
    order = trained_simulations(experiment)
    training = [by_index[index] for index in order]
    names = own_parameters(experiment)
    done = [each for each in training if each["status"] != FAILED]
    if not done:
        raise CalibrationError(
            f"trainer_params.train_sim: {order}: no simulation can be calibrated; "
            f"simulation {order[0]} ({training[0]['file']}): {training[0]['error']}"
        )
    _warn(estimates)
    for name, parameter in (shared or {}).get("parameters", {}).items():
        if not parameter["determined"]:
            warn_of_result(
                f"{name}: all simulations together do not determine it, and the values of single "
                "simulations hold for the value that it started from; give its value in "
                "model.physical.pde_params and take it out of trainer_params.learnable_parameters"
            )
    losses = [each["loss"] for each in done if each["loss"] is not None]
    listed = {name: _listed(name, training, done[0]) for name in names}
    common: Mapping[str, Any] = (shared or {}).get("parameters", {})
    learnable = experiment.trainer_params.physical.learnable_parameters
    statuses = [*([shared["status"]] if shared else ()), *(each["status"] for each in training)]
    history = [
        {"simulation": each["simulation"], **row} for each in done for row in each["history"]
    ]
    return {
        "parameters": {p.name: {**common, **listed}[p.name] for p in learnable},
        "undetermined_directions": [],
        "status": next((each for each in statuses if each != CONVERGED), CONVERGED),
        "loss": sum(losses) / len(losses) if losses else None,
        "iterations": sum(each["iterations"] for each in done),
        # the simulation that selected the scheme has the comparison
        "numerics": max((e["numerics"] for e in done), key=lambda used: len(used["candidates"])),
        "fields": {},
        "history": shared["history"] if shared else history,
        "table": [row for each in estimates for row in table_rows(each, names)],
    }


def table_rows(estimate: Estimate, names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of ``per_simulation.csv``, one a number."""
    rows = []
    for name in names:
        found = estimate["parameters"].get(name, {})
        stated = estimate.get("known", {}).get(name)
        value = found.get("value")
        length = next((len(v) for v in (value, stated) if isinstance(v, list)), None)
        for position in range(length or 1):
            rows.append(
                {
                    "simulation": estimate["simulation"],
                    "file": estimate["file"],
                    "parameter": name if length is None else f"{name}[{position}]",
                    **{key: _at(found.get(key), position) for key in ("value", "std")},
                    "uncertainty": _at(found.get("uncertainty"), position),
                    "loss": estimate.get("loss"),
                    "status": estimate["status"],
                    "known": _at(stated, position),
                }
            )
    return rows


def _listed(name: str, training: Sequence[Estimate], first: Estimate) -> dict[str, Any]:
    """A parameter as in ``parameters.yaml``, with lists over the training simulations."""
    every = [each["parameters"].get(name, {}) for each in training]
    pattern = first["parameters"][name]
    parts = [each.get("uncertainty_parts") or {} for each in every]
    return {
        **{key: [each.get(key) for each in every] for key in ("value", "std")},
        "initial_guess": pattern["initial_guess"],
        "bounds": pattern["bounds"],
        "unit": pattern["unit"],
        "determined": all(each.get("value") is not None for each in every),
        "discretization_error": [each.get("discretization_error") for each in every],
        "uncertainty": [each.get("uncertainty") for each in every],
        "interval_90": [each.get("interval_90") for each in every],
        "uncertainty_parts": {
            part: [each.get(part) for each in parts]
            for part in ("noise", "scheme", "discretization", "precision", "initial_state")
        },
        "per_simulation": True,
        "simulations": [each["simulation"] for each in training],
    }


def _at(value: Any, position: int) -> Any:
    return value[position] if isinstance(value, list) else value


def _warn(estimates: Sequence[Estimate]) -> None:
    for status, what in (
        (FAILED, "cannot be calibrated, so it has no value and is left out"),
        (UNDETERMINED, "does not determine every parameter, so it has no value and is left out"),
    ):
        found = [each for each in estimates if each["status"] == status]
        for each in found[:_NAMED]:
            reason = f": {each['error']}" if each.get("error") else ""
            warn_of_result(f"simulation {each['simulation']} ({each['file']}) {what}{reason}")
        if len(found) > _NAMED:
            numbers = ", ".join(str(each["simulation"]) for each in found[_NAMED:])
            warn_of_result(f"{len(found) - _NAMED} more simulations like it: {numbers}")
    kinds: dict[str, list[tuple[Estimate, str]]] = {}
    for each in estimates:
        for text in each.get("warnings", ()):
            kinds.setdefault(_NUMBER.sub("#", text), []).append((each, text))
    for entries in kinds.values():
        first, text = entries[0]
        others = [str(each["simulation"]) for each, _ in entries[1:]]
        more = ""
        if others:
            shown = ", ".join(others[:_NAMED]) + (", …" if len(others) > _NAMED else "")
            more = f" (the same kind for {len(others)} more: {shown})"
        warn_of_result(f"simulation {first['simulation']} ({first['file']}): {text}{more}")
