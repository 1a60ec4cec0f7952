"""Statistics of residuals against closed forms and chance."""

import numpy as np
import pytest

from hybrid_pde.training.physical import autocorrelation
from hybrid_pde.training.physical.autocorrelation import correlation
from hybrid_pde.training.physical.homogeneity import Homogeneity, homogeneity
from hybrid_pde.training.physical.paired_comparison import compare
from hybrid_pde.training.physical.residuals import Residuals


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def autoregressive(coefficient: float, seed: int, *shape: int) -> np.ndarray:
    """Unit variance, autocorrelation ``coefficient**lag`` along the first axis."""
    values = noise(seed, *shape)
    for k in range(1, shape[0]):
        values[k] = coefficient * values[k - 1] + np.sqrt(1 - coefficient**2) * values[k]
    return values


def test_white_noise_counts_in_full() -> None:
    ratios = [correlation([Residuals(noise(s, 20, 2, 12, 10))]).inflation for s in range(100)]
    assert max(ratios) < 1.3
    assert sum(ratio == 1 for ratio in ratios) > 80


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("coefficient", [0.5, 0.8])
def test_effective_size_of_an_autoregressive_process(coefficient: float, masked: bool) -> None:
    along_x = np.moveaxis(autoregressive(coefficient, 0, 200, 40, 1), 0, 2)  # [T, C, X]
    mask = np.random.default_rng(1).random(along_x.shape) < 0.6 if masked else None
    values = along_x if mask is None else along_x * mask
    found = correlation([Residuals(values, mask)])
    frames, cells = found.lengths
    assert frames == 1
    # Each neighbour counts as often as it is observed.
    share = 1 if mask is None else 0.6
    expected = 1 + share * 2 * coefficient / (1 - coefficient)
    assert cells == pytest.approx(expected, rel=0.15)
    assert found.lag_one[1] == pytest.approx(coefficient, abs=0.03)
    assert found.num_values == (values.size if mask is None else mask.sum())
    assert found.num_effective == pytest.approx(found.num_values / cells)


def test_a_constant_residual_is_one_value_and_growth_is_measured() -> None:
    found = correlation([Residuals(np.ones((6, 1, 5, 4)))])
    assert found.num_effective == pytest.approx(1, rel=1e-6)
    assert found.growth == 1
    growing = np.arange(1.0, 10.0)[:, None, None] * np.ones((9, 1, 8))
    assert correlation([Residuals(growing)]).growth == pytest.approx((49 + 64 + 81) / (1 + 4 + 9))


def test_pairs_distinguish_what_the_scatter_of_losses_hides() -> None:
    """A bias of a tenth of the noise: the losses differ by 1 %, less than their scatter."""
    common = noise(0, 10, 1, 400)
    bias = 0.1 * np.where(noise(1, 10, 1, 400) > 0, 1, -1)
    worse, right = [Residuals(common + bias)], [Residuals(common)]
    found = compare(worse, right)
    assert found.mean == pytest.approx(0.01, abs=0.01)
    assert found.mean < 4 * np.sqrt(2 / common.size), "a tie if each loss had its own noise"
    assert found.deviations > 2.5
    assert compare(right, worse).deviations == pytest.approx(-found.deviations)
    assert compare(right, right).deviations == 0


def test_pairs_of_equal_models_rarely_differ() -> None:
    """Two models with correlated errors of the same size about the same noise."""
    far = 0
    for seed in range(100):
        common = noise(seed, 60, 1, 30)
        errors = (0.2 * autoregressive(0.7, 200 + 2 * seed + n, 60, 1, 30) for n in (0, 1))
        a, b = ([Residuals(common + error)] for error in errors)
        far += abs(compare(a, b).deviations) > 3
    assert far <= 2


def judged(values: list[float], sigma: float, seed: int, wide: float = 1.0) -> Homogeneity:
    """Simulations y = θ_s x + noise, fitted with one θ and an offset."""
    x = np.linspace(-1, 1, 50)
    rows = []
    for number, value in enumerate(values):
        jacobian = np.stack([x * wide, np.ones(50)], axis=1)
        data = value * x + 0.3 + sigma * noise(1000 * seed + number, 50)
        rows.append((jacobian, data))
    stacked = np.concatenate([jacobian for jacobian, _ in rows])
    theta = np.linalg.lstsq(stacked, np.concatenate([data for _, data in rows]), rcond=None)[0]
    blocks = [np.column_stack([j, j @ theta - data]) for j, data in rows]
    found = homogeneity(np.stack([b.T @ b for b in blocks]), np.full(len(values), 50))
    assert found is not None
    return found


def test_simulations_of_one_parameter_agree() -> None:
    flagged = [judged([0.5] * 4, 0.1, seed).p_value < 0.01 for seed in range(100)]
    assert sum(flagged) <= 5


def test_simulations_of_two_parameters_disagree() -> None:
    found = judged([0.2, 0.2, 0.8, 0.8], 0.1, 0)
    assert found.p_value < 1e-30
    assert found.degrees == 6
    assert found.offsets[:, 0] == pytest.approx([-0.3, -0.3, 0.3, 0.3], abs=0.1)
    assert found.errors[:, 0] == pytest.approx(0.1 / np.sqrt(50 / 3), rel=0.2)
    assert np.max(found.losses) < 2 * np.min(found.losses)
    scaled = judged([0.2, 0.2, 0.8, 0.8], 0.1, 0, wide=1e6)
    assert scaled.statistic == pytest.approx(found.statistic, rel=1e-6), "units do not matter"


def test_correlation_weakens_the_evidence() -> None:
    found = judged([0.5, 0.56], 0.1, 0)
    gram = np.diag([50.0, 50.0, 1.0])
    weaker = homogeneity(np.stack([gram, gram]), np.full(2, 50), inflation=4.0)
    assert weaker is not None and weaker.statistic == 0 and weaker.p_value == 1
    assert 0 < found.p_value < 1


def test_one_simulation_cannot_disagree() -> None:
    assert homogeneity(np.diag([1.0, 2.0])[None], np.array([50])) is None


def test_products_and_transforms_give_the_same_autocorrelation(monkeypatch) -> None:
    values, mask = noise(0, 12, 2, 30), noise(1, 12, 2, 30) > -1
    windows = [Residuals(values), Residuals(values * mask, mask)]
    found = correlation(windows)
    monkeypatch.setattr(autocorrelation, "_LONGEST_DIRECT", 0)
    expected = correlation(windows)
    assert found.lag_one == pytest.approx(expected.lag_one, rel=1e-12)
    assert found.lengths == pytest.approx(expected.lengths, rel=1e-12)
