"""Estimates of each simulation as its known parameters, for all that follows the calibration."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.derived import (
    calibrated_simulations,
    context_of,
    is_calibrated_by_simulation,
    is_held_out,
    own_parameters,
    stages_trained,
)
from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.cache.simulation_view import SimulationView
from hybrid_pde.data.simulation_table import values_by_simulation
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import CalibrationError
from hybrid_pde.result_warnings import warn_of_result

_SPLITS = ("train_sim", "val_sim", "test_sim")
_NAMED = 10


def with_values(
    experiment: Experiment, store: SimulationStore, parameters: Path | None
) -> tuple[Experiment, SimulationStore]:
    """The experiment and its simulations as the stages after the calibration see them.

    Each simulation's estimates are its known parameters. Held-out simulations lack the frames on
    which they were calibrated, except the last one, from which rollouts start. Simulations without
    an estimate are taken out of the experiment, with a warning. Without a parameter of each
    simulation, both are returned as they are.

    Args:
        experiment: Section ``trainer_params``.
        store: The simulations.
        parameters: The calibrated ``parameters.yaml``; it may be missing where there is no
            calibration.

    Raises:
        CalibrationError: if the file has no values of simulations, or a split of the experiment
            would be left without any.
    """
    if parameters is None or not is_calibrated_by_simulation(experiment):
        return experiment, store
    # loads PhiFlow, which a surrogate without an equation does not need
    from hybrid_pde.models.physical.parameters_file import read_result

    table = read_result(parameters).get("table")
    if table is None:
        raise CalibrationError(
            f"{parameters}: it has no values of single simulations, but "
            f"{', '.join(own_parameters(experiment))} of trainer_params.learnable_parameters has "
            "per_simulation: true; re-run the stage train_physical"
        )
    values = values_by_simulation(table)
    used = calibrated_simulations(experiment)
    missing = [index for index in used if index not in values]
    if missing:
        experiment = _without(experiment, missing, parameters)
    frames, known = {}, {}
    for index in used:
        if index in missing:
            continue
        header = store.header(index)
        known[index] = tuple(_known(n, v, header.grid.axes) for n, v in values[index].items())
        if is_held_out(experiment, index):
            first = context_of(experiment, header.num_frames) - 1
            frames[index] = (first, header.num_frames)
    return experiment, SimulationView(store, frames, known, own_parameters(experiment))


def _known(name: str, value: Any, axes: Sequence[str]) -> KnownParameter:
    """A number, or a number an axis, as a known parameter."""
    if isinstance(value, list):
        return KnownParameter(name, tuple(axes[: len(value)]), values=tuple(value))
    return KnownParameter(name, values=float(value))


def _without(experiment: Experiment, missing: Sequence[int], source: Path) -> Experiment:
    """The experiment without some simulations."""
    named = ", ".join(map(str, missing[:_NAMED])) + (", …" if len(missing) > _NAMED else "")
    warn_of_result(
        f"{len(missing)} simulations without calibrated parameters are left out: {named}; "
        "per_simulation.csv has the reason in its column status"
    )
    changes: dict[str, Any] = {}
    for stage in stages_trained(experiment):
        section = getattr(experiment.trainer_params, stage)
        kept: Mapping[str, list[int]] = {
            split: [index for index in getattr(section, split) if index not in missing]
            for split in _SPLITS
        }
        for split, indices in kept.items():
            if getattr(section, split) and not indices:
                raise CalibrationError(
                    f"trainer_params.{split}: {getattr(section, split)}: none of these simulations "
                    f"has calibrated parameters in {source}; the log of train_physical says why"
                )
        changes[stage] = section.model_copy(update=kept)
    training = experiment.trainer_params.model_copy(update=changes)
    return experiment.model_copy(update={"trainer_params": training})
