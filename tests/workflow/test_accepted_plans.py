"""Faults that a stage would reject are rejected before anything is computed."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from hybrid_pde.config.checks.scheme_grid import scheme_grid_errors
from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.workflow import code_digest
from hybrid_pde.workflow.plan import Plan
from tests.workflow.test_dry_run_errors import raw_experiment
from tests.workflow.tiny import tiny_experiment

PACKAGE = code_digest.PACKAGE
READERS = "hybrid_pde.data.readers."
# Of all keys: 3 simulations of 8 frames, 16 × 12 points, Burgers' equation.
TOO_LATE = {
    "every": ({"data": {"observations": {"every": 100}}}, "observations.every: 100: hides"),
    "times": ({"data": {"observations": {"times": [0.0123]}}}, "times: 0.0123: simulation 0 has"),
    "points": ({"data": {"observations": {"points": 10**6}}}, "points: 1000000: simulation 0"),
    "region": ({"data": {"observations": {"region": {"x": [0.5, 0.51]}}}}, "the points lie at"),
    "sensors": ({"data": {"observations": {"sensors": "late.nc"}}}, "a reading at t = 9"),
    "spatial_dims": (
        {"model": {"synthetic": {"architecture": {"spatial_dims": 1}}}},
        "architecture.spatial_dims: 1: the data have 2 axes (x, y); leave the key out",
    ),
    "unet": (
        {"model": {"synthetic": {"architecture": {"depth": 8, "kernel_size": 5}}}},
        "architecture.depth: 8: the grid of [16, 12] points",
    ),
    "scheme": (
        {
            "model": {"physical": {"numerics": {"scheme": "weno"}}},
            "generation_params": {"resolution": {"x": 6, "y": 12}},
        },
        "weno needs more than 6 points along each axis, but the data have [6, 12]",
    ),
    "one axis": (
        {
            "model": {"physical": {"name": "NavierStokesPDE"}},
            "generation_params": {"resolution": {"x": 12}, "domain": {}},
        },
        "NavierStokesPDE: the data have one axis (x), the equation needs 2 or 3; choose another",
    ),
    "walls": (
        {
            "model": {"physical": {"name": "NavierStokesPDE", "pde_params": {"staggered": True}}},
            "data": {"boundary": 1.0},
        },
        "staggered: true: nothing may flow through the walls, but data.boundary has the value 1",
    ),
    "modes": (
        {
            "model": {"physical": {"name": "DiffusionPDE"}},
            "generation_params": {"parameters": {"diffusivity": 0.1}},
            "trainer_params": {
                "physical": {
                    "learnable_parameters": [
                        {
                            "name": "diffusivity",
                            "initial_guess": 0.1,
                            "parametrization": {"type": "fourier", "modes": 40},
                        }
                    ]
                }
            },
            "run_params": {"model_type": "physical"},
            "data": {"fields": ["u"]},
        },
        "physical.learnable_parameters[0]: diffusivity.parametrization.modes: 40: the 16 points",
    ),
}
# Functions in modules that only stages import, with a ConfigError nevertheless:
# for wrong arguments of a call from Python; stages give the right ones
LIBRARY_CALLS = [
    "data.cache.data_manager._ensure",
    "data.windows.augmented_dataset.__init__",
    "data.windows.augmented_dataset._check_agreement",
    "data.windows.field_selection.select_fields",
    "data.windows.hybrid_dataset.__init__",
    "data.windows.hybrid_dataset._kept",
    "data.windows.parameter_channels._numbers",
    "data.windows.parameter_channels.parameter_channels",
    "models.surrogate_file._class_of",
    "models.surrogate_file._training_config",
    "models.synthetic.channels.check_parameters",
    "models.synthetic.synthetic_model.__init__",
    "models.synthetic.synthetic_model.set_normalization",
    "training.hybrid.guided_calibration.calibrate_cycle",
    "training.physical.learnable_values._value",
    "training.physical.learnable_values.set_learnable",
    "training.physical.physical_trainer.train",
    "training.physical.physical_trainer._train_sample",
    "workflow.settings_file.read_settings",
]
# for what config/checks rejects before, if a trainer is used without the workflow
DECIDED_BEFORE = [
    "data.symmetries.transformations.apply",
    "evaluation.rollout_evaluation.evaluate",
    "evaluation.rollout_starts.find_start",
    "models.synthetic.synthetic_predictor._constant",
    "models.synthetic.channels.check_specs",
    "models.synthetic.normalization.normalization_of",
    "training.augmentation.augmentation._check_disk_limit",
    "training.augmentation.parameter_sampling.__init__",
    "training.augmentation.source_simulations.generated_steps",
    "training.hybrid.guided_observations._check_fields",
    "training.physical.initial_state_unknowns.check_size",
    "training.physical.parameter_vector._check_start",
    "training.physical.physical_trainer.__init__",
    "training.physical.physical_trainer._create_optimizer",
    "training.synthetic.observed_frames._fill",
    "training.synthetic.symmetric_windows.with_symmetries",
    "training.synthetic.tensorboard.__init__",
    "training.synthetic.training_windows.parameter_inputs",
    "training.synthetic.training_windows.real_windows",
]


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The nested settings of both; those of the second one win, and domains are replaced."""
    found = dict(one)
    for key, value in other.items():
        nested = isinstance(value, dict) and isinstance(found.get(key), dict)
        replaced = key in ("resolution", "domain", "parameters")
        found[key] = merged(found[key], value) if nested and not replaced else value
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a file of sensors whose second reading is too late."""
    monkeypatch.chdir(tmp_path)
    places = {"x": ("sensor", [0.5]), "y": ("sensor", [0.5]), "component": ["x", "y"]}
    values = (("time", "sensor", "component"), np.zeros((2, 1, 2)))
    xr.Dataset({"velocity": values}, {"time": [0.01, 9.0], **places}).to_netcdf("late.nc")
    return tmp_path


@pytest.mark.parametrize("case", TOO_LATE)
def test_what_a_stage_rejected_is_rejected_by_the_plan(folder: Path, case: str) -> None:
    changes, expected = TOO_LATE[case]
    Path("case.yaml").write_text(yaml.safe_dump(merged(tiny_experiment(), changes)))
    with pytest.raises(ConfigError) as error:
        Plan(Path("case.yaml"), claim=False)
    assert str(error.value).startswith("case.yaml: ")
    assert expected in str(error.value)


def test_raw_files_are_checked_like_simulated_ones(folder: Path) -> None:
    data = {"dset_name": "burgers_2d", "fields": ["velocity"], "boundary": "periodic"}
    raw_experiment(folder, data=data | {"observations": {"times": [0.1, 0.26]}})
    with pytest.raises(ConfigError, match=r"times: 0\.26: simulation 0 has no frame at that time"):
        Plan(Path("config/burgers_2d.yaml"), claim=False)


@pytest.mark.parametrize("points", [3, 5, 7])
@pytest.mark.parametrize("walls", [(PERIODIC, PERIODIC), (0.0, 0.0), (1.0, 0.0)])
@pytest.mark.parametrize(
    "numerics", ["spectral", "weno", "finite_difference", "semi_lagrangian", "auto", "staggered"]
)
def test_schemes_are_rejected_on_the_grids_that_they_cannot_have(
    numerics: str, walls: tuple[Any, Any], points: int
) -> None:
    grid = Grid(("x", "y"), (8, points), (0.0, 0.0), (1.0, 1.0), (walls, walls), (False, False))
    is_staggered = numerics == "staggered"
    section: dict[str, Any] = {"name": "NavierStokesPDE", "numerics": numerics}
    if is_staggered:
        section |= {"numerics": "auto", "pde_params": {"staggered": True}}
    experiment = parse_experiment({"model": {"physical": section}})
    discretization = Discretization.of("finite_difference", 2)
    if is_staggered:
        discretization = Discretization("staggered", 2)
    elif numerics != "auto":
        discretization = Discretization.of(numerics)
    is_impossible = discretization.incompatibility(grid) is not None
    assert bool([*scheme_grid_errors(experiment, grid)]) == is_impossible


def closure(path: Path) -> set[str]:
    """Modules of the library that a file imports, directly or through others."""
    pending, found = list(code_digest._source(path).imported), set()
    while pending:
        module = pending.pop()
        source = code_digest._module_path(module)
        if source is not None and module not in found:
            found.add(module)
            pending.extend(code_digest._source(source).imported)
    return found


def sites(module: str) -> Iterator[str]:
    """Functions of a module that raise a ConfigError."""
    source = code_digest._module_path(module)
    assert source is not None
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        for inner in ast.walk(node) if isinstance(node, ast.FunctionDef) else ():
            raised = inner.exc if isinstance(inner, ast.Raise) else None
            if isinstance(raised, ast.Call) and getattr(raised.func, "id", "") == "ConfigError":
                yield f"{module.removeprefix('hybrid_pde.')}.{node.name}"


def test_modules_that_only_stages_import_raise_no_other_config_error() -> None:
    planned = closure(PACKAGE / "workflow/plan.py")
    scripts = [*(PACKAGE.parents[1] / "workflow/scripts").glob("*.py")]
    late = {module for path in scripts for module in closure(path)} - planned
    found = {s for module in late if not module.startswith(READERS) for s in sites(module)}
    assert found == {*LIBRARY_CALLS, *DECIDED_BEFORE}, (
        "reject it in config/checks or data/plan_checks, or raise another error"
    )
