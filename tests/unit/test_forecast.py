"""Forecasts of loaded models from datasets and files: numbers, units, checks of the state."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import hybrid_pde
from hybrid_pde.command_line import app
from hybrid_pde.config import parse_experiment
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import CheckpointError, DivergenceError, StateError
from hybrid_pde.models import ModelRegistry
from hybrid_pde.models.physical.calibrated_model import calibrated_experiment
from hybrid_pde.models.physical.parameters_file import write_parameters
from hybrid_pde.models.surrogate_file import save_synthetic_model
from hybrid_pde.models.synthetic.normalization import normalization_of
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel
from hybrid_pde.result_warnings import ResultWarning
from tests.unit.surrogates import CLOSED, PERIODIC, awake, surrogate

GRID = Grid(("x", "y"), (8, 6), (0.0, 0.0), (1.0, 0.75), (PERIODIC, CLOSED), (False, False))
LAYOUTS = (FieldLayout("velocity", ("x", "y")), FieldLayout("kappa", static=True))
UNITS = StatedUnits(length="m", time="s", variables=(("velocity", "m s-1"),))
READING = {"variables": {"velocity": ["u", "v"]}, "known_parameters": {"nu": "viscosity_of_run"}}
DATA = DataDescription(GRID, LAYOUTS, 0.01, UNITS, (KnownParameter("nu"),), READING)
NU = 0.7
RANGE = {"velocity": ([-10.0, -10.0], [10.0, 10.0]), "kappa": ([1.0], [3.0]), "nu": ([0.4], [0.8])}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A surrogate of a velocity, a static field and a parameter with the default 0.5."""
    inputs = {"velocity": 2, "kappa": 1, "nu": 1}
    model = awake(surrogate("ConvNet", GRID.boundary, inputs, {"velocity": 2}))
    model.parameter_defaults = {"nu": (0.5,)}
    model.training_range = RANGE
    file = tmp_path_factory.mktemp("forecast") / "synthetic_model.pt"
    save_synthetic_model(file, model, model.experiment, GRID, LAYOUTS, 0.01, origin=DATA)
    return file


@pytest.fixture
def model(path: Path) -> SyntheticModel:
    return hybrid_pde.load_synthetic_model(path)


def state(frames: int = 3, shape: tuple[int, int] = (8, 6)) -> xr.Dataset:
    """A smooth dataset on the model's domain, of any resolution."""
    x, y = (np.arange(n) + 0.5 for n in shape)
    x, y = x / shape[0], 0.75 * y / shape[1]
    t = 0.01 * np.arange(frames)
    wave = np.sin(2 * np.pi * (x - t[:, None]))[..., None] * np.cos(np.pi * y / 0.75)
    fields = np.stack([wave, 0.5 * wave + 1], axis=1).astype(np.float32)
    kappa = (1 + x[:, None] + y).astype(np.float32)
    return xr.Dataset(
        {
            "velocity": (("time", "vector", "x", "y"), fields, {"units": "m s-1"}),
            "kappa": (("x", "y"), kappa),
        },
        {
            "time": ("time", t, {"units": "s"}),
            "vector": ["x", "y"],
            "x": ("x", x, {"units": "m"}),
            "y": ("y", y, {"units": "m"}),
        },
    )


def by_hand(model: SyntheticModel, given: xr.Dataset, frame: int, nu: float, steps: int) -> Any:
    """The rollout of the plain tensors, ``[T, C, *space]``."""
    fields = torch.tensor(given["velocity"].values[frame])
    kappa = torch.tensor(given["kappa"].values)[None]
    whole = torch.cat([fields, kappa, torch.full_like(kappa, nu)])
    with torch.no_grad():
        return model.rollout(whole[None], steps)[0].numpy()


