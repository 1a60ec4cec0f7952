"""Whether what is to be estimated, and how, can be done: what no equation need be known for."""

from collections.abc import Iterator
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

GAUSSIAN_GUESSES = ("amplitude", "centre", "width")


def wrong_calibration(experiment: Experiment) -> Iterator[str]:
    """A line for every mistake in learnable parameters, method, numerics and observations.

    Args:
        experiment: The typed experiment, which calibrates a physical model.
    """
    section = experiment.model.physical
    assert section is not None
    training = experiment.trainer_params.physical
    if not training.learnable_parameters:
        yield (
            "trainer_params.learnable_parameters: No 'learnable_parameters' defined; "
            "list what is to be estimated, e.g. [{name: viscosity, initial_guess: 0.02}]"
        )
    names = [parameter.name for parameter in training.learnable_parameters]
    for position, parameter in enumerate(training.learnable_parameters):
        key = learnable_key(position)
        if parameter.name in names[:position]:
            yield f"{key}.name: {parameter.name!r}: given twice"
        yield from _wrong_bounds(key, parameter)
        if parameter.parametrization is None:
            yield from _wrong_number(key, parameter)
        else:
            yield from _wrong_field(key, parameter)
    yield from _wrong_method(training)
    yield from _wrong_numerics(section.numerics)
    yield from _wrong_observations(experiment)


def learnable_key(position: int) -> str:
    """Where a learnable parameter stands in the experiment."""
    return f"trainer_params.learnable_parameters[{position}]"


def _wrong_bounds(key: str, parameter: LearnableParameter) -> Iterator[str]:
    lower, upper = parameter.bounds or (None, None)
    if lower is not None and upper is not None and lower >= upper:
        yield f"{key}.bounds: {[lower, upper]}: the lower bound must be less than the upper one"
    guess = parameter.initial_guess
    for number in guess if isinstance(guess, list) else [guess]:
        if not isinstance(number, float):
            continue
        if (lower is not None and number < lower) or (upper is not None and number > upper):
            yield f"{key}.initial_guess: {number}: outside its bounds {[lower, upper]}"


def _wrong_number(key: str, parameter: LearnableParameter) -> Iterator[str]:
    lower, upper = parameter.bounds or (None, None)
    guess = parameter.initial_guess
    if guess is None and (lower is None or upper is None):
        yield f"{key}.initial_guess: missing; without it both bounds are needed, to start between"
    if isinstance(guess, dict):
        yield (
            f"{key}.initial_guess: {guess}: it is a number; a field needs a parametrization too, "
            "e.g. {type: gaussians}"
        )
    if parameter.scale == "log" and (lower is None or lower <= 0):
        yield (
            f"{key}.scale: log: needs a lower bound above zero, and bounds is "
            f"{'missing' if parameter.bounds is None else [lower, upper]}"
        )


def _wrong_field(key: str, parameter: LearnableParameter) -> Iterator[str]:
    section, guess = parameter.parametrization, parameter.initial_guess
    assert section is not None
    kind = section.type
    if parameter.scale == "log":
        yield f"{key}.scale: log: a field is learned on a linear scale; leave it out"
    if parameter.bounds is not None and not isinstance(section, GridValues):
        instead = "parametrization.clip" if isinstance(section, Gaussians) else "type: grid"
        yield f"{key}.bounds: {[*parameter.bounds]}: {kind} have none; {instead} limits a field"
    if isinstance(section, Gaussians):
        yield from _wrong_gaussians(key, section, guess)
    elif guess is None:
        yield f"{key}.initial_guess: missing; {kind} start from a number"
    elif isinstance(guess, dict) or (isinstance(guess, list) and section.type == "fourier"):
        yield f"{key}.initial_guess: {guess}: {kind} start from a number"


def _wrong_gaussians(
    key: str, section: Gaussians, guess: float | list[float] | dict | None
) -> Iterator[str]:
    lower, upper = section.clip or (None, None)
    if lower is not None and upper is not None and lower >= upper:
        yield f"{key}.parametrization.clip: {[lower, upper]}: the upper limit comes second"
    if guess is not None and not isinstance(guess, dict):
        yield (
            f"{key}.initial_guess: {guess}: gaussians start from a mapping of "
            f"{', '.join(GAUSSIAN_GUESSES)}; parametrization.background is a number"
        )
        return
    for name in guess or {}:
        if name not in GAUSSIAN_GUESSES:
            yield f"{key}.initial_guess.{name}: the key {suggest(name, GAUSSIAN_GUESSES)}"
    if guess and "width" in guess and section.width is not None:
        yield (
            f"{key}.initial_guess.width: {guess['width']}: parametrization.width fixes it at "
            f"{section.width:g}; leave one of them out"
        )


def _wrong_method(training: PhysicalTraining) -> Iterator[str]:
    """Single steps from one point are all that the stochastic methods make."""
    if training.method not in ("adam", "sgd"):
        return
    instead = "use gauss-newton or L-BFGS-B"
    if training.initial_state == "estimate":
        yield (
            f"trainer_params.initial_state: estimate: {training.method} learns parameters alone; "
            f"{instead}"
        )
    if training.starts > 1:
        yield (
            f"trainer_params.starts: {training.starts}: {training.method} starts once; {instead}"
        )


def _wrong_numerics(numerics: NumericsParams) -> Iterator[str]:
    allowed = SCHEME_ORDERS[numerics.scheme]
    if numerics.order is not None and numerics.order not in allowed:
        has = f"allowed: {', '.join(map(str, allowed))}" if allowed else "it has none"
        yield f"model.physical.numerics.order: {numerics.order}: {numerics.scheme}: {has}"
    if numerics.substeps is not None and numerics.refine > 1:
        yield (
            f"model.physical.numerics.substeps: {numerics.substeps}: with refine: "
            f"{numerics.refine} the finer grid says how many it needs; leave one of them out"
        )


def _wrong_observations(experiment: Experiment) -> Iterator[str]:
    section, key = experiment.data.observations, "data.observations"
    if section is None:
        return
    if section.times is not None and not section.times:
        yield f"{key}.times: []: nothing is seen; leave it out for all times"
    for axis, (lower, upper) in section.region.items():
        if lower is not None and upper is not None and lower >= upper:
            yield f"{key}.region.{axis}: {[lower, upper]}: the lower end comes first"
    if section.sensors is not None:
        path = Path(experiment.project_root) / section.sensors
        if not path.is_file():
            yield (
                f"{key}.sensors: {section.sensors!r}: no such file: {path}; the path is relative "
                f"to project_root, {experiment.project_root!r}"
            )
