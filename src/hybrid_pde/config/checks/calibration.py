"""Checks of the calibration that do not depend on the equation."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hybrid_pde.config.error_messages import suggest
from hybrid_pde.config.schema import (
    SCHEME_ORDERS,
    Experiment,
    Gaussians,
    GridValues,
    LearnableParameter,
    NumericsParams,
    PhysicalTraining,
)

# columns of a Jacobian: more need gigabytes and minutes
MAX_UNKNOWNS = 4096
# values that estimated initial states need in memory (1 GB), for one window and for all
_MAX_VALUES = 2**27
GAUSSIAN_GUESSES = ("amplitude", "centre", "width")


def calibration_errors(experiment: Experiment) -> Iterator[str]:
    """Errors in learnable parameters, method, numerics and observations.

    Args:
        experiment: The typed experiment, which calibrates a physical model.
    """
    section = experiment.model.physical
    assert section is not None
    training = experiment.trainer_params.physical
    if not training.learnable_parameters:
        yield (
            "trainer_params.learnable_parameters: No 'learnable_parameters' defined; "
            "list the parameters to estimate, e.g. [{name: viscosity, initial_guess: 0.02}]"
        )
    names = [parameter.name for parameter in training.learnable_parameters]
    for position, parameter in enumerate(training.learnable_parameters):
        key = learnable_key(position)
        if parameter.name in names[:position]:
            yield f"{key}.name: {parameter.name!r}: given twice"
        yield from _bounds_errors(key, parameter)
        if parameter.parametrization is None:
            yield from _initial_guess_errors(key, parameter)
        else:
            yield from _field_errors(key, parameter)
    yield from _method_errors(training)
    yield from _profile_errors(training)
    yield from _numerics_errors(section.numerics)
    yield from _observation_errors(experiment)


def _profile_errors(training: PhysicalTraining) -> Iterator[str]:
    """Errors where profile likelihoods are asked for what they are not defined for."""
    if training.uncertainty != "profile":
        return
    key = "trainer_params.uncertainty: profile"
    if training.method not in ("gauss-newton", "L-BFGS-B"):
        yield (
            f"{key}: method: {training.method} does not minimize the loss; use gauss-newton or "
            "L-BFGS-B, or uncertainty: laplace"
        )
    for parameter in training.learnable_parameters:
        if parameter.parametrization is not None or parameter.per_simulation:
            is_what = (
                "has a value for each simulation" if parameter.per_simulation else "is a field"
            )
            yield (
                f"{key}: {parameter.name} {is_what}; profiles are of numbers that all simulations "
                "share; use uncertainty: laplace"
            )


def unknowns_errors(
    experiment: Experiment, points: int, channels: int, frames: Sequence[int | None]
) -> Iterator[str]:
    """Error if the initial states that gauss-newton estimates are too large.

    Args:
        experiment: The typed experiment, which calibrates a physical model.
        points: Number of points of the grid.
        channels: Number of channels of a state.
        frames: Number of frames of each simulation; ``None`` if it cannot be read.
    """
    training = experiment.trainer_params.physical
    if training.method != "gauss-newton" or training.initial_state != "estimate":
        return
    steps = training.num_predict_steps
    held = [frames[index] or 0 for index in training.train_sim if index < len(frames)]
    windows = sum(len(range(0, count - steps, steps)) for count in held)
    learned = len(training.learnable_parameters)
    problem = elimination_problem(windows, steps, channels * points, learned)
    if problem is not None:
        yield problem


def elimination_problem(windows: int, steps: int, size: int, learned: int) -> str | None:
    """Error if the initial states are too large to be estimated; ``None`` if they are not.

    Args:
        windows: Number of windows.
        steps: Number of frames of a window after the first.
        size: Number of values of a state.
        learned: Number of learnable parameters.
    """
    key = "trainer_params.physical.initial_state: estimate"
    columns = learned + 1
    if (found := (2 * columns + 1) * steps * size) > _MAX_VALUES:
        return (
            f"{key}: {steps} frames of {size} values each, with {learned} parameters, need "
            f"{found * 8 / 1e9:.1f} GB in memory; allowed are {_MAX_VALUES * 8 / 1e9:.1f} GB. "
            "Lower trainer_params.physical.num_predict_steps, or coarsen with data.select"
        )
    if (found := 3 * columns * windows * size) > _MAX_VALUES:
        return (
            f"{key}: the initial states of {windows} windows with {size} values each, with "
            f"{learned} parameters, need {found * 8 / 1e9:.1f} GB in memory; allowed are "
            f"{_MAX_VALUES * 8 / 1e9:.1f} GB. Raise trainer_params.physical.num_predict_steps, or "
            "train on fewer simulations"
        )
    return None


def learnable_key(position: int) -> str:
    """Key of a learnable parameter in the experiment."""
    return f"trainer_params.learnable_parameters[{position}]"


def _bounds_errors(key: str, parameter: LearnableParameter) -> Iterator[str]:
    lower, upper = parameter.bounds or (None, None)
    if lower is not None and upper is not None and lower >= upper:
        yield f"{key}.bounds: {[lower, upper]}: the lower bound must be less than the upper bound"
    guess = parameter.initial_guess
    for number in guess if isinstance(guess, list) else [guess]:
        if not isinstance(number, float):
            continue
        if (lower is not None and number < lower) or (upper is not None and number > upper):
            yield f"{key}.initial_guess: {number}: outside the bounds {[lower, upper]}"


def _initial_guess_errors(key: str, parameter: LearnableParameter) -> Iterator[str]:
    lower, upper = parameter.bounds or (None, None)
    guess = parameter.initial_guess
    if guess is None and (lower is None or upper is None):
        yield f"{key}.initial_guess: missing; give it, or both bounds to start between them"
    if isinstance(guess, dict):
        yield (
            f"{key}.initial_guess: {guess}: must be a number; to learn a field, add a "
            "parametrization, e.g. {type: gaussians}"
        )
    if parameter.scale == "log" and (lower is None or lower <= 0):
        yield (
            f"{key}.scale: log: needs a lower bound above zero; bounds: "
            f"{'missing' if parameter.bounds is None else [lower, upper]}"
        )


def _field_errors(key: str, parameter: LearnableParameter) -> Iterator[str]:
    section, guess = parameter.parametrization, parameter.initial_guess
    assert section is not None
    kind = section.type
    if parameter.scale == "log":
        yield f"{key}.scale: log: fields are learned on a linear scale; leave it out"
    if parameter.bounds is not None and not isinstance(section, GridValues):
        instead = "parametrization.clip" if isinstance(section, Gaussians) else "type: grid"
        yield (
            f"{key}.bounds: {[*parameter.bounds]}: {kind} have no bounds; use {instead} to limit "
            "the field"
        )
    if isinstance(section, Gaussians):
        yield from _gaussian_errors(key, section, guess)
    elif guess is None:
        yield f"{key}.initial_guess: missing; {kind} need a number to start from"
    elif isinstance(guess, dict) or (isinstance(guess, list) and section.type == "fourier"):
        yield f"{key}.initial_guess: {guess}: must be a number for {kind}"


def _gaussian_errors(
    key: str, section: Gaussians, guess: float | list[float] | dict | None
) -> Iterator[str]:
    lower, upper = section.clip or (None, None)
    if lower is not None and upper is not None and lower >= upper:
        yield (
            f"{key}.parametrization.clip: {[lower, upper]}: the lower limit must be less than the "
            "upper limit"
        )
    if guess is not None and not isinstance(guess, dict):
        yield (
            f"{key}.initial_guess: {guess}: gaussians need a mapping with "
            f"{', '.join(GAUSSIAN_GUESSES)}; the background is parametrization.background"
        )
        return
    for name in guess or {}:
        if name not in GAUSSIAN_GUESSES:
            yield f"{key}.initial_guess.{name}: the key {suggest(name, GAUSSIAN_GUESSES)}"
    if guess and "width" in guess and section.width is not None:
        yield (
            f"{key}.initial_guess.width: {guess['width']}: parametrization.width fixes it at "
            f"{section.width:g}; give only one of them"
        )


def _method_errors(training: PhysicalTraining) -> Iterator[str]:
    """Errors for options that the stochastic methods do not support."""
    if training.method not in ("adam", "sgd"):
        return
    instead = "use gauss-newton or L-BFGS-B"
    if training.initial_state == "estimate":
        yield (
            f"trainer_params.initial_state: estimate: {training.method} estimates parameters only; "
            f"{instead}"
        )
    if training.starts > 1:
        yield (
            f"trainer_params.starts: {training.starts}: {training.method} supports a single start; "
            f"{instead}"
        )


def _numerics_errors(numerics: NumericsParams) -> Iterator[str]:
    allowed = SCHEME_ORDERS[numerics.scheme]
    if numerics.order is not None and numerics.order not in allowed:
        has = (
            f"allowed: {', '.join(map(str, allowed))}"
            if allowed
            else "the scheme has no orders; leave it out"
        )
        yield f"model.physical.numerics.order: {numerics.order}: {numerics.scheme}: {has}"
    if numerics.substeps is not None and numerics.refine > 1:
        yield (
            f"model.physical.numerics.substeps: {numerics.substeps}: not allowed with refine: "
            f"{numerics.refine}, where the finer grid sets the substeps; give only one of them"
        )


def _observation_errors(experiment: Experiment) -> Iterator[str]:
    section, key = experiment.data.observations, "data.observations"
    if section is None:
        return
    if section.times is not None and not section.times:
        yield f"{key}.times: []: no frame is observed; leave it out to observe all times"
    for axis, (lower, upper) in section.region.items():
        if lower is not None and upper is not None and lower >= upper:
            yield (
                f"{key}.region.{axis}: {[lower, upper]}: the lower end must be less than the upper "
                "end"
            )
    if section.sensors is not None:
        path = Path(experiment.project_root) / section.sensors
        if not path.is_file():
            yield (
                f"{key}.sensors: {section.sensors!r}: file not found: {path}; the path is relative "
                f"to project_root, {experiment.project_root!r}"
            )
