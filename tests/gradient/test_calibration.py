"""Calibration of identical twins: recovered parameters, standard deviations, errors, warnings."""

import warnings

import pytest
import torch
from phi.torch.flow import math

from hybrid_pde.errors import CalibrationError, CheckpointError, ConfigError, DivergenceError
from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical import PhysicalTrainer
from hybrid_pde.training.physical.objective import Objective
from tests.gradient.calibration_case import (
    DT,
    EQUATIONS,
    GRIDS,
    TRUTH,
    Windows,
    learnable,
    simulate,
    trainer,
    windows,
)
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

VISCOSITY = [{"name": "viscosity", "initial_guess": 0.05}]


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B"])
def test_minimization_recovers_every_parameter(name, method):
    calibration = trainer(name, learnable(name), method=method)
    result = calibration.train(windows(name), 1)
    assert result["status"] == "converged"
    # L-BFGS-B stops when the parameters change little; it does not converge quadratically.
    tolerance = 1e-6 if method == "gauss-newton" else 1e-3
    for parameter, truth in TRUTH[name].items():
        found = result["parameters"][parameter]
        assert found["value"] == pytest.approx(truth, rel=tolerance)
        assert found["determined"]
        held = calibration.model.get_parameter(parameter).tolist()
        assert held == pytest.approx(found["value"], rel=1e-14)
    assert result["history"][0]["loss"] > 1e-4 > 1e-6 > result["loss"]
    assert result["iterations"] == len(result["history"]) < 100


# the gradients of every equation are compared with differences in test_derivatives.py
@pytest.mark.parametrize(
    "name",
    [
        name if name == "AdvectionDiffusionPDE" else pytest.param(name, marks=pytest.mark.nightly)
        for name in EQUATIONS
    ],
)
def test_adam_recovers_every_parameter(name):
    calibration = trainer(name, learnable(name), method="adam", learning_rate=0.05)
    data = windows(name)
    first = calibration.train(data, 40)
    state = calibration.optimizer
    for group in state.param_groups:
        group["lr"] /= 10
    second = calibration.train(data, 25)
    assert calibration.optimizer is state
    assert first["train_losses"][0] > 30 * second["final_loss"]
    assert len(first["train_losses"]) == first["num_epochs"] == 40
    for parameter, truth in TRUTH[name].items():
        assert second["parameters"][parameter]["value"] == pytest.approx(truth, rel=0.1)


def test_sgd_descends():
    calibration = trainer("BurgersPDE", VISCOSITY, method="sgd", learning_rate=0.5)
    result = calibration.train(windows("BurgersPDE"), 10)
    assert result["final_loss"] < 0.5 * result["train_losses"][0]
    assert 0.015 < result["parameters"]["viscosity"]["value"] < 0.04


@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B", "adam", "sgd"])
def test_one_sample_is_a_step_of_every_method(method):
    calibration = trainer("BurgersPDE", VISCOSITY, method=method, learning_rate=0.05)
    calibration.dt = DT
    (initial, targets), *_ = windows("BurgersPDE")
    losses = [calibration._train_sample(initial, targets) for _ in range(2)]
    assert losses[1] <= losses[0] < 1.0
    assert 0.015 < calibration.model.viscosity.item() < 0.05, "closer to 0.02 than the guess"


def test_a_subclass_replaces_the_step_on_a_sample():
    seen = []

    class Counting(PhysicalTrainer):
        def _train_sample(self, initial_fields, target_fields):
            seen.append(len(target_fields["u"]))
            return super()._train_sample(initial_fields, target_fields)

    plain = trainer("BurgersPDE", VISCOSITY, method="sgd", learning_rate=0.5)
    expected = plain.train(windows("BurgersPDE"), 2)
    calibration = trainer("BurgersPDE", VISCOSITY, method="sgd", learning_rate=0.5)
    calibration.__class__, calibration.dt = Counting, DT
    result = calibration.train(iter(list(windows("BurgersPDE"))), 2)
    assert len(seen) == 2 * len(list(windows("BurgersPDE")))
    assert result["train_losses"] == pytest.approx(expected["train_losses"], rel=1e-9)


