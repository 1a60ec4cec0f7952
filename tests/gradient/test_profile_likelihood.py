"""Profile likelihoods: linear models, asymmetric and open intervals, what is refused."""

from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.checks.calibration import calibration_errors
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.profile_likelihood import THRESHOLD, ProfileSearch, profiles
from tests.gradient.calibration_case import GRIDS, Windows, learnable, simulate, trainer


class _Vector:
    """Two numbers a and b on a linear scale."""

    parameters, labels = ("a", "b"), ["a", "b"]

    def __len__(self) -> int:
        return 2

    def values(self, z: np.ndarray) -> np.ndarray:
        return z

    def slopes(self, z: np.ndarray) -> np.ndarray:
        return np.ones(2)

    def sizes(self, z: np.ndarray) -> np.ndarray:
        return np.abs(z)

    def owned(self, name: str) -> list[int]:
        return [self.parameters.index(name)]


class _Curve:
    """Misfit of a curve f(t; a, b) to measured values."""

    def __init__(self, curve: Any, data: np.ndarray, lower: float = -np.inf) -> None:
        self._curve, self._data, self._lower = curve, torch.from_numpy(data), lower
        self.vector, self.num_values = _Vector(), float(len(data))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([self._lower, -np.inf]), np.full(2, np.inf)

    def linearize(self, z: np.ndarray) -> Linearization:
        at = torch.from_numpy(np.array(z))
        residual = (self._curve(at) - self._data).numpy()
        jacobian = torch.func.jacfwd(self._curve)(at).numpy()
        return Linearization(at.numpy(), jacobian, residual, float(np.mean(residual**2)))

    def estimate(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The minimum by Gauss-Newton steps, and the standard deviations there."""
        for _ in range(60):
            at = self.linearize(z)
            z = z + np.linalg.lstsq(at.jacobian, -at.residual, rcond=None)[0]
            z = np.maximum(z, self.bounds()[0])
        at = self.linearize(z)
        variance = at.loss * self.num_values / (self.num_values - 2)
        return z, np.sqrt(variance * np.diag(np.linalg.inv(at.jacobian.T @ at.jacobian)))


T = torch.linspace(0, 1, 30, dtype=torch.float64)
NOISE = np.random.default_rng(3).standard_normal(30)


def _saturating(z: torch.Tensor) -> torch.Tensor:
    """B (1 − exp(−a t)): with noise, a is hardly limited from above."""
    return z[1] * (1 - torch.exp(-z[0] * T))


def test_a_linear_model_has_the_interval_of_laplace_for_any_uncertainty() -> None:
    curve = _Curve(lambda z: z[0] * T + z[1] * T**2, (2 * T + T**2).numpy() + 0.1 * NOISE)
    z, std = curve.estimate(np.ones(2))
    for factor in (1.0, 3.0):  # correlated errors have a larger uncertainty
        found = ProfileSearch(curve, z, factor * std).profile(0)
        reach = 1.6449 * factor * std[0]
        assert found.limits == pytest.approx([z[0] - reach, z[0] + reach], abs=1e-2 * reach)
        assert found.reasons == [None, None]


def test_an_asymmetric_interval_is_that_of_a_scan() -> None:
    data = _saturating(torch.tensor([2.0, 1.0], dtype=torch.float64)).numpy() + 0.1 * NOISE
    curve = _Curve(_saturating, data)
    z, std = curve.estimate(np.array([1.5, 1.0]))
    found = ProfileSearch(curve, z, std).profile(0)
    scan = np.linspace(0.3, 9, 5000)  # b is linear: its best value is in closed form
    shapes = 1 - np.exp(-scan[:, None] * T.numpy())
    best = (shapes @ data) / (shapes**2).sum(1)
    squares = ((best[:, None] * shapes - data) ** 2).sum(1)
    inside = scan[squares - squares.min() <= THRESHOLD * squares.min() / 28]
    assert found.limits == pytest.approx([inside[0], inside[-1]], rel=5e-3)
    below, above = z[0] - found.limits[0], found.limits[1] - z[0]
    assert above > 1.1 * below, "not symmetric"
    assert found.values == sorted(found.values)


def test_an_estimate_beside_the_minimum_has_the_interval_of_the_minimum() -> None:
    """Without noise the tolerance of the calibration exceeds the uncertainty."""
    curve = _Curve(_saturating, _saturating(torch.tensor([2.0, 1.0])).numpy() + 1e-3 * NOISE)
    z, std = curve.estimate(np.array([1.5, 1.0]))
    parameters: dict[str, dict[str, Any]] = {
        name: {"value": value, "uncertainty": spread, "interval_90": None}
        for name, value, spread in zip("ab", z.tolist(), std.tolist(), strict=True)
    }
    expected = ProfileSearch(curve, z, std).profile(0).limits
    profiles(curve, z + np.array([4.0, -3.0]) * std, parameters)  # no warning of another minimum
    assert parameters["a"]["interval_90"] == pytest.approx(expected, abs=0.05 * std[0])


def test_an_interval_without_a_limit_is_open_and_warned_of() -> None:
    late = T[9:]  # the solution has saturated there for large a

    def curve_of(z: torch.Tensor) -> torch.Tensor:
        return z[1] * (1 - torch.exp(-z[0] * late))

    z = np.array([9.0, 1.0])
    curve = _Curve(curve_of, curve_of(torch.from_numpy(z)).numpy(), lower=0.0)
    jacobian = curve.linearize(z).jacobian
    std = 0.05 * np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))  # of errors of 0.05
    parameters = {
        name: {"value": value, "uncertainty": spread, "interval_90": None}
        for name, value, spread in zip("ab", z.tolist(), std.tolist(), strict=True)
    }
    with pytest.warns(match="a: interval_90 has no upper end: the data do not exclude"):
        report = profiles(curve, z, parameters)
    lower, upper = parameters["a"]["interval_90"]
    assert 0 < lower < z[0] and upper is None
    assert list(report["a"]["open"]) == ["upper"]
    assert None not in parameters["b"]["interval_90"]


def _calibrated(noise: float, uncertainty: str) -> dict[str, Any]:
    frames = simulate("AllenCahnPDE")
    random = np.random.default_rng(0)
    frames[1:] += noise * torch.from_numpy(random.standard_normal(frames[1:].shape))
    trained = trainer(
        "AllenCahnPDE", learnable("AllenCahnPDE"), uncertainty=uncertainty, num_predict_steps=8
    )
    data = Windows(frames, GRIDS["AllenCahnPDE"], num_frames=8, stride=8)
    return dict(trained.train(data, 1))


def test_a_calibration_with_little_noise_has_the_same_interval_either_way() -> None:
    laplace, profile = (_calibrated(1e-4, kind) for kind in ("laplace", "profile"))
    assert not laplace["profiles"]
    assert set(profile["profiles"]) == {"diffusivity", "reaction_rate"}
    for name, parameter in profile["parameters"].items():
        expected, reach = laplace["parameters"][name]["interval_90"], parameter["uncertainty"]
        assert parameter["interval_90"] == pytest.approx(expected, abs=0.05 * reach)
        assert parameter["uncertainty"] == laplace["parameters"][name]["uncertainty"]


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
@pytest.mark.nightly
def test_a_diffusivity_near_zero_has_an_interval_that_ends_at_its_bound() -> None:
    with pytest.warns(match="diffusivity: interval_90 has no lower end: .* down to the bound, 0"):
        found = _calibrated(0.4, "profile")
    lower, upper = found["parameters"]["diffusivity"]["interval_90"]
    assert lower is None and upper > found["parameters"]["diffusivity"]["value"]


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"method": "adam"}, "method: adam does not minimize the loss"),
        ({"per_simulation": True}, "diffusivity has a value for each simulation"),
        ({"parametrization": {"type": "fourier"}}, "diffusivity is a field"),
    ],
)
def test_what_has_no_profile_is_refused(training: dict[str, Any], message: str) -> None:
    method = training.pop("method", "gauss-newton")
    parameter = {"name": "diffusivity", "initial_guess": 0.1, **training}
    experiment = parse_experiment(
        {
            "run_params": {"model_type": "physical"},
            "model": {"physical": {"name": "AllenCahnPDE"}},
            "trainer_params": {
                "method": method,
                "uncertainty": "profile",
                "learnable_parameters": [parameter],
            },
        }
    )
    errors = [each for each in calibration_errors(experiment) if "uncertainty: profile" in each]
    assert len(errors) == 1 and message in errors[0] and "uncertainty: laplace" in errors[0]
