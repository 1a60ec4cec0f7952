"""Calibration on observations and on a surrogate's predictions of the unobserved part."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError
from hybrid_pde.factories import TrainerFactory
from hybrid_pde.models.physical.parameters_file import read_result, write_parameters
from hybrid_pde.result_warnings import ResultWarning, recorded_warnings
from hybrid_pde.training.hybrid.guided_calibration import Guidance, calibrate_cycle
from hybrid_pde.training.hybrid.guided_observations import guided_observations
from hybrid_pde.training.physical.observed_windows import observed
from tests.gradient.test_observed_calibration import (
    DIFFUSIVITY,
    DT,
    LINE,
    NUM_FRAMES,
    POINTS,
    VELOCITY,
    concentration,
)
from tests.physics.periodic_box import coordinates

# A wrong guide leaves structure in the measured residuals.
pytestmark = pytest.mark.filterwarnings("ignore:the residuals are correlated")

WEIGHT = 0.3
SEEN = 10  # points of the observed region
SLOWER = 0.8 * VELOCITY

Make = Callable[..., Any]


def frames(velocity: float, simulation: int) -> np.ndarray:
    """The closed form on the grid, ``[T, 1, X]``, moving with the given velocity."""
    (x,) = (each.numpy() for each in coordinates(LINE))
    times = np.arange(NUM_FRAMES)[:, None] * DT
    return concentration(x - (velocity - VELOCITY) * times, times, simulation)[:, None]


def predictions(root: Path, velocity: float, new: bool = False, name: str = "c") -> Path:
    return root / f"predictions_{velocity}_{new}_{name}"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A factory of trainers with windows of two partly observed simulations, and predictions."""
    for simulation in (0, 1):
        path = tmp_path / f"data/waves/{simulation}.nc"
        write_raw_file(path, {"c": frames(VELOCITY, simulation)}, LINE, [FieldLayout("c")], DT, {})

    def build(
        predicted: float | None,
        observations: dict[str, Any] | None,
        new: bool = False,
        name: str = "c",
    ) -> Any:
        experiment = parse_experiment(
            {
                "run_params": {"model_type": "physical"},
                "project_root": str(tmp_path),
                "data": {"dset_name": "waves", "fields": ["c"], "observations": observations},
                "model": {
                    "physical": {
                        "name": "AdvectionDiffusionPDE",
                        "numerics": {"scheme": "spectral", "order": 2, "substeps": 1},
                    }
                },
                "trainer_params": {
                    "train_sim": [0, 1],
                    "num_predict_steps": 5,
                    "learnable_parameters": [
                        {"name": "diffusivity", "initial_guess": 0.01, "bounds": [1e-4, 0.1]},
                        {"name": "velocity", "initial_guess": [0.3]},
                    ],
                    "check_discretization": False,
                },
            }
        )
        data = TrainerFactory.create_dataset_for_physical(experiment, use_sliding_window=False)
        trainer = TrainerFactory.create_physical_trainer(experiment)
        if predicted is None:
            return trainer, data
        store = CacheManager(predictions(tmp_path, predicted, new, name))
        for number in (0, 1):
            source = {"simulation": number, "frame": 0, "new": new}
            values = {name: frames(predicted, number + 5 * new)}
            store.write(number, values, LINE, DT, source, [FieldLayout(name)])
        spec = trainer.model.spec
        seen = observed(data, spec)
        return trainer, guided_observations(seen, store, WEIGHT, spec)

    return build


HALF = {"region": {"x": [0.35, 0.7]}, "noise": 0.05}


def test_the_loss_weighs_predictions_and_is_a_weighted_mean(make: Make) -> None:
    trainer, data = make(SLOWER, HALF)
    trainer.train(data, 1)
    objective = trainer.objective
    real, total = 2 * 10 * SEEN, 2 * 10 * POINTS
    assert objective.num_values == pytest.approx(real + WEIGHT * (total - real))
    z = objective.start
    named = trainer.vector.decode(torch.from_numpy(z))
    scale = objective.observations.scale["c"]
    seen = (coordinates(LINE)[0].numpy() >= 0.35) & (coordinates(LINE)[0].numpy() <= 0.7)
    assert seen.sum() == SEEN
    total_loss = 0.0
    for number in (0, 1):
        initial, targets = data[number]
        start = torch.from_numpy(initial["c"].values.numpy("x"))[None, None].double()
        rollout = trainer.model.rollout({"c": start}, LINE, 10, DT, named)
        for frame, state in enumerate(rollout, 1):
            error = state["c"][0, 0].numpy() - targets["c"][frame - 1].values.numpy("x")
            total_loss += ((error[seen] / scale) ** 2).sum()
            predicted = state["c"][0, 0].numpy() - frames(SLOWER, number)[frame, 0]
            assert np.allclose(error[~seen], predicted[~seen], atol=1e-6)
            total_loss += WEIGHT * ((predicted[~seen] / scale) ** 2).sum()
    expected = total_loss / objective.num_values
    assert objective.loss(z) == pytest.approx(expected, rel=1e-5)
    assert objective.linearize(z).loss == pytest.approx(expected, rel=1e-5)
    loss, gradient = objective.loss_and_gradient(z)
    assert loss == pytest.approx(expected, rel=1e-5)
    shifted = np.array([objective.loss(z + step * 1e-5) for step in np.eye(2)])
    shifted -= [objective.loss(z - step * 1e-5) for step in np.eye(2)]
    assert gradient == pytest.approx(shifted / 2e-5, rel=1e-3, abs=1e-6)