def test_a_dataset_is_continued_from_its_last_frame(model: SyntheticModel) -> None:
    given = state()
    found = model.rollout(given.transpose("y", "time", "x", "vector"), 4)
    assert found["velocity"].dims == ("time", "vector", "x", "y")
    assert found["velocity"].attrs["units"] == "m s-1"
    np.testing.assert_array_equal(found["velocity"], by_hand(model, given, 2, 0.5, 4))
    np.testing.assert_allclose(found["time"], [0.03, 0.04, 0.05, 0.06])
    np.testing.assert_array_equal(found["x"], given["x"])
    np.testing.assert_array_equal(found["kappa"], given["kappa"])
    assert found.attrs["nu"] == 0.5 and found.attrs["Conventions"].startswith("CF-")
    assert "frame 2" in found.attrs["initial_state"]
    single = model.rollout(given.isel(time=0), 1, parameters={"nu": NU})
    np.testing.assert_array_equal(single["velocity"], by_hand(model, given, 0, NU, 1))


def test_units_convert_and_components_may_be_variables_of_the_raw_files(
    model: SyntheticModel,
) -> None:
    given, expected = state(), model.rollout(state(), 2, index=-3, parameters={"nu": NU})
    parts = {
        name: (("time", "x", "y"), 100 * given["velocity"].values[:, place], {"units": "cm/s"})
        for place, name in enumerate("uv")
    }
    other = given.drop_vars("velocity").assign(parts).assign_attrs(viscosity_of_run=NU)
    other = other.assign_coords(x=("x", given["x"].values / 1000, {"units": "km"}))
    days = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(10, "ms")
    found = model.rollout(other.assign_coords(time=days), 2, index=0)
    np.testing.assert_allclose(found["velocity"], expected["velocity"], rtol=1e-5, atol=1e-6)
    assert found.attrs["nu"] == NU
    assert found["time"].attrs["units"].startswith("s since 2020-01-01")
    np.testing.assert_allclose(found["time"], [0.01, 0.02])


WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "points": (lambda d: d.isel(x=slice(7)), {}, "x: 7 points from .* here, 8 points .*regrid"),
    "place": (lambda d: d.assign_coords(x=d["x"] + 0.1), {}, r"x: 8 points from 0\.1625 to"),
    "axes": (lambda d: d.rename(y="z"), {}, "the axes are x, z here, x, y in the data of"),
    "name": (lambda d: d.rename(velocity="w"), {}, "no variable 'u'.*field.s. velocity, kappa"),
    "kind": (lambda d: d.isel(vector=0), {}, r"velocity: a scalar here, a vector \(x, y\)"),
    "unit": (
        lambda d: d.assign(velocity=d["velocity"].assign_attrs(units="K")),
        {},
        "velocity: in 'K' here, in 'm s-1'",
    ),
    "boundary": (
        lambda d: d.assign_attrs(boundary="periodic"),
        {},
        "y: the boundary at the lower end is 'periodic' here, 'zero-gradient' in the data",
    ),
    "missing": (
        lambda d: d.assign(kappa=d["kappa"].where(d["x"] > 0.2)),
        {},
        "kappa: .*missing",
    ),
    "frame": (lambda d: d, {"index": 3}, "frame 3: the file has 3, counted from 0"),
    "simulation": (lambda d: d, {"simulation": 1}, "simulation 1: the file has 1, counted"),
    "parameter": (
        lambda d: d,
        {"parameters": {"mu": 1.0}},
        "parameter 'mu': the neural surrogate has nu;",
    ),
    "numbers": (lambda d: d, {"parameters": {"nu": [1, 2]}}, r"'nu': 2 number\(s\); the model ta"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_state_that_does_not_fit_is_refused(model: SyntheticModel, case: str) -> None:
    change, options, message = WRONG[case]
    with pytest.raises(StateError, match=message):
        model.rollout(change(state()), 1, **options)


def test_another_grid_is_interpolated_only_if_asked(model: SyntheticModel) -> None:
    fine = state(shape=(32, 24))
    with pytest.raises(StateError, match="x: 32 points"):
        model.rollout(fine, 1)
    found = model.rollout(fine, 2, regrid=True)
    expected = model.rollout(state(), 2)
    assert found["velocity"].shape == expected["velocity"].shape
    np.testing.assert_allclose(found["velocity"], expected["velocity"], atol=2e-3)
    for other, message in (
        (fine.isel(x=slice(20)), "x: the state reaches from 0 to 0.625, the domain of the model"),
        (fine.assign_coords(y=2 * fine["y"]), "y: the state reaches from 0 to 1.5, the domain"),
    ):
        with pytest.raises(StateError, match=message):
            model.rollout(other, 1, regrid=True)


def test_a_start_unlike_the_training_is_warned_of(model: SyntheticModel) -> None:
    """Values, parameters, and frames of the forecast beyond those of the training."""
    with pytest.warns(ResultWarning) as found:
        model.rollout(20 * state(), 2, parameters={"nu": 0.95})
    said = [str(each.message) for each in found]
    assert [text.split(":")[1].split()[0] for text in said] == ["velocity", "kappa", "nu"]
    assert "nu lies at 0.95, in the training between 0.4 and 0.8: the forecast" in said[2]
    with torch.no_grad():
        model.increment_std.fill_(1e3)
    with pytest.warns(ResultWarning, match="far outside .* from step 1 on: it probably diverges"):
        model.rollout(state(), 3)


def test_the_range_of_the_training_is_that_of_its_windows() -> None:
    windows = [
        (torch.tensor([[0.0, 1.0], [5.0, 5.0]]), torch.tensor([[[1.0, 2.0]]])),
        (torch.tensor([[-1.0, 1.0], [7.0, 7.0]]), torch.tensor([[[0.0, 0.0]]])),
    ]
    found = normalization_of(windows, [0])["input_range"]
    assert found.tolist() == [[-1.0, 5.0], [2.0, 7.0]]


def test_an_infinite_forecast_and_an_unknown_grid_are_refused(model: SyntheticModel) -> None:
    model.increment_std.fill_(torch.inf)
    with pytest.raises(DivergenceError, match="velocity is infinite from step 1 of 3 on"):
        model.rollout(state(), 3)
    with pytest.raises(StateError, match="once it has been loaded from its file"):
        surrogate("ConvNet", GRID.boundary).rollout(state(), 3)


def run(*arguments: Any) -> int:
    return app.run([str(each) for each in arguments])


@pytest.mark.parametrize("name", ["forecast.nc", "forecast.zarr"])
def test_predict_writes_what_the_library_computes(
    name: str, path: Path, model: SyntheticModel, tmp_path: Path, capsys: Any
) -> None:
    state().to_netcdf(tmp_path / "state.nc")
    output = tmp_path / name
    common = ("predict", path, "--initial", tmp_path / "state.nc", "--steps", 3)
    assert run(*common, "--index", 1, "--parameters", f"nu={NU}", "--output", output) == 0
    shown = capsys.readouterr().out
    assert "state.nc, simulation 0, frame 1" in shown and "3 frames, time 0.02" in shown
    expected = model.rollout(state(), 3, index=1, parameters={"nu": NU})
    opened = xr.open_zarr(output) if name.endswith("zarr") else xr.open_dataset(output)
    with opened as written:
        for variable in expected.data_vars:
            np.testing.assert_array_equal(written[variable], expected[variable])
            assert written[variable].dims == expected[variable].dims
        assert written.attrs["nu"] == NU
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".tmp"] == []


def test_a_forecast_can_be_continued_with_its_parameters(path: Path, tmp_path: Path) -> None:
    state().to_netcdf(tmp_path / "state.nc")
    first, second, whole = (tmp_path / f"{name}.nc" for name in ("first", "second", "whole"))
    start = ("--initial", tmp_path / "state.nc", "--parameters", f"nu={NU}")
    assert run("predict", path, *start, "--steps", 2, "--output", first) == 0
    assert run("predict", path, "--initial", first, "--steps", 2, "--output", second) == 0
    assert run("predict", path, *start, "--steps", 4, "--output", whole) == 0
    with xr.open_dataset(second) as found, xr.open_dataset(whole) as expected:
        later = expected.isel(time=slice(2, None))
        np.testing.assert_array_equal(found["velocity"], later["velocity"])
        np.testing.assert_allclose(found["time"].values.astype(float),
                                   later["time"].values.astype(float))  # fmt: skip


