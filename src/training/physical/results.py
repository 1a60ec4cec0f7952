"""The files that a calibration leaves: ``parameters.yaml`` and ``history.csv``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from src.data.atomic import atomic_path
from src.errors import CalibrationError
from src.models.physical.physical_model import PhysicalModel
from src.numerics.discretization import Discretization

KEYS = ("parameters", "undetermined_directions", "status", "loss", "iterations", "numerics")


def write_parameters(path: Path, result: Mapping[str, Any]) -> None:
    """Write what :meth:`PhysicalTrainer.train` returned, without its history, atomically."""
    with atomic_path(path) as temporary:
        text = yaml.safe_dump(
            {key: result[key] for key in KEYS}, sort_keys=False, allow_unicode=True
        )
        temporary.write_text(text, encoding="utf-8")


def read_parameters(path: Path) -> dict[str, Any]:
    """What :func:`write_parameters` wrote.

    Raises:
        CalibrationError: if the file is absent or not one of ours.
    """
    try:
        result = yaml.safe_load(path.read_text(encoding="utf-8"))
        result["parameters"].items()
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, AttributeError):
        raise CalibrationError(
            f"{path}: no calibrated parameters; the stage train_physical writes them"
        ) from None
    return result


def load_parameters(path: Path, model: PhysicalModel) -> None:
    """Set the model to calibrated values, and to the scheme that they were found with.

    Raises:
        CalibrationError: if a parameter is not determined by the data.
    """
    result = read_parameters(path)
    values = {}
    for name, parameter in result["parameters"].items():
        if parameter["value"] is None:
            raise CalibrationError(
                f"{path}: {name}: the data do not determine it; give its value in "
                "model.physical.pde_params and take it out of trainer_params.learnable_parameters"
            )
        values[name] = torch.tensor(parameter["value"], dtype=torch.float64)
    model.set_parameters(values)
    used = result["numerics"]
    model.discretization = Discretization(used["scheme"], used["order"])
