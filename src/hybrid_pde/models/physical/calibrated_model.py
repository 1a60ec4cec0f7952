"""Calibrated physical models, loaded from the results of an experiment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybrid_pde.config import Experiment, parse_experiment
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


def load_physical_model(results_dir: str | Path) -> PhysicalModel:
    """The calibrated physical model of an experiment, with the scheme that it was calibrated with.

    ::

        model = hybrid_pde.load_physical_model("results/burgers_2d")
        forecast = model.rollout(xarray.open_dataset("state.nc"), steps=10)
        frames = model.predict_trajectory({"velocity": field}, steps=10, dt=0.02)

    Args:
        results_dir: ``results/<name>``, its folder ``physical``, or ``parameters.yaml`` itself.

    Raises:
        CalibrationError: if there is no calibration, it is damaged, a parameter is not determined
            by the data, or the equation is one of your own whose module has not been imported.
    """
    path = _parameters_file(Path(results_dir))
    result = read_result(path)
    refuse_undetermined(path, result)
    try:
        experiment = parse_experiment(_experiment(result))
        model = ModelRegistry(experiment).get_physical_model()
        set_result(model, result)
        if described := result["experiment"].get("description"):
            model.data = DataDescription.from_dict(described)
    except ConfigError as error:
        raise CalibrationError(
            f"{path}: {error}. If the equation is one of your own, import its module first: "
            "loading never runs a module that a file names"
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CalibrationError(
            f"{path}: its model cannot be rebuilt: {error!r:.200}; re-run the stage train_physical"
        ) from error
    return model.eval()


def calibrated_experiment(
    experiment: Experiment, data: DataDescription | None = None
) -> dict[str, Any]:
    """What the calibrated model is rebuilt from, without paths.

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