def test_second_call_starts_where_the_first_ended():
    calibration = trainer("BurgersPDE", VISCOSITY)
    calibration.train(windows("BurgersPDE"), 1)
    again = calibration.train(windows("BurgersPDE"), 2)
    assert again["history"][0]["viscosity"] == pytest.approx(0.02, rel=1e-6)
    assert again["parameters"]["viscosity"]["initial_guess"] == pytest.approx(0.05)
    assert again["num_epochs"] == 2 == len(again["train_losses"])


def noisy(level: float, seed: int) -> torch.Tensor:
    """Noisy frames, except for the exact initial frames of all windows."""
    frames = simulate("BurgersPDE")
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed)).double()
    noise[::4] = 0.0
    return frames + level * noise


def calibrate(frames: torch.Tensor, **options) -> dict:
    return trainer("BurgersPDE", VISCOSITY).train(
        Windows(frames, GRIDS["BurgersPDE"], **options), 1
    )["parameters"]["viscosity"]


def test_standard_deviation_scales_with_the_noise():
    small, large = calibrate(noisy(1e-3, 0))["std"], calibrate(noisy(1e-2, 0))["std"]
    assert large / small == pytest.approx(10, rel=0.2)


def test_overlapping_windows_count_an_observation_once():
    separate = calibrate(noisy(1e-3, 0))
    twice = trainer("BurgersPDE", VISCOSITY)
    doubled = [*Windows(noisy(1e-3, 0), GRIDS["BurgersPDE"])] * 2
    twice.dt = DT
    result = twice.train(doubled, 1)["parameters"]["viscosity"]
    assert result["value"] == pytest.approx(separate["value"], rel=1e-8)
    assert result["std"] == pytest.approx(separate["std"], rel=1e-6)
    # Sliding windows also start from noisy frames: equal within a few standard deviations.
    sliding = calibrate(noisy(1e-4, 0), stride=1)
    assert sliding["value"] == pytest.approx(0.02, rel=0.02)
    assert 0.2 < sliding["std"] / calibrate(noisy(1e-4, 0))["std"] < 5


def test_a_diverging_guess_is_an_error_that_names_the_place():
    parameters = [{"name": "viscosity", "initial_guess": 50.0, "bounds": [40.0, 60.0]}]
    calibration = trainer("BurgersPDE", parameters, {"substeps": 2, "order": 4})
    with pytest.raises(DivergenceError, match=r"window 0 .*viscosity=50"):
        calibration.train(windows("BurgersPDE"), 1)
    assert calibration.model.viscosity.item() == 50.0


@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B", "adam"])
def test_a_diverging_guess_is_reported_if_errors_are_suppressed(method):
    parameters = [{"name": "viscosity", "initial_guess": 50.0, "bounds": [40.0, 60.0]}]
    calibration = trainer(
        "BurgersPDE",
        parameters,
        {"substeps": 2, "order": 4},
        method=method,
        suppress_convergence_errors=True,
    )
    with pytest.warns(ResultWarning, match="the calibration diverged"):
        result = calibration.train(windows("BurgersPDE"), 2)
    assert result["status"] == "diverged"
    assert result["parameters"]["viscosity"]["value"] == 50.0
    assert result["parameters"]["viscosity"]["std"] is None


def diverging_near(evaluate, refused):
    """``evaluate``, but diverging at the first trial point and everywhere close to it."""

    def noted(objective, z):
        if refused and abs(z - refused[0]) < 0.05 or not refused and z != objective.vector.start:
            refused.append(z)
            raise DivergenceError("as arranged")
        return evaluate(objective, z)

    return noted


@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B"])
def test_a_diverging_trial_is_rejected(method, monkeypatch):
    calibration = trainer("BurgersPDE", VISCOSITY, method=method)
    refused = []
    for name in ("linearize", "loss_and_gradient"):
        monkeypatch.setattr(Objective, name, diverging_near(getattr(Objective, name), refused))
    result = calibration.train(windows("BurgersPDE"), 1)
    assert refused
    assert result["status"] == "converged"
    assert result["parameters"]["viscosity"]["value"] == pytest.approx(0.02, rel=1e-3)


@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B", "adam"])
def test_bounds_hold(method):
    parameters = [{"name": "viscosity", "initial_guess": 0.05, "bounds": [0.03, 0.06]}]
    calibration = trainer("BurgersPDE", parameters, method=method, learning_rate=0.1)
    with pytest.warns(ResultWarning, match=r"viscosity = 0.03 is at the lower bound 0\.03: "):
        result = calibration.train(windows("BurgersPDE"), 1 if method != "adam" else 8)
    assert len(result["warnings"]) == 1
    assert result["parameters"]["viscosity"]["value"] == pytest.approx(0.03, rel=1e-3)
    for row in result["history"]:
        assert 0.03 - 1e-12 <= row["viscosity"] <= 0.06
    assert result["parameters"]["viscosity"]["bounds"] == pytest.approx([0.03, 0.06])