def test_predictions_move_the_estimate_but_not_its_deviation(make: Make) -> None:
    trainer, data = make(None, HALF)
    alone = trainer.train(data, 1)["parameters"]["velocity"]
    trainer, guided = make(SLOWER, HALF)
    taught = trainer.train(guided, 1)["parameters"]["velocity"]
    assert abs(alone["value"][0] - VELOCITY) < 4 * alone["std"][0]
    assert SLOWER < taught["value"][0] < VELOCITY - 10 * alone["std"][0]
    # three quarters of the values are predictions; if they counted, std would be half as large
    right, confirmed = make(VELOCITY, HALF)
    found = right.train(confirmed, 1)["parameters"]["velocity"]
    assert found["std"][0] == pytest.approx(alone["std"][0], rel=0.1)
    at = right.objective.linearize(right.objective.start)
    everything = np.linalg.inv(at.jacobian.T @ at.jacobian)
    real = right.objective.without_predictions().linearize(right.objective.start)
    seen = np.linalg.inv(real.jacobian.T @ real.jacobian)
    assert everything[1, 1] < 0.8 * seen[1, 1]


def test_predictions_from_new_states_form_separate_windows(make: Make) -> None:
    trainer, data = make(SLOWER, None, new=True)
    assert len(data) == 4 + 2, "two windows of five steps per simulation"
    result = trainer.train(data, 1)["parameters"]["velocity"]
    assert trainer.objective.num_values == pytest.approx((4 * 5 + WEIGHT * 2 * 10) * POINTS)
    assert SLOWER < result["value"][0] < VELOCITY - 0.01
    observations = trainer.objective.observations
    assert not observations.hides
    assert [window.is_predicted for window in observations.windows] == [False] * 4 + [True] * 2
    assert len(observations.without_predictions().windows) == 4
    few = observations.subset(3, 2)
    assert not any(window.is_predicted for window in few.windows)


def test_a_field_that_is_not_predicted_is_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"output_specs: \['c'\]: fields of the equation"):
        make(SLOWER, HALF, name="d")


def test_a_later_calibration_starts_from_the_earlier_result(make: Make, tmp_path: Path) -> None:
    trainer, data = make(None, HALF)
    before = trainer.train(data, 1)
    path = tmp_path / "parameters.yaml"
    write_parameters(path, before)
    trainer, guided = make(VELOCITY, HALF)
    trainer.start_from(read_result(path))
    result = trainer.train(guided, 1)
    first = result["history"][0]
    assert first["diffusivity"] == pytest.approx(before["parameters"]["diffusivity"]["value"])
    assert first["velocity[0]"] == pytest.approx(before["parameters"]["velocity"]["value"][0])
    assert result["parameters"]["diffusivity"]["initial_guess"] == 0.01
    assert result["numerics"]["candidates"] == before["numerics"]["candidates"]
    assert result["parameters"]["diffusivity"]["value"] == pytest.approx(DIFFUSIVITY, rel=0.2)


@pytest.mark.parametrize(("predicted", "reverts"), [(SLOWER, True), (VELOCITY, False)])
def test_a_guide_that_spoils_the_fit_to_the_data_is_dropped(
    make: Make, tmp_path: Path, predicted: float, reverts: bool
) -> None:
    """Without validation simulations."""
    trainer, data = make(None, HALF)
    before = calibrate_cycle(trainer, data)
    trainer, _ = make(predicted, HALF)
    guidance = Guidance(CacheManager(predictions(tmp_path, predicted)), before, None)
    with recorded_warnings() as messages, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResultWarning)
        result = calibrate_cycle(trainer, data, guidance)
    assert result["reverted"] is reverts
    velocity = result["parameters"]["velocity"]
    if reverts:
        assert velocity == before["parameters"]["velocity"]
        assert trainer.model.velocity.tolist() == velocity["value"]
        assert "dropped for that of the cycle before, since it fits the measured" in messages[-1]
        assert result["warnings"] == messages[-1:]
    else:
        assert messages == result["warnings"] == []
        assert velocity["value"] != before["parameters"]["velocity"]["value"]