OWN_NET = """
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.models.synthetic.architectures.convnet.network import ConvNet

@ModelRegistry.register_synthetic("OwnForecast")
class OwnForecast(ConvNet):
    pass
"""


def test_a_model_of_the_user_needs_its_module(
    path: Path, model: SyntheticModel, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr(ModelRegistry, "_synthetic", dict(ModelRegistry._synthetic))
    (tmp_path / "own.py").write_text(OWN_NET)
    content = torch.load(path, weights_only=True)
    content["config"]["model"]["synthetic"] |= {"name": "OwnForecast", "module": "own.py"}
    torch.save(content, tmp_path / "own.pt")
    state().to_netcdf(tmp_path / "state.nc")
    start = ("--initial", tmp_path / "state.nc", "--steps", 2, "--output", tmp_path / "o.nc")
    assert run("predict", tmp_path / "own.pt", *start) == 1
    assert "registered in 'own.py'; import that file first (hybrid-pde: --module FILE)" in (
        capsys.readouterr().err
    )
    assert run("predict", tmp_path / "own.pt", *start, "--module", tmp_path / "own.py") == 0
    with xr.open_dataset(tmp_path / "o.nc") as found:
        np.testing.assert_array_equal(found["velocity"], model.rollout(state(), 2)["velocity"])


def test_what_predict_refuses(path: Path, tmp_path: Path, capsys: Any) -> None:
    state().to_netcdf(tmp_path / "state.nc")
    (tmp_path / "folder.zarr").mkdir()
    calls: dict[tuple[Any, ...], str] = {
        (tmp_path / "m.pt2", "o.nc"): "loading a .pt2 file can execute code",
        (tmp_path / "no.pt", "o.nc"): "no.pt: there is no such file",
        (tmp_path / "state.nc", "o.nc"): "state.nc: no model: the ending is '.nc'",
        (path, "o.txt"): "the ending '.txt' is no format that is written; use .nc",
        (path, "folder.zarr"): "exists and is no Zarr store, so it is not replaced",
        (
            path,
            "o.nc",
            "--initial",
            tmp_path,
        ): "scene; name one state in it, e.g. folder.zarr",
        (path, "o.nc", "--parameters", "nu"): "'nu': no name and number",
        (path, "o.nc", "--parameters", "nu=nan"): "'nu=nan': no name and number",
    }
    for (model, output, *more), message in calls.items():
        start = ("--initial", tmp_path / "state.nc", "--steps", 1)
        assert run("predict", model, *start, "--output", tmp_path / output, *more) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "o.nc").exists()


WAVE = Grid(("x",), (32,), (0.0,), (2.0,), (PERIODIC,), (False,))


def calibrated(folder: Path, equation: str = "DiffusionPDE", **data: Any) -> Path:
    """Results of a calibration of u_t = D u_xx with D = 0.1 m²/s."""
    section: dict[str, Any] = {"name": equation, "numerics": {"scheme": "spectral"}}
    section["pde_params"] = {} if data else {"diffusivity": 9.0}
    if equation == "AdvectionDiffusionPDE":
        section["pde_params"] |= {"velocity": 0.0, "source": 2.0}
    experiment = parse_experiment(
        {"data": {"fields": ["heat"], **data}, "model": {"physical": section}}
    )
    known = (KnownParameter("diffusivity"),) if data else ()
    units = StatedUnits(length="m", time="s", variables=(("heat", "K"),))
    layouts = (FieldLayout("heat"),)
    description = DataDescription(WAVE, layouts, 0.5, units, known, data)
    value = {"value": 0.1, "std": None, "unit": "m²/s"}
    numerics = {"scheme": "spectral", "order": 2, "refine": 1, "grid": WAVE.to_dict(), "dt": 0.5}
    result = {
        "parameters": {} if data else {"diffusivity": value},
        "undetermined_directions": [],
        "status": "converged",
        "loss": 0.0,
        "iterations": 1,
        "numerics": numerics,
        "fields": {},
        "experiment": calibrated_experiment(experiment, description),
    }
    path = folder / "physical" / "parameters.yaml"
    path.parent.mkdir(parents=True)
    write_parameters(path, result)
    return path.parent