def test_a_parameter_without_influence_is_reported():
    frames = torch.full((9, 1, 20), 0.3, dtype=torch.float64)
    calibration = trainer("BurgersPDE", VISCOSITY)
    with pytest.warns(ResultWarning, match="viscosity: the data do not determine it; give"):
        result = calibration.train(Windows(frames, GRIDS["BurgersPDE"]), 1)
    found = result["parameters"]["viscosity"]
    assert not found["determined"] and found["value"] is None and found["std"] is None
    assert list(result["undetermined_directions"][0]) == ["viscosity"]


@pytest.mark.filterwarnings("ignore:the residuals are correlated")
def test_a_combination_that_the_data_do_not_determine_is_named():
    # c varies only along x: nothing depends on the velocity along y.
    frames = simulate("AdvectionDiffusionPDE")[:, :, :, :1].expand(-1, -1, -1, 12).clone()
    calibration = trainer("AdvectionDiffusionPDE", learnable("AdvectionDiffusionPDE"))
    with pytest.warns(ResultWarning, match="velocity: the data do not determine it"):
        result = calibration.train(Windows(frames, GRIDS["AdvectionDiffusionPDE"]), 1)
    assert result["parameters"]["diffusivity"]["determined"]
    assert not result["parameters"]["velocity"]["determined"]
    assert list(result["undetermined_directions"][0]) == ["velocity[1]"]


def test_max_iterations_returns_the_best_with_a_warning():
    calibration = trainer("BurgersPDE", learnable("BurgersPDE"), max_iterations=1)
    with pytest.warns(UserWarning, match=r"max_iterations: 1: "):
        result = calibration.train(windows("BurgersPDE"), 1)
    assert result["status"] == "max_iterations"
    assert result["loss"] < result["history"][0]["loss"]


@pytest.mark.parametrize("scheme", [{"order": 2}, {"scheme": "spectral"}])
def test_auto_finds_the_scheme_that_made_the_data(scheme):
    maker = BurgersPDE(physical_config("BurgersPDE", TRUTH["BurgersPDE"], numerics=scheme))
    start = simulate("BurgersPDE", steps=1)[0]
    frames = torch.stack([start, *maker.rollout(start, GRIDS["BurgersPDE"], 8, DT)])
    calibration = trainer("BurgersPDE", VISCOSITY, {"scheme": "auto"})
    result = calibration.train(Windows(frames, GRIDS["BurgersPDE"]), 1)
    made_by = (maker.discretization.scheme, maker.discretization.order)
    assert (result["numerics"]["scheme"], result["numerics"]["order"]) == made_by
    assert calibration.model.discretization == maker.discretization
    tried = [(each["scheme"], each["order"]) for each in result["numerics"]["candidates"]]
    differences = [("finite_difference", order) for order in (2, 4, 6)]
    assert tried == [*differences, ("spectral", 4)]
    assert result["parameters"]["viscosity"]["value"] == pytest.approx(0.02, rel=1e-5)


def test_auto_tries_weno_where_no_smooth_scheme_explains_the_data():
    grid = periodic_grid((32,), (1.0,))
    maker = BurgersPDE(physical_config("BurgersPDE", {"viscosity": 1e-3}, numerics="weno"))
    start = torch.sin(2 * torch.pi * coordinates(grid)[0])[None]
    frames = torch.stack([start, *maker.rollout(start, grid, 12, 0.05)])[4:]  # frames with a shock
    parameters = [{"name": "viscosity", "initial_guess": 3e-3, "bounds": [1e-4, 0.1]}]
    calibration = trainer("BurgersPDE", parameters, {"scheme": "auto"})
    result = calibration.train(Windows(frames, grid), 1)
    losses = {each["scheme"]: each["loss"] for each in result["numerics"]["candidates"]}
    assert losses.pop("weno") < 1e-8 < 1e-4 < min(loss or 1.0 for loss in losses.values())
    assert result["numerics"]["scheme"] == "weno"
    assert result["parameters"]["viscosity"]["value"] == pytest.approx(1e-3, rel=1e-3)


