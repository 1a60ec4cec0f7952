"""Checks of parameters that each simulation has a value of its own of."""

from collections.abc import Iterator, Sequence

from hybrid_pde.config.checks.calibration import learnable_key
from hybrid_pde.config.derived import (
    calibrated_simulations,
    context_of,
    held_out_simulations,
    is_calibrated_by_simulation,
    is_held_out,
    num_cycles,
    own_parameters,
    shared_parameters,
    stages_trained,
)
from hybrid_pde.config.schema import Experiment

_CONTEXT = "trainer_params.context_frames"


def per_simulation_errors(experiment: Experiment) -> Iterator[str]:
    """Errors that can be found without the data.

    Args:
        experiment: The typed experiment, which calibrates a physical model.
    """
    training = experiment.trainer_params.physical
    shared, method = shared_parameters(experiment), training.method
    if not own_parameters(experiment):
        if training.context_frames is not None:
            yield (
                f"{_CONTEXT}: {training.context_frames}: it has no effect, since no parameter has "
                "per_simulation: true; leave it out, or set that in "
                "trainer_params.learnable_parameters"
            )
        return
    for position, parameter in enumerate(training.learnable_parameters):
        if parameter.parametrization is None:
            continue
        beside = "" if parameter.per_simulation else " beside parameters that are"
        yield (
            f"{learnable_key(position)}.parametrization: {parameter.parametrization.type}: a field "
            f"cannot be learned{beside} per simulation; leave out one of the two"
        )
    if shared and method != "gauss-newton":
        yield (
            f"trainer_params.method: {method}: {', '.join(shared)} is shared by the simulations, "
            "which needs method: gauss-newton; use it, or set per_simulation: true for every "
            "parameter"
        )
    if shared and training.initial_state == "estimate":
        yield (
            "trainer_params.initial_state: estimate: not possible with parameters of each "
            f"simulation beside shared ones ({', '.join(shared)}); use known, or set "
            "per_simulation: true for every parameter"
        )
    if num_cycles(experiment) > 1:
        yield (
            f"hybrid.cycles: {num_cycles(experiment)}: not available with per_simulation: true, "
            "since a surrogate guides a common calibration only; use 1"
        )


def context_errors(experiment: Experiment, frames: Sequence[int | None]) -> Iterator[str]:
    """Errors for held-out simulations that are too short to be calibrated and evaluated.

    Args:
        experiment: The typed experiment.
        frames: Number of frames of each simulation; ``None`` if it cannot be read.
    """
    if not is_calibrated_by_simulation(experiment):
        return
    validated = {
        index: getattr(experiment.trainer_params, stage).num_predict_steps or 1
        for stage in stages_trained(experiment)
        if stage == "synthetic"
        for index in getattr(experiment.trainer_params, stage).val_sim
    }
    steps = experiment.evaluation_params.num_steps or 1
    needed = {**validated, **dict.fromkeys(held_out_simulations(experiment)[0], steps)}
    for index in calibrated_simulations(experiment):
        held = frames[index] if index < len(frames) else None
        if held is None or not is_held_out(experiment, index):
            continue
        context = context_of(experiment, held)
        wanted = max(needed.get(index, 1), validated.get(index, 1))
        if held - context < wanted:
            yield (
                f"{_CONTEXT}: {context}: simulation {index} is held out and has {held} frames; "
                f"after those on which it is calibrated, rollouts need {wanted} more; lower it, or "
                "evaluation_params.num_steps or trainer_params.num_predict_steps"
            )
            return
