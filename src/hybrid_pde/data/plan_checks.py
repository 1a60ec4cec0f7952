"""Checks of an experiment against the content of its files, before anything is computed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hybrid_pde.config.checks.equation import fields_by_role
from hybrid_pde.config.derived import equation_of, is_augmented, stages_trained
from hybrid_pde.config.error_messages import raise_errors
from hybrid_pde.config.schema import Experiment, GivenStates
from hybrid_pde.data.cache.raw_index import RawIndex
from hybrid_pde.data.equation_units import equation_unit_errors
from hybrid_pde.data.raw_files.subprocess_reader import open_in_subprocess
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import UserError

# Values read in search of a complete frame. A data set in which it comes later is not judged: the
# stages do that.
MAX_VALUES = 50_000_000


def check_files(experiment: Experiment, source: str, index: RawIndex | None) -> None:
    """Check units, initial states, sensors, and that missing values leave complete frames.

    Args:
        experiment: The typed experiment.
        source: File of the experiment, for error messages.
        index: The raw files; ``None`` if they have yet to be simulated.

    Raises:
        ConfigError: with a line for each problem.
    """
    lines = [*_state_errors(experiment, index)]
    if index is not None:
        lines += _sensor_errors(experiment, index)
        lines += equation_unit_errors(experiment, index.layouts, index.known, index.units)
        lines += _missing_value_errors(experiment, index)
    raise_errors(source, lines)


def _state_errors(experiment: Experiment, index: RawIndex | None) -> Iterator[str]:
    """Error for a file of initial states that cannot be read or does not fit the data."""
    condition, spec = experiment.augmentation.initial_condition, equation_of(experiment)
    if not is_augmented(experiment) or not isinstance(condition, GivenStates) or spec is None:
        return
    # imports libraries that read files
    from hybrid_pde.data.initial_states.states_from_file import KEY, StatesFromFile

    if index is None:
        roles = [each for each in spec.fields if not each.is_optional]
        names = fields_by_role(spec, experiment.data.fields)
        layouts = [FieldLayout(name) for role in roles if (name := names.get(role.name))]
    else:
        by_name = {each.name: each for each in index.layouts if not each.static}
        chosen = {*fields_by_role(spec, list(by_name)).values()}
        layouts = [layout for name, layout in by_name.items() if name in chosen]
    path = Path(experiment.project_root) / condition.path
    try:
        StatesFromFile(path, experiment.data, None if index is None else index.grid, layouts)
    except UserError as error:
        text = str(error)
        yield text if text.startswith(KEY) else f"{KEY}: {text}"


def _sensor_errors(experiment: Experiment, index: RawIndex) -> Iterator[str]:
    """Error for sensor readings that cannot be read or do not fit the first training simulation."""
    section, trained = experiment.data.observations, stages_trained(experiment)
    if section is None or section.sensors is None or not trained:
        return
    path = Path(experiment.project_root) / section.sensors
    training = experiment.trainer_params
    number = next(iter(getattr(training, trained[0]).train_sim), index.num_simulations)
    if not path.is_file() or number >= index.num_simulations:
        return  # reported elsewhere
    raw = index.infos.get(index.simulations[number][0])
    if raw is None:
        return
    # imports libraries that read files
    from hybrid_pde.data.observations.sensors import KEY, read_sensors

    layouts = [each for each in raw.layouts if not each.static]
    times = (raw.start, raw.start + raw.dt * (raw.num_frames - 1))
    try:
        read_sensors(path, raw.grid, layouts, times, experiment.data, number, raw.units)
    except UserError as error:
        text = str(error)
        yield text if text.startswith(KEY) else f"{KEY}: {text}"


def _missing_value_errors(experiment: Experiment, index: RawIndex) -> Iterator[str]:
    """Errors if no frame of the training simulations has all of its values."""
    section, trained = experiment.data.observations, stages_trained(experiment)
    if section is None or section.missing != "mask":
        return
    training = experiment.trainer_params
    if "synthetic" in trained:
        used = training.synthetic.train_sim
        if _lacks_complete_frames(experiment, index, used):
            yield (
                "data.observations.missing: mask: no frame of the simulations in "
                f"trainer_params.train_sim, {used}, has all of its values, and a surrogate starts "
                "from complete frames; crop the gaps away with data.select.crop, or use "
                "run_params.model_type: physical"
            )
            return
    if "physical" in trained and training.physical.initial_state == "known":
        used = training.physical.train_sim
        if _lacks_complete_frames(experiment, index, used):
            yield (
                "data.observations.missing: mask: no frame of the simulations in "
                f"trainer_params.train_sim, {used}, has all of its values, and a calibration "
                "starts from complete frames; set trainer_params.physical.initial_state: estimate"
            )


def _lacks_complete_frames(experiment: Experiment, index: RawIndex, used: Sequence[int]) -> bool:
    """Whether every frame but the last of these simulations is known to have missing values."""
    values = 0
    for number in used:
        if number >= index.num_simulations or index.simulations[number][0] in index.errors:
            return False
        path, sample = index.simulations[number]
        with open_in_subprocess(path, experiment.data) as raw:
            left = raw.info.num_frames - 1  # the last frame has no successor to learn
            for block in raw.frames(sample):
                arrays = [each[:left] for each in block.values()]
                complete = np.ones(max(map(len, arrays)), dtype=bool)
                for each in arrays:
                    complete &= np.isfinite(each).reshape(len(each), -1).all(axis=1)
                if complete.any():
                    return False
                left -= len(complete)
                values += sum(each.size for each in arrays)
                if left <= 0 or values > MAX_VALUES:
                    break
        if values > MAX_VALUES:
            return False
    return True
