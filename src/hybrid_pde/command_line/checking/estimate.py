"""Work of an experiment, and about how long it takes and how much disk it needs.

The rates are those of two cores of a desktop computer (2D Burgers, 64 × 64 points, a U-Net). They
are mostly right within a factor of three: a grid with other stability limits needs other substeps,
and a fit that is far from the data more iterations.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from hybrid_pde.config.derived import (
    calibrated_simulations,
    generated_fields,
    held_out_simulations,
    is_augmented,
    is_calibrated_by_simulation,
    num_cycles,
    own_parameters,
    shared_parameters,
    stages_trained,
)
from hybrid_pde.data.cache.cache_header import VALUE_BYTES
from hybrid_pde.data.generated_data import generated_grid, generated_layouts
from hybrid_pde.workflow.plan import Plan

START_S = 6.0  # a job: Snakemake, PyTorch, PhiFlow
CACHE_S = 2e-8  # a value that is read, checked and written
SIMULATE_S = 4e-7  # a value in one frame, with a few substeps
# a value in one frame, all schemes and iterations, for each unknown and the state
CALIBRATE_S = 1e-5
EACH_S = 5.0  # a calibration of one simulation: comparison of schemes, statistics, uncertainty
TRAIN_S = 4.4e-7  # a value in one step of a window's rollout, forwards and backwards
EVALUATE_S = 2e-7  # a value in one frame: both models, measures and figures
FIGURES_S = 8.0
AUTOMATIC_S = 180.0  # a training without a length of its own, with its search and validation
LEAST_STEPS = 60  # of such a training, however large the grid
DEFAULT_SUBSTEPS = 5  # time steps a frame, where none are given
DEFAULT_STEPS = 8  # of rollouts in training, where none are given
MODEL_BYTES = 20e6  # a surrogate, its history, and the last checkpoints


@dataclass(frozen=True)
class Work:
    """The work of one stage.

    Attributes:
        stage: Its name.
        content: What it computes.
        seconds: About how long it takes.
        disk: Bytes that it writes.
    """

    stage: str
    content: str
    seconds: float
    disk: float = 0.0


def work_of(plan: Plan) -> list[Work]:
    """The work of each stage of an experiment, in their order; nothing is taken as done."""
    sizes = _Sizes(plan)
    stages = stages_trained(plan.experiment)
    cycles = num_cycles(plan.experiment)
    once = [*_data_stages(plan, sizes)]
    in_cycle = []
    if is_calibrated_by_simulation(plan.experiment):
        in_cycle.append(_calibration_of_each(plan, sizes))
    elif "physical" in stages:
        in_cycle.append(_calibration(plan, sizes))
    if is_augmented(plan.experiment):
        in_cycle.append(_augmentation(plan, sizes))
    if "synthetic" in stages:
        in_cycle.append(_training(plan, sizes))
    if cycles > 1:
        in_cycle = [
            Work(w.stage, f"{cycles} cycles: {w.content}", cycles * w.seconds, cycles * w.disk)
            for w in in_cycle
        ]
    return [*once, *in_cycle, _evaluation(plan, sizes)]


class _Sizes:
    """Numbers of values and frames of a data set that exists, or is going to be simulated."""

    def __init__(self, plan: Plan) -> None:
        experiment = plan.experiment
        if plan.is_generated:
            generation = experiment.generation_params
            assert generation is not None
            layouts = generated_layouts(experiment)
            self._frames = [generation.steps + 1] * generation.num_simulations
            self.shape = generated_grid(experiment).shape
            self.channels = (
                sum(layout.channels for layout in layouts)
                if layouts
                else len(generated_fields(experiment))
            )
        else:
            index = plan.index
            self._frames = [
                0 if file in index.errors else index.num_frames(number)
                for number, (file, _) in enumerate(index.simulations)
            ]
            self.shape = index.grid.shape
            self.channels = sum(each.channels for each in index.layouts if not each.static)

    @property
    def values(self) -> int:
        """Values of one frame."""
        return math.prod(self.shape) * self.channels

    def frames(self, simulations: list[int]) -> int:
        """Frames of some simulations together."""
        return sum(self._frames[number] for number in simulations)


def used_simulations(plan: Plan) -> list[int]:
    """Simulations that any stage reads."""
    used = {*held_out_simulations(plan.experiment)[0]}
    for stage in stages_trained(plan.experiment):
        used |= {*plan.simulations(stage, ("train_sim", "val_sim"))}
    return sorted(used)


def _data_stages(plan: Plan, sizes: _Sizes) -> Iterator[Work]:
    used = used_simulations(plan)
    values = sizes.frames(used) * sizes.values
    if plan.is_generated:
        yield Work(
            "simulate",
            f"{len(used)} raw files",
            START_S + SIMULATE_S * values,
            values * VALUE_BYTES,
        )
    yield Work(
        "cache",
        f"{len(used)} of {plan.num_simulations} simulations, {sizes.frames(used)} frames",
        START_S + CACHE_S * values,
        values * VALUE_BYTES,
    )


def _calibration(plan: Plan, sizes: _Sizes) -> Work:
    experiment = plan.experiment
    assert experiment.model.physical is not None
    training = experiment.trainer_params.physical
    names = ", ".join(each.name for each in training.learnable_parameters)
    numerics = experiment.model.physical.numerics
    schemes = "all schemes that fit" if numerics.scheme == "auto" else numerics.scheme
    return Work(
        "train_physical",
        f"{names} of {experiment.model.physical.name} from {len(training.train_sim)} simulations, "
        f"{training.method}, {schemes}",
        START_S + _fitting_seconds(plan, sizes, training.train_sim),
    )


def _calibration_of_each(plan: Plan, sizes: _Sizes) -> Work:
    """Calibrations of single simulations, and of what they share."""
    experiment = plan.experiment
    assert experiment.model.physical is not None
    simulations = calibrated_simulations(experiment)
    names = ", ".join(own_parameters(experiment))
    shared = ", ".join(shared_parameters(experiment))
    return Work(
        "calibrate",
        f"{names} of {experiment.model.physical.name} for each of {len(simulations)} simulations"
        + (f", and {shared} for all" if shared else ""),
        2 * START_S + EACH_S * len(simulations) + _fitting_seconds(plan, sizes, simulations),
    )


def _fitting_seconds(plan: Plan, sizes: _Sizes, simulations: list[int]) -> float:
    experiment = plan.experiment
    assert experiment.model.physical is not None
    training, numerics = experiment.trainer_params.physical, experiment.model.physical.numerics
    steps = max(1.0, (numerics.substeps or 0) / DEFAULT_SUBSTEPS)
    work = steps * numerics.refine ** (len(sizes.shape) + 1)
    unknowns = 1 + len(training.learnable_parameters)
    values = sizes.frames(simulations) * sizes.values
    return CALIBRATE_S * values * work * unknowns * training.starts


def _augmentation(plan: Plan, sizes: _Sizes) -> Work:
    section = plan.experiment.augmentation
    first = plan.simulations("physical", ("train_sim",))[:1]
    frames = sizes.frames(first) if section.steps is None else section.steps + 1
    values = section.num_simulations * frames * sizes.values
    return Work(
        "augment",
        f"{section.num_simulations} generated simulations of {frames} frames",
        START_S + SIMULATE_S * values,
        values * VALUE_BYTES,
    )


def _training(plan: Plan, sizes: _Sizes) -> Work:
    experiment = plan.experiment
    assert experiment.model.synthetic is not None
    training = experiment.trainer_params.synthetic
    steps = training.num_predict_steps or DEFAULT_STEPS
    count = sum(max(0, sizes.frames([number]) - steps) for number in {*training.train_sim})
    share = experiment.augmentation.alpha if is_augmented(experiment) else 0.0
    windows = training.windows_per_epoch or round(count / (1 - min(share, 0.95)))
    if training.epochs is None:
        content = "a length chosen for the data"
        seconds = max(AUTOMATIC_S, TRAIN_S * LEAST_STEPS * sizes.values)
    else:
        content = f"up to {training.epochs} epochs of about {windows} windows of {steps} steps"
        seconds = TRAIN_S * training.epochs * windows * steps * sizes.values
    replicates = training.replicates
    return Work(
        "train_synthetic",
        f"{experiment.model.synthetic.name}, {content}"
        + (f", {replicates} replicates" if replicates > 1 else ""),
        replicates * (START_S + seconds),
        replicates * MODEL_BYTES,
    )


def _evaluation(plan: Plan, sizes: _Sizes) -> Work:
    numbers, split = held_out_simulations(plan.experiment)
    limit = plan.experiment.evaluation_params.num_steps
    frames = sum(
        min(sizes.frames([number]), (limit or sizes.frames([number])) + 1) for number in numbers
    )
    values = frames * sizes.values
    models = 1 + len(stages_trained(plan.experiment))  # and the truth
    return Work(
        "evaluate",
        f"rollouts of {len(numbers)} {split} simulation(s), figures, report",
        START_S + FIGURES_S + EVALUATE_S * values * models,
        models * values * VALUE_BYTES + 2e6,
    )