def heat(frames: int = 1) -> xr.Dataset:
    """One wave of amplitude 1 around 300 K, on the grid of the model but in km."""
    x = 2.0 * (np.arange(32) + 0.5) / 32
    values = 300 + np.sin(np.pi * x) * np.ones((frames, 1))
    return xr.Dataset(
        {"heat": (("time", "x"), values, {"units": "K"})},
        {"time": 7.0 + 0.5 * np.arange(frames), "x": ("x", x / 1000, {"units": "km"})},
    )


def decay(diffusivity: float, time: float) -> Any:
    return np.sin(np.pi * heat()["x"].values * 1000) * np.exp(-diffusivity * np.pi**2 * time)


def test_a_parameter_may_have_the_name_of_an_attribute(tmp_path: Path, capsys: Any) -> None:
    folder = calibrated(tmp_path, "AdvectionDiffusionPDE")
    found = hybrid_pde.load_physical_model(folder).rollout(heat(), steps=1)
    assert found.attrs["source"].startswith("calibrated physical model")
    assert found["source"] == 2.0 and found.attrs["diffusivity"] == 0.1
    heat().to_netcdf(tmp_path / "state.nc")
    start = ("--initial", tmp_path / "state.nc", "--steps", 1)
    assert run("predict", folder, *start, "--output", tmp_path / "o.nc") == 0
    shown = capsys.readouterr().out
    assert "parameters: diffusivity = 0.1 m²/s, velocity = " in shown and "source = 2" in shown


def test_a_calibrated_model_solves_its_equation_with_its_parameters(tmp_path: Path) -> None:
    folder = calibrated(tmp_path)
    found = hybrid_pde.load_physical_model(folder).rollout(heat(2), steps=3)
    assert found["heat"].dims == ("time", "x") and found["heat"].attrs["units"] == "K"
    np.testing.assert_allclose(found["time"], [8.0, 8.5, 9.0])
    np.testing.assert_allclose(found["heat"][2], 300 + decay(0.1, 1.5), atol=1e-4)
    assert found.attrs["diffusivity"] == 0.1
    model = hybrid_pde.load_physical_model(folder)
    refused = ((-0.1, "it is 0 or above"), ([1, 2, 3], r"3 number\(s\); the model takes 1"))
    for wrong, message in refused:
        with pytest.raises(StateError, match=message):
            model.rollout(heat(), 1, parameters={"diffusivity": wrong})
    heat(2).to_netcdf(tmp_path / "heat.nc")
    common = ("predict", folder, "--initial", tmp_path / "heat.nc", "--steps", 3)
    output = tmp_path / "forecast.nc"
    assert run(*common, "--parameters", "diffusivity=0.2", "--output", output) == 0
    with xr.open_dataset(output) as written:
        np.testing.assert_allclose(written["heat"][2], 300 + decay(0.2, 1.5), atol=1e-4)


def test_a_forecast_that_the_grid_does_not_resolve_is_warned_of() -> None:
    """Burgers' equation from a sine wave: a shock, which a spectral scheme cannot hold."""
    section = {"name": "BurgersPDE", "numerics": {"scheme": "spectral"}}
    section["pde_params"] = {"viscosity": 0.1}
    experiment = parse_experiment({"data": {"fields": ["u"]}, "model": {"physical": section}})
    model = ModelRegistry(experiment).get_physical_model()
    model.data = DataDescription(WAVE, (FieldLayout("u"),), 0.2, StatedUnits())
    x = 2.0 * (np.arange(32) + 0.5) / 32
    start = xr.Dataset({"u": (("time", "x"), np.sin(np.pi * x)[None])}, {"time": [0.0], "x": x})
    model.rollout(start, 4)
    with pytest.warns(ResultWarning) as found:
        model.rollout(start, 4, parameters={"viscosity": 1e-4})
    far, unresolved = (str(each.message) for each in found)
    assert "parameter 'viscosity': 0.0001 is 0.001 times the calibrated 0.1 length" in far
    assert "the grid does not resolve u: at frame 3, " in unresolved


