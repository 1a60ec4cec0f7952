"""Result files of a calibration: ``parameters.yaml`` and the NetCDF files of field parameters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from hybrid_pde.config.result_file import damaged, read_result_file
from hybrid_pde.data.atomic import atomic_path, sha256_of
from hybrid_pde.data.raw_files.guards import check_size, check_stored
from hybrid_pde.data.simulation_table import FILE as TABLE
from hybrid_pde.data.simulation_table import (
    Row,
    read_table,
    typical_value,
    write_table,
)
from hybrid_pde.domain.grid import Grid, axis_points
from hybrid_pde.errors import CalibrationError, DamagedResultError, UserError
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.numerics.discretization import Discretization

KEYS = ("parameters", "undetermined_directions", "status", "loss", "iterations", "numerics")
# Additional keys of calibrations of several parameters, of profile likelihoods, and of later hybrid
# cycles.
PAIR_KEYS, PROFILE_KEYS = ("correlations", "least_determined"), ("profiles",)
CYCLE_KEYS = ("reverted", "validation")
# Errors from reading a file with other content.
_DAMAGED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def write_parameters(path: Path, result: Mapping[str, Any]) -> None:
    """Write the result of :meth:`PhysicalTrainer.train` without its history, atomically.

    The key ``experiment`` of the result, if it has one, is what a model is rebuilt from, see
    :func:`~hybrid_pde.models.physical.calibrated_model.load_physical_model`. The values of a field
    parameter are written to a NetCDF file in the same folder;
    ``parameters.yaml`` has the name and the digest of this file, and of ``per_simulation.csv``,
    which is written if the result has a ``table``.
    """
    parameters = {name: dict(parameter) for name, parameter in result["parameters"].items()}
    for name, values in result["fields"].items():
        if parameters[name]["value"] is None:
            continue
        file = path.with_name(f"{name}.nc")
        _write_field(file, name, values, result["numerics"]["grid"], parameters[name]["unit"])
        parameters[name]["value"] = {
            "file": file.name,
            "sha256": sha256_of(file),
            **parameters[name]["value"],
        }
    optional = [key for key in (*PAIR_KEYS, *PROFILE_KEYS) if result.get(key)]
    keys = (*KEYS, *optional, *(key for key in CYCLE_KEYS if key in result))
    content = {key: parameters if key == "parameters" else result[key] for key in keys}
    if "table" in result:
        table = path.with_name(TABLE)
        write_table(table, result["table"])
        content["per_simulation"] = {"file": table.name, "sha256": sha256_of(table)}
    content["warnings"] = list(result.get("warnings", ()))
    if "experiment" in result:
        content["experiment"] = result["experiment"]
    with atomic_path(path) as temporary:
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")


def read_parameters(path: Path) -> dict[str, Any]:
    """Read ``parameters.yaml``.

    Raises:
        CalibrationError: if the file is missing.
        DamagedResultError: if it has other content.
    """
    if not path.is_file():
        raise CalibrationError(
            f"{path}: no calibrated parameters: there is no such file; the stage train_physical "
            "writes them"
        )
    return read_result_file(path)


def read_result(path: Path) -> dict[str, Any]:
    """Read the result of a calibration including fields and table, without its history.

    Raises:
        CalibrationError: if a file is missing or was changed.
        DamagedResultError: if it has other content.
    """
    result = read_parameters(path)
    result["fields"] = {}
    try:
        for name, parameter in result["parameters"].items():
            if isinstance(parameter["value"], dict):
                described = dict(parameter["value"])
                file, digest = described.pop("file"), described.pop("sha256")
                result["fields"][name] = _read_field(path.with_name(file), name, digest)
                parameter["value"] = described
        if "per_simulation" in result:
            described = result["per_simulation"]
            result["table"] = _read_table(path.with_name(described["file"]), described["sha256"])
    except (CalibrationError, DamagedResultError):
        raise
    except _DAMAGED as error:
        raise damaged(path, repr(error)) from None
    return result


def set_result(model: PhysicalModel, result: Mapping[str, Any]) -> None:
    """Set the parameters and the discretization of a model to the result of a calibration.

    Parameters that the data do not determine are not changed. One with a value for each simulation
    is set to the median of the training simulations; each simulation's own value is a known
    parameter, see :func:`~hybrid_pde.models.physical.simulation_values.with_values`.

    Args:
        model: The model.
        result: The result of :meth:`PhysicalTrainer.train` or :func:`read_result`.
    """
    values = {}
    for name, parameter in result["parameters"].items():
        value = result["fields"].get(name, parameter["value"])
        if parameter.get("per_simulation"):
            value = typical_value(parameter)
        if value is not None:
            values[name] = torch.as_tensor(value, dtype=torch.float64)
    model.set_parameters(values)
    used = result["numerics"]
    model.discretization = Discretization(used["scheme"], used["order"], used["refine"])


def load_parameters(path: Path, model: PhysicalModel) -> None:
    """Set the parameters and the discretization of a model to those of a result file.

    Raises:
        CalibrationError: if a parameter is not determined by the data.
        DamagedResultError: if the result is of another model.
    """
    result = read_result(path)
    try:
        refuse_undetermined(path, result)
        set_result(model, result)
    except UserError:
        raise
    except (*_DAMAGED, RuntimeError) as error:
        raise damaged(path, repr(error)) from None


def refuse_undetermined(path: Path, result: Mapping[str, Any]) -> None:
    """Reject a calibration in which a parameter has no value.

    Raises:
        CalibrationError: naming the parameter and the way out.
    """
    for name, parameter in result["parameters"].items():
        own = parameter.get("per_simulation")
        if (typical_value(parameter) if own else parameter["value"]) is None:
            raise CalibrationError(
                f"{path}: {name}: the data do not determine it; give its value in "
                "model.physical.pde_params and take it out of trainer_params.learnable_parameters"
            )


def _write_field(
    path: Path, name: str, values: np.ndarray, grid: Mapping[str, Any], unit: str
) -> None:
    import xarray as xr  # slow to import; most parameters are numbers

    axes = grid["axes"]
    coordinates = axis_points(Grid.from_dict(grid))
    field = xr.DataArray(values, coords={axis: coordinates[axis] for axis in axes}, dims=axes)
    field.attrs["units"] = unit
    with atomic_path(path) as temporary:
        field.to_dataset(name=name).to_netcdf(temporary, engine="netcdf4")


def _read_table(path: Path, digest: str) -> list[Row]:
    _check_unchanged(path, digest)
    return read_table(path)


def _check_unchanged(path: Path, digest: str) -> None:
    if not path.is_file() or sha256_of(path) != digest:
        state = "was changed" if path.is_file() else "is missing"
        raise CalibrationError(f"{path}: {state}; re-run the stage train_physical")


def _read_field(path: Path, name: str, digest: str) -> np.ndarray:
    import xarray as xr

    _check_unchanged(path, digest)
    with xr.open_dataset(path, engine="netcdf4") as dataset:
        values = dataset[name]
        check_size(name, values.shape)
        check_stored(path, values.nbytes)
        return values.values
