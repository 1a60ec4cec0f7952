"""Self-contained files of trained surrogates: writing and loading."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CheckpointError, ConfigError
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.synthetic.bounded_building import build_within
from hybrid_pde.models.synthetic.extrapolation import checked_ranges
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.models.tensor_file import read_tensor_file, write_tensor_file

_KIND = "synthetic model"
_SETTINGS = ("learning_rate", "num_predict_steps", "epochs", "batch_size", "windows_per_epoch")
_NETWORK = ("architecture", "coordinates", "potentials")
_VERSION = 2


@dataclass(frozen=True)
class SavedModel:
    """Content of the file of a surrogate.

    Attributes:
        model: The surrogate in evaluation mode, on the CPU.
        experiment: Settings of the model and its training, without names and paths.
        grid: Grid that it was trained on.
        layouts: Its fields, in the order of the data.
        dt: Time step that it was trained on [time].
        versions: Of Python and the libraries that wrote the file.
    """

    model: SyntheticModel
    experiment: Experiment
    grid: Grid
    layouts: tuple[FieldLayout, ...]
    dt: float
    versions: dict[str, str]


def save_synthetic_model(
    path: str | Path,
    model: SyntheticModel,
    experiment: Experiment,
    grid: Grid,
    layouts: Sequence[FieldLayout],
    dt: float,
    *,
    warnings: Sequence[str] = (),
    origin: DataDescription | None = None,
    search: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write a trained surrogate, atomically.

    ``torch.load(path, weights_only=True)`` reads the file. It holds ``model.state_dict()`` with the
    normalisation, and ``model.parameter_defaults``; names and paths are left out.

    Args:
        path: File to write, e.g. ``synthetic_model.pt``.
        model: The surrogate.
        experiment: The experiment that it was trained in.
        grid: Grid that it was trained on.
        layouts: Fields of the data, at least the ``input_specs``.
        dt: Time step that it was trained on [time].
        warnings: Warnings of its training, see :mod:`hybrid_pde.result_warnings`.
        origin: Its data, whose units, known parameters and reading settings are kept, too.
        search: Short trainings that settings were chosen by, if any.
    """
    content = {
        "version": _VERSION,
        "weights": {
            name: value.detach().cpu().contiguous().clone()
            for name, value in model.state_dict().items()
        },
        "config": _training_config(experiment),
        "spatial_dims": model.spatial_dims,
        "boundary": [list(sides) for sides in model.boundary],
        "grid": grid.to_dict(),
        "layouts": [layout.to_dict() for layout in layouts],
        "dt": float(dt),
        "parameter_defaults": {k: list(v) for k, v in model.parameter_defaults.items()},
        "training_range": {name: list(ends) for name, ends in model.training_range.items()},
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
        "warnings": list(warnings),
        **({} if origin is None else origin.origin()),
        "search": [dict(row) for row in search],
    }
    write_tensor_file(path, _KIND, content)


def read_training_warnings(path: str | Path) -> list[str]:
    """Warnings of the training of a surrogate in a file, empty if the file has none.

    Raises:
        CheckpointError: if the file is absent, damaged, or something else.
    """
    content = read_tensor_file(path, _KIND, weights=dict, config=dict)
    return list(map(str, content.get("warnings") or ()))


def read_training_settings(path: str | Path) -> dict[str, Any]:
    """Settings that a surrogate in a file was trained with, those that were chosen included.

    Raises:
        CheckpointError: if the file is absent, damaged, or something else.
    """
    content = read_tensor_file(path, _KIND, weights=dict, config=dict)
    training = content["config"].get("trainer_params") or {}
    network = (content["config"].get("model") or {}).get("synthetic") or {}
    return {
        **{name: training.get(name) for name in _SETTINGS},
        **{name: network.get(name) for name in _NETWORK},
        "short_trainings": len(content.get("search") or ()),
    }


