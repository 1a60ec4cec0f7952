"""Calibrated physical models, loaded from the results of an experiment."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.simulation_table import typical_value, values_by_simulation
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.errors import CalibrationError, ConfigError
from hybrid_pde.models.physical.parameters_file import (
    read_result,
    refuse_undetermined,
    set_result,
)
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry

FILE = "parameters.yaml"
_NAMED = 10


def load_physical_model(
    results_dir: str | Path,
    *,
    simulation: int | None = None,
    values: Mapping[str, Any] | None = None,
) -> PhysicalModel:
    """The calibrated physical model of an experiment, with the scheme that it was calibrated with.

    ::

        model = hybrid_pde.load_physical_model("results/burgers_2d")
        forecast = model.rollout(xarray.open_dataset("state.nc"), steps=10)
        frames = model.predict_trajectory({"velocity": field}, steps=10, dt=0.02)

    Args:
        results_dir: ``results/<name>``, its folder ``physical``, or ``parameters.yaml`` itself.
        simulation: Whose values to take of parameters that differ between simulations.
        values: Values of such parameters by name, instead of those of a simulation.

    Raises:
        CalibrationError: if there is no calibration, it is damaged, a parameter is not determined
            by the data, the equation is one of your own whose module has not been imported, or a
            parameter differs between simulations and neither ``simulation`` nor ``values`` gives
            its value.
    """
    path = _parameters_file(Path(results_dir))
    result = read_result(path)
    refuse_undetermined(path, result)
    choose_values(path, result, simulation, values or {})
    try:
        experiment = parse_experiment(_experiment(result))
        model = ModelRegistry(experiment).get_physical_model()
        set_result(model, result)
        if described := result["experiment"].get("description"):
            model.data = DataDescription.from_dict(described)
    except ConfigError as error:
        raise CalibrationError(
            f"{path}: {error}. If the equation is one of your own, import its module first "
            "(hybrid-pde: --module FILE): loading never runs a module that a file names"
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CalibrationError(
            f"{path}: its model cannot be rebuilt: {error!r:.200}; re-run the stage train_physical"
        ) from error
    return model.eval()


def parameters_by_simulation(results_dir: str | Path) -> list[str]:
    """Names of the parameters of a calibration that differ between simulations.

    Args:
        results_dir: As in :func:`load_physical_model`.

    Raises:
        CalibrationError: if there is no calibration, or it is damaged.
    """
    found = read_result(_parameters_file(Path(results_dir)))["parameters"]
    return [name for name, parameter in found.items() if parameter.get("per_simulation")]


def values_in_place_of_stated(results_dir: str | Path) -> dict[str, Any]:
    """Typical values of the parameters that differ between simulations, and that the data state.

    A forecast takes those of its state in their place.

    Args:
        results_dir: As in :func:`load_physical_model`.

    Raises:
        CalibrationError: if there is no calibration, or it is damaged.
    """
    result = read_result(_parameters_file(Path(results_dir)))
    description = (result.get("experiment") or {}).get("description") or {}
    stated = [each.get("name") for each in description.get("known") or ()]
    own = {name: p for name, p in result["parameters"].items() if p.get("per_simulation")}
    return {name: typical_value(p) for name, p in own.items() if name in stated}


def choose_values(
    path: Path, result: dict[str, Any], simulation: int | None, values: Mapping[str, Any]
) -> None:
    """Replace the lists of parameters that differ between simulations by one value each.

    Args:
        path: The file of the result, for messages.
        result: Result of :func:`~hybrid_pde.models.physical.parameters_file.read_result`.
        simulation: The simulation, or ``None``.
        values: Values by name, which take precedence.

    Raises:
        CalibrationError: if a value is missing, or one is given for another parameter.
    """
    own = {name: p for name, p in result["parameters"].items() if p.get("per_simulation")}
    if unknown := [name for name in values if name not in own]:
        raise CalibrationError(
            f"{path}: values: {unknown}: no parameters with a value for each simulation; it has "
            f"{[*own] or 'none'}: leave them out"
        )
    if simulation is not None and not own:
        raise CalibrationError(
            f"{path}: simulation: {simulation}: its parameters are the same for all simulations; "
            "leave it out"
        )
    found: Mapping[str, Any] = {}
    if simulation is not None:
        by_simulation = values_by_simulation(result.get("table", ()))
        if simulation not in by_simulation:
            raise CalibrationError(
                f"{path}: simulation: {simulation}: it has no calibrated parameters; "
                f"{_some(sorted(by_simulation))} have: choose one of them, or give values"
            )
        found = by_simulation[simulation]
    found = {**found, **values}
    missing = [name for name in own if name not in found]
    if missing:
        raise CalibrationError(
            f"{path}: {', '.join(missing)}: each simulation has a value of its own; give "
            f"simulation (allowed: {_some(own[missing[0]].get('simulations', ()))}, and held-out "
            f"ones of per_simulation.csv), or values, e.g. {{'{missing[0]}': …}} "
            f"(hybrid-pde predict: --parameters {missing[0]}=…)"
        )
    for name, parameter in own.items():
        parameter["value"] = found[name]
        parameter["per_simulation"] = False


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:_NAMED])) + (", …" if len(numbers) > _NAMED else "")


def calibrated_experiment(
    experiment: Experiment, data: DataDescription | None = None
) -> dict[str, Any]:
    """Settings that the calibrated model is rebuilt from, without paths.

    Args:
        experiment: The experiment.
        data: Its data, without which the model has no rollouts of datasets.
    """
    section = experiment.model.physical
    assert section is not None
    content = {
        "data": experiment.data.model_dump(mode="json", include={"fields", "known_parameters"}),
        "model": {"physical": section.model_dump(mode="json", exclude={"module"})},
    }
    return content if data is None else {**content, "description": data.to_dict()}


def _experiment(result: Mapping[str, Any]) -> dict[str, Any]:
    """The experiment with the calibrated numbers as parameters; fields are set afterwards."""
    stored = result["experiment"]
    physical = dict(stored["model"]["physical"])
    values = {
        name: 0.0 if name in result["fields"] else parameter["value"]
        for name, parameter in result["parameters"].items()
    }
    physical["pde_params"] = {**physical.get("pde_params", {}), **values}
    return {"data": stored["data"], "model": {"physical": physical}}


def _parameters_file(given: Path) -> Path:
    for path in (given / "physical" / FILE, given / FILE):
        if path.is_file():
            return path
    return given if given.name == FILE else given / "physical" / FILE
