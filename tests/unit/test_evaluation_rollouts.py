"""Rollouts on held-out simulations: metrics, divergence, predictors, and files."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.domain.grid import Grid, axis_points
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.evaluation.physical_predictor import PhysicalPredictor
from hybrid_pde.evaluation.predictors import persistence
from hybrid_pde.evaluation.rollout_evaluation import evaluate, write_metrics
from hybrid_pde.evaluation.rollouts_file import rollout_dataset, write_rollouts
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.synthetic.synthetic_predictor import SyntheticPredictor
from tests.unit.evaluation_cases import Waves, waves

State = Mapping[str, torch.Tensor]


class _Oracle:
    """Predicts the truth plus an offset, NaN after ``last`` steps."""

    def __init__(self, simulation: Waves, offset: float, last: int | None = None) -> None:
        self.frames = simulation.fields["velocity"]
        self.offset = offset
        self.last = last

    def __call__(self, initial: State, steps: int) -> State:
        assert torch.equal(initial["velocity"][0], self.frames[0])
        frames = self.frames[1 : steps + 1] + self.offset
        if self.last is not None:
            frames[self.last :] = torch.nan
        return {"velocity": frames.unsqueeze(0)}


def test_persistence_repeats_the_initial_state() -> None:
    initial = {"u": torch.arange(6.0).reshape(1, 1, 6)}
    predicted = persistence(initial, 3)["u"]
    assert predicted.shape == (1, 3, 1, 6)
    assert all(torch.equal(predicted[:, step], initial["u"]) for step in range(3))


def test_metrics_have_the_agreed_layout_and_values() -> None:
    simulation = waves(static=True)
    found = evaluate([(4, simulation)], {"synthetic": _Oracle(simulation, 0.1)}, split="test")
    assert list(found.metrics) == ["synthetic", "persistence", "evaluated_on", "spectra"]
    described = found.metrics["evaluated_on"]
    assert {key: described[key] for key in ("simulations", "split", "dt", "num_steps")} == {
        "simulations": [4], "split": "test", "dt": 0.05, "num_steps": 4,
    }  # fmt: skip
    assert described["wavenumbers"][0] == pytest.approx(2 * np.pi / 3)
    assert list(described["conserved"]["velocity"]) == ["integral"]  # the waves decay
    synthetic = found.metrics["synthetic"]
    assert list(synthetic["by_field"]) == ["velocity"]
    # Both components have the variance exp(−2t)/2, the error is 0.1 in both.
    expected = 0.1 * np.sqrt(2) * np.exp(0.05 * np.arange(1, 5))
    assert synthetic["by_lead_time"]["vrmse"] == pytest.approx(expected, rel=1e-5)
    truth = simulation.fields["velocity"].double().numpy()
    scale = truth[1:].var(axis=(2, 3)).sum(axis=1)
    error = ((truth[1:] - truth[0]) ** 2).mean(axis=(2, 3)).sum(axis=1)
    assert found.metrics["persistence"]["by_lead_time"]["vrmse"] == pytest.approx(
        np.sqrt(error / scale), rel=1e-12
    )
    # the offset shifts the mean only: spectra and correlation are unaffected
    assert synthetic["spectral_error"]["low"] == pytest.approx(0, abs=1e-6)
    assert synthetic["correlation_time"] == pytest.approx(0.2)
    assert synthetic["correlation_time_capped"] == 1
    size = np.sqrt((truth[0] ** 2).mean(axis=(1, 2)).sum())
    drift = synthetic["conserved"]["velocity"]["integral"]["drift"]
    assert drift == pytest.approx(0.1 * np.sqrt(2) / size, rel=1e-5)
    assert found.metrics["persistence"]["conserved"]["velocity"]["integral"]["drift"] == 0


def test_simulations_are_read_one_at_a_time_and_few_are_kept() -> None:
    alive: list[int] = []

    def stream() -> object:
        for index in range(5):
            alive.append(index)
            yield index, waves(phase=index)

    found = evaluate(stream(), {}, split="validation", max_samples=2)
    assert alive == found.metrics["evaluated_on"]["simulations"] == [0, 1, 2, 3, 4]
    assert [sample.index for sample in found.samples] == [0, 1]


def test_num_steps_shortens_the_rollout_and_must_fit() -> None:
    short = evaluate([(0, waves(frames=6))], {}, num_steps=2)
    assert len(short.metrics["persistence"]["by_lead_time"]["vrmse"]) == 2
    with pytest.raises(ConfigError, match="num_steps: 9: simulation 3 has 5 frames after"):
        evaluate([(3, waves(frames=6))], {}, num_steps=9)
    with pytest.raises(ConfigError, match="no simulation"):
        evaluate([], {})


def test_a_divergence_of_one_model_is_reported_where_it_happens() -> None:
    simulation = waves(frames=7)
    predictors = {
        "synthetic": _Oracle(simulation, 0.1),
        "physical": _Oracle(simulation, 0.0, last=3),
    }
    found = evaluate([(8, simulation)], predictors)
    physical = found.metrics["physical"]
    assert physical["diverged_at"] == {"8": 4}
    assert physical["vrmse"] is None
    assert physical["by_lead_time"]["vrmse"] == [0.0, 0.0, 0.0, None, None, None]
    assert found.metrics["synthetic"]["diverged"] == 0
    assert np.isnan(found.samples[0].predictions["physical"]["velocity"][4:]).all()


def test_a_divergence_in_the_first_step_leaves_nothing_to_average() -> None:
    simulation = waves()

    found = evaluate([(0, simulation)], {"physical": _Oracle(simulation, 0.0, last=0)})
    assert found.metrics["physical"]["diverged_at"] == {"0": 1}
    assert found.metrics["physical"]["by_field"]["velocity"]["vrmse"] is None


def test_synthetic_predictor_stacks_inputs_and_splits_outputs_by_the_specs() -> None:
    class Drift:
        """Adds the static mask to both components in every step."""

        input_specs = {"mask": 1, "velocity": 2}
        output_specs = {"velocity": 2}

        def rollout(self, state: torch.Tensor, steps: int) -> torch.Tensor:
            mask, velocity = state[:, :1], state[:, 1:]
            return torch.stack([velocity + (step + 1) * mask for step in range(steps)], dim=1)

    simulation = waves(static=True)
    initial = {
        "velocity": simulation.fields["velocity"][:1],
        "mask": simulation.fields["mask"].unsqueeze(0),
    }
    predicted = SyntheticPredictor(Drift())(initial, 3)
    assert list(predicted) == ["velocity"]
    steps = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1, 1)
    torch.testing.assert_close(predicted["velocity"], initial["velocity"].unsqueeze(1) + steps)


class _Doubling:
    """A model that doubles the state in every step and diverges after ``lasts`` steps."""

    spec = built_in_equations()["BurgersPDE"]

    def __init__(self, lasts: int = 99) -> None:
        self.lasts = lasts
        self.conditions = Conditions()

    def rollout(
        self, state: State, grid: Grid, steps: int, dt: float, conditions: Conditions
    ) -> Iterator[State]:
        assert dt == 0.05
        self.conditions = conditions
        for step in range(steps):
            if step == self.lasts:
                raise DivergenceError(f"frame {step + 1}")
            yield {name: values * 2.0 ** (step + 1) for name, values in state.items()}


def test_physical_predictor_passes_fields_to_the_model_and_back() -> None:
    simulation = waves(static=True)
    predictor = PhysicalPredictor(_Doubling(), simulation.grid, simulation.layouts, simulation.dt)
    initial = {
        "velocity": simulation.fields["velocity"][:2],
        "mask": simulation.fields["mask"].expand(2, 1, 12, 10),
    }
    predicted = predictor(initial, 2)
    assert list(predicted) == ["velocity"]
    expected = torch.stack([2 * initial["velocity"], 4 * initial["velocity"]], dim=1)
    torch.testing.assert_close(predicted["velocity"], expected)


@pytest.mark.parametrize("lasts", [0, 2])
def test_physical_predictor_keeps_frames_before_a_divergence(
    lasts: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    simulation = waves()
    model = _Doubling(lasts)
    predictor = PhysicalPredictor(model, simulation.grid, simulation.layouts, simulation.dt)
    caplog.set_level(logging.INFO)
    predicted = predictor({"velocity": simulation.fields["velocity"][:1]}, 4)["velocity"]
    assert predicted.shape == (1, 4, 2, 12, 10)
    assert torch.isfinite(predicted[:, :lasts]).all()
    assert torch.isnan(predicted[:, lasts:]).all()
    assert f"frame {lasts + 1}" in caplog.text


def test_metrics_file_is_strict_json(tmp_path: Path) -> None:
    path = tmp_path / "evaluation" / "metrics.json"
    write_metrics(path, {"synthetic": {"vrmse": None}})
    assert json.loads(path.read_text()) == {"synthetic": {"vrmse": None}}
    with pytest.raises(ValueError, match="JSON"):
        write_metrics(path, {"synthetic": {"vrmse": float("nan")}})
    assert [item.name for item in path.parent.iterdir()] == ["metrics.json"]
    assert json.loads(path.read_text()) == {"synthetic": {"vrmse": None}}


def test_rollouts_file_holds_truth_and_predictions_with_coordinates(tmp_path: Path) -> None:
    simulations = [waves(phase=phase) for phase in (0.0, 1.0)]
    predictors = {"synthetic": lambda initial, steps: persistence(initial, steps)}
    found = evaluate([(4, simulations[0]), (7, simulations[1])], predictors)
    path = tmp_path / "rollouts.nc"
    write_rollouts(path, found.samples, {"experiment": "waves"})
    with xr.open_dataset(path, engine="netcdf4") as dataset:
        assert dataset["velocity_x_truth"].dims == ("time", "sample", "y", "x")
        assert list(dataset.data_vars) == [
            f"velocity_{axis}_{source}" for source in ("truth", "synthetic") for axis in "xy"
        ]
        assert dataset["sample"].values.tolist() == [4, 7]
        np.testing.assert_allclose(dataset["time"], 0.05 * np.arange(5), rtol=1e-12)
        np.testing.assert_allclose(dataset["x"], (np.arange(12) + 0.5) / 6, rtol=1e-12)
        np.testing.assert_allclose(dataset["y"], (np.arange(10) + 0.5) * 0.3, rtol=1e-12)
        stored = dataset["velocity_y_truth"].sel(sample=7).transpose("time", "x", "y")
        np.testing.assert_array_equal(stored, simulations[1].fields["velocity"][:, 1])
        first = dataset["velocity_x_synthetic"].isel(time=0, sample=0).transpose("x", "y")
        np.testing.assert_array_equal(first, simulations[0].fields["velocity"][0, 0])
        assert dataset.attrs["experiment"] == "waves"
        assert all("units" not in variable.attrs for variable in dataset.variables.values())
        assert dataset["velocity_x_truth"].encoding["zlib"]


def test_rollouts_have_the_units_that_the_data_state() -> None:
    found = evaluate([(0, waves())], {})
    units = StatedUnits(length="km", time="s", variables=(("velocity", "m/s"),))
    dataset = rollout_dataset([replace(each, units=units) for each in found.samples])
    for name, unit in {"time": "s", "x": "km", "y": "km", "velocity_x_truth": "m/s"}.items():
        assert dataset[name].attrs["units"] == unit
    assert "units" not in dataset["sample"].attrs


def test_rollouts_in_three_dimensions_keep_one_sample_for_paraview() -> None:
    found = evaluate([(2, waves((4, 5, 6))), (3, waves((4, 5, 6)))], {})
    dataset = rollout_dataset(found.samples)
    assert dataset["velocity_z_truth"].dims == ("time", "z", "y", "x")
    assert int(dataset["sample"]) == 2


def test_points_on_the_boundary_have_their_coordinates() -> None:

    grid = replace(waves((5,)).grid, boundary=((0.0, "zero-gradient"),), nodes_on_boundary=(True,))
    assert axis_points(grid)["x"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_built_in_models_fit_the_predictors() -> None:
    from hybrid_pde.models import ModelRegistry
    from hybrid_pde.models.synthetic.architectures.unet.network import UNet

    config = {
        "data": {"fields": ["velocity"]},
        "model": {
            "physical": {"name": "BurgersPDE", "pde_params": {"viscosity": 0.05}},
            "synthetic": {
                "name": "UNet",
                "input_specs": {"velocity": 2, "mask": 1},
                "output_specs": {"velocity": 2},
            },
        },
    }
    simulation = waves((8, 8), frames=4, static=True)
    physical = ModelRegistry(config).get_physical_model()
    synthetic = UNet(config, spatial_dims=2, boundary=simulation.grid.boundary)
    solver = PhysicalPredictor(physical, simulation.grid, simulation.layouts, simulation.dt)
    initial = {
        "velocity": simulation.fields["velocity"][:1],
        "mask": simulation.fields["mask"].unsqueeze(0),
    }
    solved = solver(initial, 3)["velocity"]
    frames = torch.cat([initial["velocity"], solved[0].float()])
    truth = replace(simulation, fields={**simulation.fields, "velocity": frames})
    predictors = {"synthetic": SyntheticPredictor(synthetic), "physical": solver}
    metrics = evaluate([(0, truth)], predictors).metrics
    # The truth is the solution itself, rounded to single precision.
    assert metrics["physical"]["vrmse"] < 1e-6
    assert 1e-4 < metrics["synthetic"]["vrmse"] < 100
    assert metrics["persistence"]["vrmse"] > 1e-2
