"""Sources of the uncertainty: rounding of the data, correlated errors, structure, intervals."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtr

from hybrid_pde.errors import DivergenceError
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical import error_budget
from hybrid_pde.training.physical.added_uncertainty import add_uncertainty
from hybrid_pde.training.physical.autocorrelation import correlation
from hybrid_pde.training.physical.correlated_errors import std_factors, uneven_factors
from hybrid_pde.training.physical.data_precision import rounding_of
from hybrid_pde.training.physical.discretization_check import Refinement
from hybrid_pde.training.physical.error_budget import structured_share
from hybrid_pde.training.physical.frame_arrays import Sensitivities
from hybrid_pde.training.physical.normal_interval import interval_90
from hybrid_pde.training.physical.residuals import Residuals

RANDOM = np.random.default_rng(0)
VALUES = np.sin(np.linspace(0, 6, 4000)) + 0.3 * RANDOM.standard_normal(4000)
STEP = 1e-4


@pytest.mark.parametrize(
    "stored",
    [
        np.round(VALUES / STEP) * STEP,
        (np.round(VALUES / STEP) * STEP).astype(np.float32).astype(float),
        np.round(VALUES[:300] / STEP) * STEP + 3,
    ],
    ids=["double", "single", "few"],
)
def test_the_step_of_packed_values_is_found(stored: np.ndarray) -> None:
    assert rounding_of(stored).size == pytest.approx(STEP / 12**0.5, rel=1e-3)


@pytest.mark.parametrize("levels", [1000, 65_000])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_step_of_few_values_on_many_levels_is_found(levels: int, kind: type) -> None:
    """No two of 400 values are neighbours on the lattice of 16-bit integers."""
    few = VALUES[::10]
    step = float(np.ptp(few)) / levels
    stored = (np.round((few - few.min()) / step) * step + few.min()).astype(kind).astype(float)
    assert rounding_of(stored).size == pytest.approx(step / 12**0.5, rel=1e-4)


def test_integers_have_the_rounding_error_of_a_unit() -> None:
    assert rounding_of(np.round(100 * VALUES)).size == pytest.approx(12**-0.5)


@pytest.mark.parametrize(("kind", "bits"), [(np.float16, 10), (np.float32, 23), (np.float64, 52)])
def test_the_format_that_holds_the_values_is_found(kind: type, bits: int) -> None:
    stored = VALUES.astype(kind).astype(float)
    actual = float(np.sqrt(np.mean((stored - VALUES) ** 2)))
    expected = actual if bits < 52 else 2.0**-53
    assert rounding_of(stored).size == pytest.approx(expected, rel=0.1 if bits < 52 else 1.0)


class _Line:
    """A vector of one parameter without a scale and without bounds, z itself."""

    lower, upper = np.array([-np.inf]), np.array([np.inf])

    def __init__(self, value: float) -> None:
        self._z = np.array([value])

    def read(self) -> np.ndarray:
        return self._z

    def values(self, z: np.ndarray) -> np.ndarray:
        return z

    def slopes(self, z: np.ndarray) -> np.ndarray:
        return np.ones_like(z)


def _ensemble(blur: int, repetitions: int = 60) -> tuple[float, float]:
    """Factor on the std, and the true one, for errors averaged over ``blur`` cells and frames."""
    random = np.random.default_rng(1)
    t, x = np.meshgrid(np.arange(60), np.arange(64), indexing="ij")
    slope = (np.sin(2 * np.pi * x / 64) * (1 + t / 60))[None, :, None, :]
    size = float((slope**2).sum())
    errors, factors, stds = [], [], []
    for _ in range(repetitions):
        noise = random.standard_normal((60 + blur - 1, 64))
        summed = np.cumsum(np.pad(noise, ((1, 0), (0, 0))), axis=0)
        noise = (summed[blur:] - summed[:-blur]) / blur**0.5
        noise = sum(np.roll(noise, shift, axis=1) for shift in range(blur)) / blur**0.5
        estimate = float((slope[0, :, 0] * noise).sum()) / size
        residual = noise[:, None, :] - estimate * slope[0]
        errors.append(estimate)
        factors.append(std_factors([Sensitivities(Residuals(residual), slope)])[1][0])
        stds.append(np.sqrt((residual**2).mean() / size))
    return float(np.mean(factors)), float(np.std(errors) / np.mean(stds))


def test_the_std_of_independent_errors_is_kept() -> None:
    found, _ = _ensemble(1)
    assert 1.0 <= found < 1.25, "the larger one of two estimates"


def test_the_std_of_correlated_errors_grows_as_the_scatter_does() -> None:
    found, true = _ensemble(4)
    assert true > 3
    assert 0.75 * true < found < 1.5 * true, (found, true)


def test_each_channel_has_the_variance_of_its_own_errors() -> None:
    """The second parameter is seen by a channel whose errors are a hundredth of the others."""
    random = np.random.default_rng(0)
    residual = random.standard_normal((50, 2, 64)) * np.array([1.0, 0.01])[None, :, None]
    slopes = np.zeros((2, 50, 2, 64))
    slopes[0, :, 0] = slopes[1, :, 1] = random.standard_normal((50, 64))
    windows = [Sensitivities(Residuals(residual), slopes)]
    independent, factors = std_factors(windows)
    assert independent == pytest.approx([2**0.5, 0.01 * 2**0.5], rel=0.05)
    assert np.all(factors >= independent)
    rounding = uneven_factors(windows, [np.full((50, 2, 64), 1e-6)])
    size = np.sqrt((residual**2).mean())
    assert rounding == pytest.approx([1e-3 / size] * 2, rel=0.01)


def test_rounding_of_floats_is_relative_and_that_of_a_lattice_is_not() -> None:
    values = 2.0 ** np.linspace(-40, 0, 500)
    single = rounding_of(values.astype(np.float32).astype(float))
    assert single.errors(np.array([1.0, 2.0**-40, 0.0])) == pytest.approx(
        [2.0**-23 / 12**0.5, 2.0**-63 / 12**0.5, 0.0], rel=1e-12
    )
    packed = rounding_of(np.round(VALUES / STEP) * STEP)
    assert packed.errors(np.array([1.0, 1e-9])) == pytest.approx([STEP / 12**0.5] * 2, rel=1e-3)


def test_smooth_residuals_are_structure_and_noise_is_not() -> None:
    t, x = np.meshgrid(np.arange(12), np.arange(48), indexing="ij")
    smooth = Residuals((t * np.sin(2 * np.pi * x / 48))[:, None])
    noise = Residuals(np.random.default_rng(0).standard_normal((12, 1, 48)))
    assert structured_share(correlation([smooth])) == 1.0
    assert structured_share(correlation([noise])) == 0.0
    growing = Residuals(noise.values + 0.3 * t[:, None] * np.sin(2 * np.pi * x / 4)[:, None])
    assert 0.2 < structured_share(correlation([growing])) < 1.0


def test_parts_of_known_sign_shift_the_interval() -> None:
    vector = _Line(2.0)
    low, high = interval_90(vector, np.array([1.0]), [np.array([0.6])])
    assert (low[0], high[0]) == pytest.approx((2.6 - 1.645 * 0.8, 2.6 + 1.645 * 0.8), abs=1e-3)
    low, high = interval_90(vector, np.array([1.0]), [np.array([0.6]), np.array([-0.8])])
    assert (low[0], high[0]) == pytest.approx((1.8, 2.0)), "nothing but the shifts"
    low, high = interval_90(vector, np.array([1.0]))
    assert high[0] - 2 == pytest.approx(1.645, abs=1e-3) == 2 - low[0]


@pytest.mark.parametrize("shift", [-3.0, -1.8, -1.0, 0.0, 0.4, 1.7, 2.2])
def test_the_interval_has_the_estimate_and_nine_tenths_of_the_distribution(shift: float) -> None:
    vector, std = _Line(2.0), 0.7
    low, high = interval_90(vector, np.array([np.hypot(shift, std)]), [np.array([shift])])
    held = np.diff(ndtr((np.array([low[0], high[0]]) - 2 - shift) / std))
    assert held[0] == pytest.approx(0.9, abs=1e-6)
    assert low[0] <= 2 <= high[0]


def test_an_added_error_widens_both_sides_of_an_interval() -> None:
    found = {"value": 2.0, "uncertainty": 1.0, "bounds": [None, 4.1], "interval_90": [2.0, 3.5]}
    add_uncertainty(found, np.array([0.75]))
    assert found["uncertainty"] == 1.25
    reach = 1.645 * 0.75
    assert found["interval_90"] == pytest.approx([2 - reach, 2 + np.hypot(1.5, reach)], abs=1e-3)
    add_uncertainty(found, np.array([0.75]))
    assert found["interval_90"][1] == 4.1, "the bound"


def test_a_shift_counts_only_as_far_as_the_residuals_leave_it_open() -> None:
    assert Refinement(np.array([-0.02]), 1.1).uncertainty == pytest.approx(0.019, rel=0.01)
    assert Refinement(np.array([-0.02]), 0.5).uncertainty == pytest.approx(0.02)
    assert Refinement(np.array([-0.02]), 1e6).uncertainty == pytest.approx(2e-5)


def test_information_of_noise_that_is_unknown_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*arguments: object) -> None:
        raise DivergenceError("no longer finite")

    monkeypatch.setattr(error_budget, "noise_information", diverge)
    with pytest.warns(ResultWarning, match="uncertainty may be too small"):
        factors = error_budget._noise_information(SimpleNamespace(vector=[0, 1]), np.zeros(2))
    assert factors.tolist() == [1.0, 1.0]
