"""Warnings about an evaluation: divergence, missing values, poor surrogates."""

from collections.abc import Mapping, Sequence
from typing import Any

from hybrid_pde.evaluation.measures.metrics import LABELS, PREDICTORS
from hybrid_pde.evaluation.number_format import mean_error, number, percent, plural
from hybrid_pde.evaluation.report.cost_section import at_equal_error

# Relative error of the energy in a band of wavenumbers: half of the energy is missing, or half as
# much is added.
MAX_BAND_ERROR = 0.5
# Error of the energy in a band, relative to all energy, that is as little as 1 % of the amplitude.
NEGLIGIBLE_ENERGY = 1e-4
# Growth in long rollouts, relative to that of the calibrated solver.
MAX_GROWTH = 2.0
TIMING_ERROR = 0.05  # relative; times of single runs are not reproduced better


def evaluation_warnings(metrics: Mapping[str, Any]) -> list[str]:
    """Sentences on what a reader must know before trusting the errors.

    Args:
        metrics: Content of ``metrics.json``.
    """
    found = []
    split = metrics.get("evaluated_on", {}).get("split", "test")
    if split == "validation":
        found.append(
            "There are no test simulations: errors are on the validation simulations, which "
            "may have influenced the training. List some in trainer_params.test_sim."
        )
    elif split == "train":
        found.append(
            "There are no held-out simulations: errors are on the training simulations and say "
            "nothing about unseen data. List some in trainer_params.test_sim."
        )
    found += _missing_value_warnings(metrics)
    for name in (name for name in PREDICTORS if name in metrics):
        found += _divergence_warnings(LABELS[name], metrics[name])
        if name != "persistence":
            found += _quality_warnings(LABELS[name], metrics, name)
    return found + long_rollout_warnings(metrics)


def timing_warnings(
    timing: Mapping[str, Any], metrics: Mapping[str, Any] | None = None
) -> list[str]:
    """A sentence if the surrogate is slower than the solver, on its grid or at an equal error.

    It is kept apart from those on errors, which are the same in every run.

    Args:
        timing: Content of ``timing.json``.
        metrics: Content of ``metrics.json``, for the errors of the two.
    """
    slower = [
        f"{number(1 / ratio, 2)} × slower {what}"
        for key, what in (("one", "for one simulation"), ("batch", "in a batch"))
        if (ratio := timing.get("speedup", {}).get(key, 1.0)) < 1 - TIMING_ERROR
    ]
    if not slower:
        return _slower_at_equal_error(timing.get("cost") or [])
    return [
        f"The synthetic model saves no time: it is {' and '.join(slower)} than the physical model"
        f"{_comparison(metrics or {})}. Use the physical model, or a smaller architecture."
    ]