def test_a_known_parameter_comes_from_the_state(tmp_path: Path) -> None:
    folder = calibrated(tmp_path, known_parameters={"diffusivity": "D"})
    model = hybrid_pde.load_physical_model(folder)
    with pytest.raises(StateError, match="no value of the known parameter diffusivity; give it"):
        model.rollout(heat(), 1)
    found = model.rollout(heat().assign_attrs(D=0.3), 1)
    np.testing.assert_allclose(found["heat"][0], 300 + decay(0.3, 0.5), atol=1e-4)


def test_a_forecast_with_a_known_field_can_be_continued(tmp_path: Path) -> None:
    """The field is in the result as it was read, and no number stands for it."""
    section = {"name": "AdvectionDiffusionPDE", "numerics": {"scheme": "spectral"}}
    section["pde_params"] = {"diffusivity": 0.1, "velocity": 0.0}
    experiment = parse_experiment(
        {
            "data": {"fields": ["heat"], "known_parameters": {"source": "heating"}},
            "model": {"physical": section},
        }
    )
    model = ModelRegistry(experiment).get_physical_model()
    known = KnownParameter("source", is_field=True)
    reading = {"known_parameters": {"source": "heating"}}
    layouts = (FieldLayout("heat"),)
    model.data = DataDescription(WAVE, layouts, 0.5, StatedUnits(), (known,), reading)
    x = 2.0 * (np.arange(32) + 0.5) / 32
    wave = np.sin(np.pi * x)
    start = xr.Dataset({"heat": (("time", "x"), 0 * wave[None]), "heating": ("x", wave)}, {"x": x})
    start = start.assign_coords(time=[0.0])
    first = model.rollout(start, 2)
    np.testing.assert_array_equal(first["heating"], wave)
    assert "source" in first.attrs and not isinstance(first.attrs["source"], float)
    whole = model.rollout(start, 4)["heat"]
    steady = wave / (0.1 * np.pi**2) * (1 - np.exp(-0.1 * np.pi**2 * 2.0))
    np.testing.assert_allclose(whole[3], steady, atol=1e-4)
    np.testing.assert_allclose(model.rollout(first, 2)["heat"][1], whole[3], atol=1e-6)


def test_a_calibration_without_its_data_says_how_to_get_them(tmp_path: Path) -> None:
    folder = calibrated(tmp_path)
    path = folder / "parameters.yaml"
    path.write_text(path.read_text().partition("  description:")[0])
    model = hybrid_pde.load_physical_model(folder)
    with pytest.raises(StateError, match="re-run the stage train_physical"):
        model.rollout(heat(), 1)


def test_a_damaged_description_is_a_damaged_model(path: Path, tmp_path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["reading"] = ["no mapping"]
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="cannot be rebuilt"):
        hybrid_pde.load_synthetic_model(tmp_path / "model.pt")
    for key in ("reading", "units", "known"):
        del content[key]
    torch.save(content, tmp_path / "model.pt")  # of an earlier version
    old = hybrid_pde.load_synthetic_model(tmp_path / "model.pt")
    given, new = state(), hybrid_pde.load_synthetic_model(path)
    plain = given.map(lambda each: each.assign_attrs(units="")).copy()
    for name in ("x", "y"):
        plain[name].attrs = {}
    found = old.rollout(plain, 2)
    np.testing.assert_array_equal(found["velocity"], new.rollout(given, 2)["velocity"])