def load_synthetic_model(path: str | Path) -> SyntheticModel:
    """The surrogate of a file, in evaluation mode, on the CPU.

    ::

        model = hybrid_pde.load_synthetic_model("results/burgers_2d/synthetic_model.pt")
        forecast = model.rollout(xarray.open_dataset("state.nc"), steps=20)

    Import the module of a user's own model before: loading never runs a module that the file names.

    Raises:
        CheckpointError: if the file is absent, damaged, or something else.
    """
    return load_saved_model(path).model


def load_saved_model(path: str | Path) -> SavedModel:
    """The surrogate of a file with its grid, fields and settings.

    Raises:
        CheckpointError: if the file is absent, damaged, or something else.
    """
    content = read_tensor_file(path, _KIND, weights=dict, config=dict)
    if content.get("version") != _VERSION:
        raise CheckpointError(
            f"{path}: version {content.get('version')!r} of the format; this program reads "
            f"version {_VERSION}; train the model again"
        )
    try:
        return _rebuilt(content)
    except Exception as error:
        # the model's own code may fail in any way on the values of a damaged file
        reason = f"{type(error).__name__}: {error}"[:500]
        raise CheckpointError(f"{path}: the model cannot be rebuilt from it: {reason}") from error


def _rebuilt(content: dict[str, Any]) -> SavedModel:
    experiment = parse_experiment(content["config"])
    described = _Described.model_validate(
        {name: content[name] for name in _Described.model_fields if name in content}
    )
    grid = Grid.from_dict(content["grid"])
    boundary = tuple((lower, upper) for lower, upper in described.boundary)
    if not described.spatial_dims == len(grid.axes) == len(boundary):
        raise ValueError(f"{described.spatial_dims} axes, a grid of {len(grid.axes)}")
    weights: dict[str, torch.Tensor] = content["weights"]
    for name, values in weights.items():
        if not torch.isfinite(values).all():
            raise ValueError(f"{name}: holds values that are not finite; train the model again")
    model = build_within(
        _class_of(experiment), experiment, described.spatial_dims, boundary, weights
    )
    model.load_state_dict(weights)
    model.parameter_defaults = described.parameter_defaults
    model.training_range = checked_ranges(described.training_range, model.input_specs)
    model.data = DataDescription.from_dict(content)
    return SavedModel(
        model=model.eval(),
        experiment=experiment,
        grid=grid,
        layouts=model.data.layouts,
        dt=described.dt,
        versions=described.versions,
    )


class _Described(BaseModel):
    """Types of the parts of a file that are no tensors."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    spatial_dims: int = Field(ge=1, le=3)
    boundary: list[list[str | float]]  # of each axis, the lower and the upper side
    dt: float = Field(gt=0)
    parameter_defaults: dict[str, list[float]]
    training_range: dict[str, list[list[float]]] = {}  # absent from files of earlier versions
    versions: dict[str, str]


def _class_of(experiment: Experiment) -> type[SyntheticModel]:
    """The model's class; never imports a module that the file names."""
    section = experiment.model.synthetic
    assert section is not None
    try:
        return ModelRegistry.registered_synthetic(section.name)
    except ConfigError as error:
        if section.module is None:
            raise
        raise ConfigError(
            f"{section.name!r} is a model of your own, registered in {section.module!r}; import "
            "that file first (hybrid-pde: --module FILE): loading a model never runs a module that "
            "its file names"
        ) from error


def _training_config(experiment: Experiment) -> dict[str, Any]:
    """The settings that shape the weights, as plain types."""
    section = experiment.model.synthetic
    if section is None:
        raise ConfigError("model.synthetic: missing; the file holds the settings of the model")
    return {
        "run_params": {"model_type": "synthetic", "seed": experiment.run_params.seed},
        "data": {"fields": list(experiment.data.fields)},
        "model": {"synthetic": section.model_dump(mode="json")},
        "trainer_params": experiment.trainer_params.synthetic.model_dump(mode="json"),
    }
