"""Error of estimates from data of another scheme, whose structure noise may hide."""

import numpy as np
import pytest

from benchmarks.coverage import EQUATIONS, SCENARIOS, Windows, calibrate
from hybrid_pde.factories import TrainerFactory
from hybrid_pde.training.physical.frame_arrays import Sensitivities
from hybrid_pde.training.physical.residuals import Residuals
from hybrid_pde.training.physical.scheme_discrepancy import Regression

T, X = np.meshgrid(np.arange(1, 13) / 12, np.arange(48) / 48, indexing="ij")
SLOPE = T * np.sin(2 * np.pi * X)
# A difference of two schemes: mostly a change of the parameter, with some structure of its own.
DIFFERENCE = 0.3 * SLOPE + 0.02 * T**2 * np.cos(6 * np.pi * X)


def _posterior(amplitude: float, noise: float, seed: int) -> tuple[float, float, float, float]:
    """Error of the estimate, shift, and mean and standard deviation of the amplitude."""
    random = np.random.default_rng(seed)
    # the data minus the rollout at the true value 0
    data = amplitude * DIFFERENCE + noise * random.standard_normal(T.shape)
    estimate = float((SLOPE * data).sum() / (SLOPE**2).sum())
    residual = SLOPE * estimate - data
    window = Sensitivities(Residuals(residual[:, None]), SLOPE[None, :, None])
    fit = Regression([window], DIFFERENCE.ravel()[:, None], residual.size)
    mean, covariance = fit.posterior(residual.ravel())
    shift = float((fit.shifts @ mean)[0])
    return estimate, shift, float(mean[0]), float(covariance[0, 0] ** 0.5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_amplitude_that_the_data_determine_moves_the_estimate_to_the_truth(seed: int) -> None:
    error, shift, amplitude, std = _posterior(1.0, 1e-3, seed)
    assert error == pytest.approx(0.3, rel=0.02)
    assert amplitude == pytest.approx(1.0, abs=4 * std + 0.01) and std < 0.02
    assert abs(error + shift) < 0.02 * error


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_that_hides_the_difference_leaves_the_amplitude_open(seed: int) -> None:
    _, shift, amplitude, std = _posterior(1.0, 1.0, seed)
    assert 0.9 < std <= 1.0
    assert abs(amplitude) < 0.5 and abs(shift) < 0.15


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clean_data_of_the_used_scheme_have_no_scheme_error(seed: int) -> None:
    error, shift, amplitude, std = _posterior(0.0, 1e-6, seed)
    assert max(abs(amplitude), std) < 1e-3
    assert max(abs(error), abs(shift)) < 1e-4


def test_a_wrong_equation_is_no_scheme_error() -> None:
    """The structure that is left says that no scheme explains it: the amplitude stays open."""
    error, shift, amplitude, std = _posterior(50.0, 1e-3, 0)
    assert abs(amplitude) <= 2.0 and std > 0.3
    assert abs(shift) < 0.05 * error


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
@pytest.mark.parametrize(
    "seed",
    [1001, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (1000, 1002))],
)
def test_noisy_data_of_order_2_have_the_truth_in_the_interval(seed: int) -> None:
    """All candidates agree on a speed that is 2-3 % too small; rivals differ by less than 1 %."""
    equation, found = calibrate(SCENARIOS["coarse-other-scheme"], seed)
    speed, truth = found["advection"], equation.truth["advection"]
    assert truth - speed["value"] > 0.02
    lower, upper = speed["interval_90"]
    assert lower < truth < upper < 1.02
    assert upper - speed["value"] > 1.5 * (speed["value"] - lower), "towards the truth"
    assert speed["uncertainty_parts"]["scheme"] == pytest.approx(truth - speed["value"], rel=0.5)


def test_clean_data_of_a_spectral_solver_have_next_to_no_scheme_part() -> None:
    equation, found = calibrate(SCENARIOS["float32"], 1003)  # KdV
    for name, truth in equation.truth.items():
        parts = found[name]["uncertainty_parts"]
        assert 0 <= parts["scheme"] < 1e-5 * truth
        assert parts["scheme"] < 0.1 * found[name]["uncertainty"]


def _frames_with_large_steps(steps: int) -> np.ndarray:
    """Allen-Cahn by ETDRK2 (Cox and Matthews 2002), ``[T, X]``, so many steps a frame."""
    equation = EQUATIONS["allen-cahn"]
    x = (np.arange(48) + 0.5) / 48
    h = equation.dt / steps
    z = -h * equation.truth["diffusivity"] * (2 * np.pi * np.fft.rfftfreq(48, 1 / 24)) ** 2
    z[0] = 1.0  # the mean, replaced by the limits below
    first, second = np.expm1(z) / z, (np.expm1(z) - z) / z**2
    z[0], first[0], second[0] = 0.0, 1.0, 0.5

    def reaction(hat: np.ndarray) -> np.ndarray:
        u = np.fft.irfft(hat)
        return h * np.fft.rfft(equation.truth["reaction_rate"] * (u - u**3))

    hat = np.fft.rfft(0.5 * np.sin(2 * np.pi * x + 0.3) + 0.4 * np.sin(4 * np.pi * x))
    found = [np.fft.irfft(hat)]
    for _ in range(12):
        for _ in range(steps):
            now = reaction(hat)
            predicted = np.exp(z) * hat + first * now
            hat = predicted + second * (reaction(predicted) - now)
        found.append(np.fft.irfft(hat))
    return np.array(found).astype(np.float32).astype(float)


@pytest.mark.filterwarnings("ignore::hybrid_pde.result_warnings.ResultWarning")
@pytest.mark.parametrize("steps", [4, pytest.param(8, marks=pytest.mark.nightly)])
def test_large_time_steps_of_the_datas_solver_are_a_part_of_the_uncertainty(steps: int) -> None:
    equation = EQUATIONS["allen-cahn"]
    learnable = [{"name": n, "initial_guess": 1.4 * v} for n, v in equation.truth.items()]
    trainer = TrainerFactory.create_physical_trainer(
        {
            "run_params": {"model_type": "physical"},
            "model": {"physical": {"name": equation.name, "numerics": {"scheme": "auto"}}},
            "trainer_params": {"learnable_parameters": learnable},
        }
    )
    found = trainer.train(Windows(_frames_with_large_steps(steps), equation), 1)["parameters"]
    rate, truth = found["reaction_rate"], equation.truth["reaction_rate"]
    error = abs(rate["value"] - truth)
    assert error > 5 * rate["std"], "time steps make an error that the residuals do not show"
    assert error < 2 * rate["uncertainty"] < 6 * error
    assert rate["uncertainty_parts"]["scheme"] == pytest.approx(error, rel=0.3)