def test_a_scalar_guess_is_expanded_to_one_number_per_axis():
    parameters = [{"name": "velocity", "initial_guess": 0.1}]
    calibration = trainer("AdvectionDiffusionPDE", parameters)
    result = calibration.train(windows("AdvectionDiffusionPDE"), 1)
    assert result["parameters"]["velocity"]["value"] == pytest.approx([0.6, -0.3], rel=1e-6)
    assert set(result["history"][0]) == {"iteration", "loss", "velocity[0]", "velocity[1]"}


def test_learnable_values_are_phiml_or_torch_tensors():
    config = physical_config("BurgersPDE", {}, learnable("BurgersPDE"))
    model = BurgersPDE(config)
    values = [math.tensor(0.03), torch.nn.Parameter(torch.tensor(0.7, dtype=torch.float64))]
    PhysicalTrainer(config, model, values)
    assert model.viscosity.item() == pytest.approx(0.03, rel=1e-6)  # PhiML uses single precision
    assert model.advection.item() == 0.7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "0 given; learnable_parameters names 1"),
        ([torch.zeros(2)], r"viscosity has the shape \(2,\)"),
        ([torch.tensor(torch.nan)], "not finite"),
        ([torch.tensor(9.0)], r"initial guess of viscosity, 9, lies outside its bounds"),
        ([torch.tensor(-1.0)], r"outside its bounds \[0, 1\]"),
    ],
)
def test_wrong_learnable_values_are_refused(values, message):
    parameters = [{"name": "viscosity", "initial_guess": 0.05, "bounds": [-2.0, 1.0]}]
    config = physical_config("BurgersPDE", {}, parameters)
    with pytest.raises(ConfigError, match=message):
        PhysicalTrainer(config, BurgersPDE(config), values)


def test_no_learnable_parameters():
    config = physical_config("BurgersPDE", {"viscosity": 0.1})
    with pytest.raises(ValueError, match="^No 'learnable_parameters' defined"):
        PhysicalTrainer(config, BurgersPDE(config), [])


def test_wrong_observations_are_refused():
    calibration = trainer("BurgersPDE", VISCOSITY)
    with pytest.raises(ConfigError, match=r"model\.physical\.dt: missing"):
        calibration.train(windows("BurgersPDE", dt=None), 1)
    with pytest.raises(CalibrationError, match="empty"):
        calibration.train(windows("BurgersPDE", num_frames=20), 1)
    frames = simulate("BurgersPDE")
    frames[6, 0, 3] = torch.inf
    with pytest.raises(CalibrationError, match=r"window 1, frame 2: 'u' holds values"):
        calibration.train(Windows(frames, GRIDS["BurgersPDE"]), 1)


def test_resumed_adam_equals_an_uninterrupted_one(tmp_path):
    data = windows("BurgersPDE")
    whole, first, second = (
        trainer("BurgersPDE", VISCOSITY, method="adam", learning_rate=0.05) for _ in range(3)
    )
    whole.train(data, 4)
    first.train(data, 2)
    first.save_checkpoint(tmp_path / "state.pt")
    second.load_checkpoint(tmp_path / "state.pt")
    resumed = second.train(data, 2)
    assert resumed["parameters"]["viscosity"]["initial_guess"] == 0.05
    assert second.model.viscosity.item() == whole.model.viscosity.item()
    assert second.epoch == whole.epoch == 4
    other = trainer("BurgersPDE", VISCOSITY, method="sgd")
    with pytest.raises(CheckpointError, match="method"):
        other.load_checkpoint(tmp_path / "state.pt")


def test_calibration_on_public_burgers_data(shared_data):
    xarray = pytest.importorskip("xarray")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the NetCDF libraries
        data = xarray.open_dataset(shared_data / "pdefind_burgers.nc")
        u = torch.tensor(data["u"].values[:41])
    parameters = [{"name": "viscosity", "initial_guess": 0.3}]
    calibration = trainer("BurgersPDE", parameters, {"order": 4})
    source = Windows(u[:, None].double(), periodic_grid((256,), (16.0,)), 4, 4, dt=0.1)
    result = calibration.train(source, 1)
    assert result["parameters"]["viscosity"]["value"] == pytest.approx(0.1, rel=1e-4)
