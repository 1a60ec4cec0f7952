"""Calibration of fields in every parametrization, and their files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from hybrid_pde.domain.grid import ZERO_GRADIENT, axis_points
from hybrid_pde.errors import CalibrationError
from hybrid_pde.models.physical import BurgersPDE, DiffusionPDE
from hybrid_pde.models.physical.parameters_file import load_parameters, write_parameters
from hybrid_pde.numerics.resampling import resampled_grid
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical import PhysicalTrainer
from tests.gradient.calibration_case import Windows
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config
from tests.physics.walled_box import box, points_of

FD2 = {"scheme": "finite_difference", "order": 2, "substeps": 3}
DT = 0.03
WALLS = box((20,), ((0.3, ZERO_GRADIENT),))  # x from -0.2 to 0.5
SHARE = (points_of(WALLS)[0] + 0.2) / 0.7
BUMP = 0.02 + 0.05 * torch.exp(-(((SHARE - 0.6) * 0.7 / 0.15) ** 2))
WAVE = 0.05 + 0.02 * torch.cos(torch.pi * SHARE) - 0.01 * torch.cos(2 * torch.pi * SHARE)
LINE = periodic_grid((24,), (0.7,))


def diffused(diffusivity: torch.Tensor) -> Windows:
    """Frames of u_t = ∂(κ ∂u) between a wall at 0.3 and a no-flux wall."""
    truth = DiffusionPDE(physical_config("DiffusionPDE", {"diffusivity": 1.0}, [], FD2))
    truth.set_parameters({"diffusivity": diffusivity})
    start = 0.3 + torch.sin(3.5 * torch.pi * SHARE) + torch.sin(0.5 * torch.pi * SHARE)
    frames = [start[None], *truth.rollout(start[None], WALLS, 8, DT)]
    return Windows(torch.stack(frames).detach(), WALLS, 8, 8, DT)


def trainer_of(parameter: dict[str, Any], **training: Any) -> PhysicalTrainer:
    parameters = [{"name": "diffusivity", **parameter}]
    settings = {"check_discretization": False, **training}
    config = physical_config("DiffusionPDE", {}, parameters, FD2, **settings)
    model = DiffusionPDE(config)
    return PhysicalTrainer(config, model, [model.diffusivity])


GAUSSIANS: dict[str, Any] = {
    "parametrization": {"type": "gaussians", "count": 1, "background": 0.02, "clip": [1e-3, None]},
    "initial_guess": {"amplitude": 0.02, "centre": [0.1], "width": 0.25},
}


def test_gaussians_on_walls() -> None:
    result = trainer_of(GAUSSIANS).train(diffused(BUMP), 1)
    found = result["parameters"]["diffusivity"]
    assert result["status"] == "converged" and found["determined"]
    assert found["value"]["amplitude"] == pytest.approx([0.05], rel=1e-6)
    assert found["value"]["centre"] == [pytest.approx([0.6 * 0.7 - 0.2], rel=1e-6)]
    assert found["value"]["width"] == pytest.approx([0.15], rel=1e-6)
    names = ["amplitude[0]", "centre[0].x", "width[0]"]
    assert found["labels"] == [f"diffusivity.{name}" for name in names]
    np.testing.assert_allclose(result["fields"]["diffusivity"], BUMP, rtol=1e-6)


def test_clipped_gaussians_are_evaluated_on_the_grid_of_the_solver() -> None:
    """Interpolated from the data's grid, the kink would be off by some percent."""
    clipped = {"type": "gaussians", "count": 1, "background": 0.02, "clip": [None, 0.06]}
    guess = {"amplitude": 0.1, "centre": [0.13], "width": 0.15}
    parameter = {"name": "diffusivity", "parametrization": clipped, "initial_guess": guess}
    config = physical_config(
        "DiffusionPDE", {}, [parameter], {"order": 2, "refine": 2, "scheme": "finite_difference"}
    )
    model = DiffusionPDE(config)
    vector = PhysicalTrainer(config, model, [model.diffusivity]).vector.on(WALLS)
    found = vector.decode(torch.from_numpy(vector.read()))["diffusivity"]
    x = axis_points(resampled_grid(WALLS, 2))["x"]
    assert len(x) > WALLS.shape[0] == len(model.diffusivity)
    expected = np.minimum(0.02 + 0.1 * np.exp(-(((x - 0.13) / 0.15) ** 2)), 0.06)
    assert found.numpy() == pytest.approx(expected, rel=1e-12)
    own, exact = (
        torch.stack(list(model.rollout(SHARE[None], WALLS, 2, DT, parameters)))
        for parameters in (None, {"diffusivity": found})
    )
    assert 1e-6 < float((own - exact).abs().max()) < 1e-2


def test_fourier_modes_on_walls() -> None:
    parameter = {"parametrization": {"type": "fourier", "modes": 3}, "initial_guess": 0.04}
    result = trainer_of(parameter).train(diffused(WAVE), 1)
    modes = result["parameters"]["diffusivity"]["value"]["modes"]
    expected = {"0": 0.05, "cos1": 0.02, "cos2": -0.01, "cos3": 0.0}
    assert modes == {name: pytest.approx(v, abs=1e-8) for name, v in expected.items()}