def _slower_at_equal_error(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence if a solver on a coarser grid is as accurate as the surrogate, and faster."""
    solver = at_equal_error(points)
    surrogate = next((each for each in points if each["model"] == "synthetic"), None)
    if solver is None or surrogate is None or surrogate["seconds"] is None:
        return []
    ratio = solver["seconds"] / surrogate["seconds"]
    if ratio >= 1 - TIMING_ERROR:
        return []
    grid = " × ".join(map(str, solver["shape"]))
    return [
        f"The synthetic model saves no time: it is {number(1 / ratio, 2)} × slower than the "
        f"physical model on {grid} points, which is as accurate (VRMSE "
        f"{mean_error(surrogate['vrmse'], 0)}, physical model {mean_error(solver['vrmse'], 0)}). "
        "Use the physical model on that grid, or a smaller architecture."
    ]


def _comparison(metrics: Mapping[str, Any]) -> str:
    """Errors of a slow surrogate and of the solver, where the surrogate's is no smaller."""
    own, solver = (metrics.get(name, {}).get("vrmse") for name in ("synthetic", "physical"))
    if own is None or solver is None or own < solver:
        return ""
    return f", and no more accurate (VRMSE {number(own, 3)}, physical model {number(solver, 3)})"


def gain_over_persistence(metrics: Mapping[str, Any], name: str) -> float | None:
    """Persistence's VRMSE divided by a model's, over the fields that the model predicts."""
    fields = metrics[name]["by_field"]
    reference = [metrics["persistence"]["by_field"][key]["vrmse"] for key in fields]
    own = [values["vrmse"] for values in fields.values()]
    if None in own or None in reference or not sum(own):
        return None
    return float(sum(reference) / sum(own))


def _divergence_warnings(label: str, metrics: Mapping[str, Any]) -> list[str]:
    found = []
    if metrics["diverged"]:
        places = ", ".join(
            f"simulation {simulation} at step {step}"
            for simulation, step in metrics["diverged_at"].items()
        )
        found.append(f"{label}: diverged ({places}); its mean errors are infinite from then on.")
    if skipped := metrics["skipped"]["vrmse"]:
        found.append(
            f"{label}: VRMSE excludes {plural(skipped, 'frame')} in which the truth is uniform, or "
            f"passes through a uniform state{', or is missing' if metrics.get('missing') else ''}."
        )
    return found


def _quality_warnings(label: str, metrics: Mapping[str, Any], name: str) -> list[str]:
    """Sentences on a model without skill, or with wrong energies at some scales."""
    found = []
    gain = gain_over_persistence(metrics, name)
    if gain is not None and gain < 1:
        advice = (
            "train it longer or on more data"
            if name == "synthetic"
            else "check the equation and its parameters"
        )
        found.append(
            f"{label}: worse than persistence: its VRMSE is {number(1 / gain, 3)} times that of "
            f"the unchanged first frame; {advice}."
        )
    shares = metrics[name].get("energy_share", {})
    bands = {
        band: error
        for band, error in metrics[name].get("spectral_error", {}).items()
        if error is not None
        and error > MAX_BAND_ERROR
        and error * (shares.get(band) or 1.0) > NEGLIGIBLE_ENERGY
    }
    if bands:
        wrong = "; ".join(
            f"{band} wavenumbers {percent(error)} off on average{_with_energy(shares.get(band))}"
            for band, error in bands.items()
        )
        found.append(
            f"{label}: wrong energy at some scales ({wrong}); structures of these sizes are not to "
            "be trusted."
        )
    return found


def _with_energy(share: float | None) -> str:
    return "" if share is None else f", with {percent(share)} of the energy"


def _missing_value_warnings(metrics: Mapping[str, Any]) -> list[str]:
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
        places = ", ".join(f"{count} in simulation {index}" for index, count in filled.items())
        found.append(
            f"Missing values in initial states are filled with the nearest neighbours ({places}), "
            "which affects the errors of these rollouts."
        )
    return found


def long_rollout_warnings(metrics: Mapping[str, Any]) -> list[str]:
    """Sentences on divergence, growth and limits of the long rollouts."""
    found = []
    rollouts = {
        name: rollout
        for name in PREDICTORS
        if (rollout := metrics.get(name, {}).get("long_rollout"))
    }
    for name, rollout in rollouts.items():
        if not rollout["finite"]:
            found.append(
                f"{LABELS[name]}: long rollouts diverge after {rollout['lasted']} "
                f"of {rollout['steps']} steps."
            )
    found += _growth_warnings(rollouts)
    for steps in {rollout["steps"] for rollout in rollouts.values() if rollout["limited"]}:
        found.append(
            f"Long rollouts are limited to {steps} steps, since known parameters that change in "
            "time are given only up to the end of the data."
        )
    return found


def _growth_warnings(rollouts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence if the surrogate grows far beyond the solver, whose long rollouts are stable."""
    own, solver = (rollouts.get(name, {}).get("growth") for name in ("synthetic", "physical"))
    if own is None or solver is None or own <= MAX_GROWTH * max(solver, 1.0):
        return []
    steps = rollouts["synthetic"]["steps"]
    return [
        f"{LABELS['synthetic']}: in long rollouts of {steps} steps it grows to {number(own, 2)} "
        f"times the largest initial value, the physical model to {number(solver, 2)} times: it is "
        "unstable beyond the data. Use it for fewer steps, or train it on longer rollouts "
        "(trainer_params.synthetic.num_predict_steps)."
    ]
