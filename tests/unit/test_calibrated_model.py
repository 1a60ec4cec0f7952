"""Calibrated physical models loaded from results."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import hybrid_pde
from hybrid_pde.config import parse_experiment
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import CalibrationError, StateError
from hybrid_pde.factories import ModelFactory
from hybrid_pde.models.forecast import forecast_dataset
from hybrid_pde.models.forecaster_files import load_forecaster
from hybrid_pde.models.physical.calibrated_model import (
    calibrated_experiment,
    values_in_place_of_stated,
)
from hybrid_pde.models.physical.parameters_file import write_parameters

GRID = Grid(("x",), (16,), (0.0,), (2.0,), ((PERIODIC, PERIODIC),), (False,))


def experiment_of(physical: dict[str, Any], **data: Any) -> Any:
    learnable = [{"name": "viscosity", "initial_guess": 0.3}]
    return parse_experiment(
        {
            "run_params": {"model_type": "physical"},
            "data": {"dset_name": "d", "fields": ["u"], **data},
            "model": {"physical": physical},
            "trainer_params": {"train_sim": [0], "learnable_parameters": learnable},
        }
    )


def write(
    folder: Path,
    experiment: Any,
    value: Any,
    name: str = "viscosity",
    description: DataDescription | None = None,
    **more: Any,
) -> Path:
    """Results of a calibration that estimated one parameter."""
    result = {
        "parameters": {name: {"value": value, "std": None, "unit": "length²/time"}},
        "undetermined_directions": [],
        "status": "converged",
        "loss": 1e-9,
        "iterations": 3,
        "numerics": {
            "scheme": "spectral", "order": 4, "refine": 1, "dt": 0.05, "grid": GRID.to_dict(),
        },
        "fields": {},
        "experiment": calibrated_experiment(experiment, description),
    }  # fmt: skip
    path = folder / "physical" / "parameters.yaml"
    path.parent.mkdir(parents=True)
    write_parameters(path, {**result, **more})
    return path


def test_the_calibrated_value_and_scheme_are_loaded(tmp_path: Path) -> None:
    section = {"name": "BurgersPDE", "pde_params": {"advection": 0.5, "viscosity": 9.0}}
    experiment = experiment_of(section)
    path = write(tmp_path, experiment, 0.07)
    wave = torch.sin(torch.pi * (torch.arange(16) + 0.5) / 8).reshape(1, 1, 16)
    expected = ModelFactory.create_physical_model(
        experiment_of({**section, "numerics": {"scheme": "spectral", "order": 4}})
    )
    assert expected.viscosity.item() == 0.3, "the factory starts from the guess"
    expected.set_parameters({"viscosity": torch.tensor(0.07, dtype=torch.float64)})
    for place in (tmp_path, path.parent, path):
        model = hybrid_pde.load_physical_model(place)
        assert (model.viscosity.item(), model.advection.item()) == (0.07, 0.5)
        assert model.discretization == expected.discretization
    with torch.no_grad():
        found, wanted = (
            [frame["u"] for frame in each.rollout({"u": wave}, GRID, 3, 0.05)]
            for each in (model, expected)
        )
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_field_and_known_parameters_are_loaded(tmp_path: Path) -> None:
    experiment = parse_experiment(
        {
            "data": {"fields": ["u"]},
            "model": {"physical": {"name": "DiffusionPDE", "pde_params": {"conservative": False}}},
        }
    )
    values = np.linspace(0.1, 0.2, 16)
    write(tmp_path, experiment, {"mean": 0.15}, "diffusivity", fields={"diffusivity": values})
    model = hybrid_pde.load_physical_model(tmp_path)
    np.testing.assert_allclose(model.diffusivity.detach(), values)
    assert model.options == {"conservative": False}
    known = experiment_of({"name": "AllenCahnPDE"}, known_parameters={"reaction_rate": "r"})
    write(tmp_path / "known", known, 0.4, "diffusivity")
    assert hybrid_pde.load_physical_model(tmp_path / "known").diffusivity.item() == 0.4


def test_a_value_of_each_simulation_comes_from_the_state_if_the_data_state_it(
    tmp_path: Path,
) -> None:
    experiment = experiment_of({"name": "BurgersPDE", "numerics": {"scheme": "spectral"}})
    own = {"value": [0.1, 0.2, 0.4], "std": None, "unit": "", "per_simulation": True}
    known, layouts = (KnownParameter("viscosity"),), (FieldLayout("u"),)
    reading = {"known_parameters": {"viscosity": "nu"}}
    description = DataDescription(GRID, layouts, 0.05, StatedUnits(), known, reading)
    parameters = {"viscosity": {**own, "simulations": [0, 1, 2]}}
    path = write(tmp_path, experiment, 0.0, description=description, parameters=parameters)
    assert values_in_place_of_stated(path) == {"viscosity": 0.2}
    x = (np.arange(16) + 0.5) / 8
    state = xr.Dataset({"u": (("time", "x"), np.sin(np.pi * x)[None])}, {"time": [0.0], "x": x})
    forecaster = load_forecaster(path.parent)
    found = forecast_dataset(forecaster, state.assign_attrs(nu=0.3), 1)
    assert found.attrs["viscosity"] == 0.3
    with pytest.raises(StateError, match="no value of the known parameter viscosity; give it"):
        forecast_dataset(forecaster, state, 1)


def test_what_cannot_be_loaded_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"physical/parameters\.yaml: no calibrated param"):
        hybrid_pde.load_physical_model(tmp_path / "nothing")
    burgers = experiment_of({"name": "BurgersPDE"})
    write(tmp_path / "open", burgers, None)
    with pytest.raises(CalibrationError, match="viscosity: the data do not determine it; give"):
        hybrid_pde.load_physical_model(tmp_path / "open")
    own = experiment_of({"name": "MyUnknownPDE", "module": "my.py"})
    path = write(tmp_path / "own", own, 1.0)
    assert "my.py" not in path.read_text(), "no paths"
    with pytest.raises(CalibrationError, match="'MyUnknownPDE' is unknown.*import its module fir"):
        hybrid_pde.load_physical_model(tmp_path / "own")
    path.write_text(path.read_text().partition("experiment:")[0])
    with pytest.raises(CalibrationError, match="cannot be rebuilt: KeyError.*re-run the stage"):
        hybrid_pde.load_physical_model(tmp_path / "own")
