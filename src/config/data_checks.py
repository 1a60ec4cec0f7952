"""Whether the data hold what an experiment asks of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from src.config.derived import held_out_simulations, stages_trained
from src.config.messages import refuse
from src.config.schema import Experiment

if TYPE_CHECKING:
    from src.data.grid import FieldLayout, Grid


def check_against_data(
    experiment: Experiment,
    source: str,
    layouts: Sequence["FieldLayout"],
    frames: Sequence[int | None],
    grid: "Grid",
) -> None:
    """Refuse an experiment that asks for what the data do not hold.

    Args:
        experiment: The typed experiment.
        source: Its file, for the message.
        layouts: The fields of the data.
        frames: Number of frames of each simulation, ``None`` for one that cannot be read.
        grid: The grid of the data.

    Raises:
        ConfigError: with a line for every request that cannot be met.
    """
    lines = [*missing_simulations(experiment, frames), *_misfits(experiment, layouts)]
    if "physical" in stages_trained(experiment):
        lines += _unsolvable(experiment, grid)
    refuse(source, lines)


def missing_simulations(experiment: Experiment, frames: Sequence[int | None]) -> Iterator[str]:
    """A line for every simulation asked for that is not there, or is too short.

    Args:
        experiment: The typed experiment.
        frames: Number of frames of each simulation, ``None`` for one that cannot be read.
    """
    for stage in stages_trained(experiment):
        training = getattr(experiment.trainer_params, stage)
        for kind in ("train_sim", "val_sim", "test_sim"):
            missing = [index for index in getattr(training, kind) if index >= len(frames)]
            if missing:
                yield (
                    f"trainer_params.{kind}: {missing}: no such simulation; "
                    f"{experiment.raw_dir} holds {len(frames)}, counted from 0"
                )
        needed = training.num_predict_steps
        for index in [*training.train_sim, *training.val_sim]:
            if (held := _frames_of(index, frames)) is not None and held <= needed:
                yield (
                    f"trainer_params.num_predict_steps: {needed}: simulation {index} has {held} "
                    f"frames, and a start and its targets need {needed + 1}"
                )
                break
    steps = experiment.evaluation_params.num_steps or 1
    for index in held_out_simulations(experiment)[0]:
        if (held := _frames_of(index, frames)) is not None and held <= steps:
            yield (
                f"evaluation_params.num_steps: {steps}: simulation {index} has {held - 1} frames "
                "after its first; null takes all there are"
            )
            break


def _frames_of(index: int, frames: Sequence[int | None]) -> int | None:
    return frames[index] if index < len(frames) else None


def _misfits(experiment: Experiment, layouts: Sequence["FieldLayout"]) -> Iterator[str]:
    by_name = {layout.name: layout for layout in layouts}
    section = experiment.model.synthetic
    if section is None or "synthetic" not in stages_trained(experiment):
        return
    for specs in ("input_specs", "output_specs"):
        for name, channels in getattr(section, specs).items():
            layout = by_name.get(name)
            if layout is not None and layout.channels != channels:
                yield (
                    f"model.synthetic.{specs}.{name}: {channels}: the data have "
                    f"{layout.channels} channel(s)"
                )
            if layout is not None and layout.static and specs == "output_specs":
                yield f"model.synthetic.output_specs.{name}: constant in time, so an input only"
            if layout is not None and not layout.static and name not in section.output_specs:
                yield (
                    f"model.synthetic.input_specs.{name}: changes in time, so a rollout needs it "
                    "among model.synthetic.output_specs too"
                )


def _unsolvable(experiment: Experiment, grid: "Grid") -> Iterator[str]:
    """What keeps the physical model from running on the grid of the data."""
    section = experiment.model.physical
    assert section is not None
    if not grid.is_periodic:
        sides = dict(zip(grid.axes, map(list, grid.boundary), strict=True))
        yield (
            f"data.boundary: {sides}: {section.name} can be solved only where it is 'periodic' on "
            "every axis; run_params.model_type: synthetic needs no physical model"
        )
    values = {f"model.physical.pde_params.{name}": v for name, v in section.pde_params.items()}
    for position, parameter in enumerate(experiment.trainer_params.physical.learnable_parameters):
        key = f"trainer_params.learnable_parameters[{position}].initial_guess"
        values[key] = parameter.initial_guess
    for key, value in values.items():
        if isinstance(value, list) and len(value) != len(grid.axes):
            axes = ", ".join(grid.axes)
            yield f"{key}: {value}: the data have {len(grid.axes)} axes ({axes}), a number for each"
