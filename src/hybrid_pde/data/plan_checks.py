"""Checks of an experiment against its data and files, before anything is computed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hybrid_pde.config.checks.data import check_against_data
from hybrid_pde.config.checks.equation import fields_by_role
from hybrid_pde.config.derived import equation_of, is_augmented, stages_trained
from hybrid_pde.config.error_messages import raise_errors
from hybrid_pde.config.schema import Experiment, GivenStates
from hybrid_pde.data.cache.raw_index import RawIndex
from hybrid_pde.data.equation_units import equation_unit_errors
from hybrid_pde.data.generated_data import generated_grid, generated_layouts
from hybrid_pde.data.observations.visible_places import check_visible
from hybrid_pde.data.raw_files.subprocess_reader import open_in_subprocess
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import UserError

# Values read in search of a complete frame. A data set in which it comes later is not judged: the
# stages do that.
MAX_VALUES = 50_000_000


def check_data(experiment: Experiment, source: str, index: RawIndex | None) -> None:
    """Check that the data contain what the experiment needs, whether they exist or not.

    Args:
        experiment: The typed experiment.
        source: File of the experiment, for error messages.
        index: The raw files; ``None`` if they have yet to be simulated.

    Raises:
        ConfigError: with a line for each problem.
    """
    if index is not None:
        frames = [
            None if file in index.errors else index.num_frames(number)
            for number, (file, _) in enumerate(index.simulations)
        ]
        check_against_data(
            experiment, source, index.layouts, frames, index.grid, index.known, index.units
        )
    elif (layouts := generated_layouts(experiment)) is not None:
        generation = experiment.generation_params
        assert generation is not None
        frames = [generation.steps + 1] * generation.num_simulations
        check_against_data(experiment, source, layouts, frames, generated_grid(experiment))
    lines = [*_state_errors(experiment, index), *_observation_errors(experiment, index)]
    if index is not None:
        lines += equation_unit_errors(experiment, index.layouts, index.known, index.units)
    raise_errors(source, lines)
    if index is not None:
        raise_errors(source, _missing_value_errors(experiment, index))


def planned_grid(experiment: Experiment, index: RawIndex | None) -> Grid | None:
    """Grid of the data; ``None`` if it is unknown before they are simulated.

    Args:
        experiment: The typed experiment.
        index: The raw files; ``None`` if they have yet to be simulated.
    """
    if index is not None:
        return index.grid
    return None if generated_layouts(experiment) is None else generated_grid(experiment)


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


def _observation_errors(experiment: Experiment, index: RawIndex | None) -> Iterator[str]:
    """Errors for observations that hide everything or do not fit the training simulations."""
    section, grid = experiment.data.observations, planned_grid(experiment, index)
    trained = stages_trained(experiment)
    if section is None or grid is None:
        return
    stages = [getattr(experiment.trainer_params, stage) for stage in trained]
    is_known = experiment.trainer_params.physical.initial_state == "known"
    for number in sorted({number for stage in stages for number in stage.train_sim}):
        times = _times(experiment, index, number)
        if times is None:
            continue
        try:
            check_visible(section, grid, times, number, is_known)
            if section.sensors is not None and "physical" in trained:
                _check_sensors(experiment, index, grid, times, number)
        except UserError as error:
            yield str(error)
            return


def _times(experiment: Experiment, index: RawIndex | None, number: int) -> Sequence[float] | None:
    """Times of a simulation's frames; ``None`` if it cannot be read."""
    if index is None:
        generation = experiment.generation_params
        assert generation is not None
        start, dt, count = 0.0, generation.dt, generation.steps + 1
    elif number >= index.num_simulations or index.simulations[number][0] in index.errors:
        return None
    else:
        info = index.infos[index.simulations[number][0]]
        start, dt, count = info.start, info.dt, info.num_frames
    return [float(time) for time in start + dt * np.arange(count)]


def _check_sensors(
    experiment: Experiment,
    index: RawIndex | None,
    grid: Grid,
    times: Sequence[float],
    number: int,
) -> None:
    """Read a simulation's sensors as its calibration will."""
    # imports libraries that read files
    from hybrid_pde.data.observations.sensors import read_sensors

    section, spec = experiment.data.observations, equation_of(experiment)
    assert section is not None and section.sensors is not None
    layouts = generated_layouts(experiment) if index is None else index.layouts
    assert layouts is not None
    dynamic = [each for each in layouts if not each.static]
    chosen = [*(fields_by_role(spec, [each.name for each in dynamic]) if spec else {}).values()]
    read_sensors(
        Path(experiment.project_root) / section.sensors,
        grid,
        [each for each in dynamic if spec is None or each.name in chosen],
        (times[0], times[-1]),
        experiment.data,
        number,
        StatedUnits() if index is None else index.infos[index.simulations[number][0]].units,
    )


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
    """True if every frame but the last of these simulations is known to have missing values."""
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
