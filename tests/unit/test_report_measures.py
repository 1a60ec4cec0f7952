"""Measures behind the report: examples, cost beside coarser solvers, residual maps, frames."""

import io
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.evaluation.figures.rollout_frames import describe_rollout
from hybrid_pde.evaluation.measures.examples import example_simulations
from hybrid_pde.evaluation.report.cost_section import at_equal_error, cost_sentence
from hybrid_pde.evaluation.rollout_samples import make_sample
from hybrid_pde.training.physical.autocorrelation import correlation
from hybrid_pde.training.physical.residual_maps import residual_maps
from hybrid_pde.training.physical.residuals import Residuals
from tests.unit.evaluation_cases import waves


def _found(errors, diverged=()):
    return {"by_simulation": {"vrmse": errors}, "diverged_at": {key: 1 for key in diverged}}


def test_median_and_worst_simulation_are_those_of_the_surrogate() -> None:
    errors = {"3": 0.2, "4": 0.1, "5": 0.5, "6": None}
    assert example_simulations({"synthetic": _found(errors)}) == {"median": 3, "worst": 5}
    diverged = {"synthetic": _found(errors, "6"), "physical": _found({"3": 9.0})}
    assert example_simulations(diverged) == {"median": 3, "worst": 6}
    assert example_simulations({"physical": _found({"3": 9.0})}) == {"median": 3, "worst": 3}
    assert example_simulations({"persistence": _found(errors)}) == {}


def _point(model, shape, vrmse, seconds):
    return {"model": model, "shape": shape, "vrmse": vrmse, "seconds": seconds}


def test_cost_is_compared_with_the_cheapest_solver_that_is_as_accurate() -> None:
    points = [
        _point("synthetic", [64], 0.01, 1e-3),
        _point("physical", [64], 1e-4, 8e-3),
        _point("physical", [32], 0.009, 2e-3),
        _point("physical", [16], 0.1, 5e-4),
        _point("physical", [8], None, None),
    ]
    assert at_equal_error(points) == points[2]
    assert "on 32 points (VRMSE 0.009), takes 2 ms: 2 × slower" in cost_sentence({"cost": points})
    assert "no solver that was tried is as accurate" in cost_sentence({"cost": points[:1]})
    assert cost_sentence({}) == ""


def test_residual_maps_are_the_means_over_windows_frames_and_components() -> None:
    sides = ((PERIODIC, PERIODIC),) * 2
    grid = Grid(("x", "y"), (3, 2), (0.0, 0.0), (3.0, 1.0), sides, (False, False))
    values = np.random.default_rng(0).normal(size=(4, 2, 3, 2))
    masked = np.ones(values.shape, dtype=bool)
    masked[:, :, 0, 0] = False
    windows = [Residuals(values), Residuals(2 * values[:3] * masked[:3], masked[:3])]
    found = residual_maps(windows, correlation(windows), grid, 0.5)
    at = (1, 1)
    squares = [*values[:, :, *at].ravel() ** 2, *(2 * values[:3, :, *at].ravel()) ** 2]
    assert found["map"][1][1] == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-3)
    assert found["map"][0][0] == pytest.approx(np.sqrt(np.mean(values[..., 0, 0] ** 2)), rel=1e-3)
    assert found["by_time"][3] == pytest.approx(np.sqrt(np.mean(values[3] ** 2)), rel=1e-3)
    assert list(found["correlation"]) == ["time", "x", "y"]
    every = [*values.ravel() ** 2, *(2 * values[:3][masked[:3]]) ** 2]
    assert found["rms"] == pytest.approx(np.sqrt(np.mean(every)), rel=1e-3)
    assert len(found["by_time"]) == 4 and np.shape(found["mean_map"]) == (3, 2)


def test_sensor_residuals_have_no_map() -> None:
    sides = ((PERIODIC, PERIODIC),)
    grid = Grid(("x",), (8,), (0.0,), (1.0,), sides, (False,))
    windows = [Residuals(np.ones((5, 3)))]
    found = residual_maps(windows, correlation(windows), grid, 0.5)
    assert found["rms"] == 1.0 and "map" not in found


def test_frames_show_every_state_upright_and_missing_values_in_grey() -> None:
    simulation = waves((6, 4), frames=3)
    truth = {"velocity": simulation.fields["velocity"].numpy()}
    predicted = np.array(truth["velocity"][1:])
    predicted[1] = np.nan  # diverged
    sample = make_sample(7, simulation, truth, {"physical": {"velocity": predicted}})
    found = describe_rollout(sample)
    assert found["frames"] == [0, 1, 2] and found["times"] == ["0", "0.05", "0.1"]
    panels = found["fields"][0]["panels"]
    assert [panel["title"] for panel in panels] == [
        "truth", "physical model", "error of the physical model",
    ]  # fmt: skip
    shown, lost = (
        np.asarray(Image.open(io.BytesIO(b64decode(panel["png"])))) for panel in panels[:2]
    )
    assert shown.shape == (3 * 4, 6)
    size = np.linalg.norm(truth["velocity"], axis=1)
    brightest = np.unravel_index(size[0].argmax(), size[0].shape)
    assert shown[3 - brightest[1], brightest[0]] == shown[:4].max()
    assert (lost[8:] == 255).all() and (lost[:8] < 255).all()


def test_errors_that_are_rounding_are_not_enlarged() -> None:
    simulation = waves((6, 4), frames=3)
    truth = {"velocity": simulation.fields["velocity"].numpy()}
    predicted = truth["velocity"][1:] * np.float32(1 + 1e-7)
    sample = make_sample(7, simulation, truth, {"physical": {"velocity": predicted}})
    errors = describe_rollout(sample)["fields"][0]["panels"][2]
    shown = np.asarray(Image.open(io.BytesIO(b64decode(errors["png"]))))
    assert shown.max() < 100  # of 254