def test_grid_values_with_lbfgsb() -> None:
    parametrization = {"type": "grid", "smoothness": 1e-4}
    parameter = {"parametrization": parametrization, "initial_guess": 0.04, "bounds": [5e-3, 0.2]}
    found, losses = [], []
    for method, tolerance in (("gauss-newton", 1e-6), ("L-BFGS-B", 1e-3)):
        calibration = trainer_of(parameter, method=method, abs_tol=tolerance)
        result = calibration.train(diffused(WAVE), 1)
        assert result["status"] == "converged"
        found.append(torch.from_numpy(result["fields"]["diffusivity"]))
        losses.append(result["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    for field in found:  # the penalty smooths it a little
        assert (field - WAVE).norm() < 0.25 * (WAVE - WAVE.mean()).norm()


def test_grid_values_with_adam_descend_within_bounds() -> None:
    parameter = {
        "parametrization": {"type": "grid", "smoothness": 1e-6},
        "initial_guess": 0.04,
        "bounds": [0.03, 0.2],
    }
    calibration = trainer_of(parameter, method="adam", learning_rate=0.05)
    with pytest.warns(ResultWarning, match="numbers of diffusivity are at the lower bound 0.03"):
        result = calibration.train(diffused(WAVE), 15)
    assert result["final_loss"] < 0.2 * result["train_losses"][0]
    assert result["fields"]["diffusivity"].min() >= 0.03


def test_smoothness_flattens_the_field() -> None:
    spreads = []
    for smoothness in (1e-6, 1.0):
        parametrization = {"type": "grid", "smoothness": smoothness}
        calibration = trainer_of({"parametrization": parametrization, "initial_guess": 0.04})
        fields = calibration.train(diffused(WAVE), 1)["fields"]["diffusivity"]
        spreads.append(fields.std() / WAVE.std(correction=0).item())
    assert spreads[0] == pytest.approx(1, abs=0.1)
    assert spreads[1] < 0.2


def test_a_field_together_with_a_number() -> None:
    (x,) = coordinates(LINE)
    k = 2 * torch.pi / 0.7
    potential = 0.05 * torch.cos(k * x) - 0.03 * torch.sin(2 * k * x)
    truth = BurgersPDE(physical_config("BurgersPDE", {"viscosity": 0.02}, [], FD2))
    truth.set_parameters({"potential": potential})
    start = (0.3 * torch.sin(k * x) + 0.1)[None]
    frames = torch.stack([start, *truth.rollout(start, LINE, 8, DT)]).detach()
    parameters = [
        {
            "name": "potential",
            "parametrization": {"type": "fourier", "modes": 2},
            "initial_guess": 0.0,
        },
        {"name": "viscosity", "initial_guess": 0.05},
    ]
    config = physical_config("BurgersPDE", {}, parameters, FD2, check_discretization=False)
    model = BurgersPDE(config)
    calibration = PhysicalTrainer(config, model, [model.potential, model.viscosity])
    with pytest.warns(ResultWarning, match="potential: the data do not determine it"):
        result = calibration.train(Windows(frames, LINE, 4, 4, DT), 1)
    assert result["parameters"]["viscosity"]["value"] == pytest.approx(0.02, rel=1e-6)
    # The force does not determine the mean of its potential.
    found = torch.from_numpy(result["fields"]["potential"])
    assert not result["parameters"]["potential"]["determined"]
    assert list(result["undetermined_directions"][0]) == ["potential.mode[0]"]
    torch.testing.assert_close(found - found.mean(), potential, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``parameters.yaml`` of a calibrated field, with the field's file next to it."""
    path = tmp_path_factory.mktemp("physical") / "parameters.yaml"
    write_parameters(path, trainer_of(GAUSSIANS).train(diffused(BUMP), 1))
    return path


def test_field_is_written_and_read(written: Path) -> None:
    model = trainer_of(GAUSSIANS).model
    load_parameters(written, model)
    torch.testing.assert_close(model.diffusivity.detach(), BUMP, rtol=1e-6, atol=0)
    assert (model.discretization.scheme, model.discretization.order) == ("finite_difference", 2)
    value = yaml.safe_load(written.read_text())["parameters"]["diffusivity"]["value"]
    with xr.open_dataset(written.with_name(value["file"])) as dataset:
        np.testing.assert_allclose(dataset["x"], points_of(WALLS)[0])
        assert dataset["diffusivity"].attrs["units"] == "length²/time"


def test_changed_or_absent_field_is_refused(written: Path, tmp_path: Path) -> None:
    model = trainer_of(GAUSSIANS).model
    copy = tmp_path / "parameters.yaml"
    copy.write_bytes(written.read_bytes())
    with pytest.raises(CalibrationError, match=r"diffusivity\.nc: is missing"):
        load_parameters(copy, model)
    content = bytearray(written.with_name("diffusivity.nc").read_bytes())
    content[-1] ^= 1
    (tmp_path / "diffusivity.nc").write_bytes(content)
    with pytest.raises(CalibrationError, match=r"diffusivity\.nc: was changed"):
        load_parameters(copy, model)
