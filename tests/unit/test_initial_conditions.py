"""Random initial states: spectra, moments, correlations, reproducibility."""

import numpy as np
import pytest

from hybrid_pde.config.schema import GaussianRandomField
from hybrid_pde.data.initial_states.random_fields import gaussian_random_state, resembling_state
from hybrid_pde.domain.grid import FieldLayout, Grid
from tests.physics.periodic_box import periodic_grid

LAYOUTS = [FieldLayout("velocity", ("x", "y")), FieldLayout("density")]
GRID = periodic_grid((48, 40), (1.2, 0.8))


def drawn(settings: GaussianRandomField, *seed: int, grid: Grid = GRID) -> dict[str, np.ndarray]:
    return gaussian_random_state(grid, LAYOUTS, settings, seed)


def test_every_channel_has_the_requested_amplitude_and_mean() -> None:
    state = drawn(GaussianRandomField(amplitude=0.7, length_scale=0.1, mean=2.0), 0, 3)
    assert {name: values.shape for name, values in state.items()} == {
        "velocity": (2, 48, 40),
        "density": (1, 48, 40),
    }
    for values in state.values():
        assert values.mean(axis=(1, 2)) == pytest.approx(2.0, abs=1e-12)
        assert values.std(axis=(1, 2)) == pytest.approx(0.7, rel=1e-12)


def test_channels_are_drawn_independently() -> None:
    settings = GaussianRandomField(length_scale=0.05)
    products = [
        (state["velocity"][0] * state["velocity"][1]).mean()
        for state in (drawn(settings, 0, index) for index in range(64))
    ]
    # one product has a standard deviation of about 0.13: (π ℓ² / area)^½ · √2
    assert abs(np.mean(products)) < 0.07
    assert np.std(products) > 0.03


def test_correlation_falls_off_with_the_length_scale() -> None:
    """Correlation compared with exp(−r²/(2 ℓ²)) along both axes, at unequal spacings."""
    length = 0.06
    settings = GaussianRandomField(amplitude=1.0, length_scale=length)
    states = [drawn(settings, 1, index)["velocity"] for index in range(200)]
    noise = np.concatenate(states)
    for axis, spacing in ((1, GRID.spacing[0]), (2, GRID.spacing[1])):
        for shift in (1, 2, 4, 6):
            measured = (noise * np.roll(noise, shift, axis)).mean()
            expected = np.exp(-((shift * spacing) ** 2) / (2 * length**2))
            # 400 channels of about 40 patches; subtracting the mean: π ℓ²·2 / area = 0.024
            assert measured == pytest.approx(expected, abs=0.04), (axis, shift)


def test_a_state_depends_only_on_seed_and_index() -> None:
    settings = GaussianRandomField()
    first = drawn(settings, 0, 5)["velocity"]
    drawn(settings, 0, 4)
    np.random.default_rng(0).random()
    assert np.array_equal(drawn(settings, 0, 5)["velocity"], first)
    for other in ((0, 6), (1, 5), (0, 1, 5)):
        assert not np.allclose(drawn(settings, *other)["velocity"], first)


def test_a_state_is_drawn_in_one_and_three_dimensions() -> None:
    for shape, lengths in (((32,), (2.0,)), ((8, 6, 10), (1.0, 0.7, 1.3))):
        settings = GaussianRandomField(amplitude=0.5, length_scale=0.3)
        layout = [FieldLayout("u")]
        state = gaussian_random_state(periodic_grid(shape, lengths), layout, settings, (0, 0))
        assert state["u"].shape == (1, *shape)
        assert state["u"].std() == pytest.approx(0.5)


@pytest.fixture
def original() -> dict[str, np.ndarray]:
    """Two correlated components and a scalar, all with nonzero mean."""
    settings = GaussianRandomField(amplitude=0.4, length_scale=0.1, mean=1.5)
    state = drawn(settings, 7)
    state["velocity"][1] += 0.8 * state["velocity"][0]
    return state


def spectra(values: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.fftn(values, axes=(1, 2)))


def test_resembling_state_keeps_spectra_and_means(original: dict[str, np.ndarray]) -> None:
    state = resembling_state(original, GRID, (0, 1))
    for name, values in original.items():
        assert state[name].dtype == np.float64
        assert not np.allclose(state[name], values, atol=0.1)
        np.testing.assert_allclose(spectra(state[name]), spectra(values), atol=1e-9)
        np.testing.assert_allclose(state[name].mean((1, 2)), values.mean((1, 2)), rtol=1e-12)
        np.testing.assert_allclose(state[name].std((1, 2)), values.std((1, 2)), rtol=1e-12)


def test_resembling_state_keeps_the_correlation_of_components(
    original: dict[str, np.ndarray],
) -> None:
    state = resembling_state(original, GRID, (0, 1))

    def correlations(each: dict[str, np.ndarray]) -> np.ndarray:
        return np.corrcoef(np.concatenate([*each.values()]).reshape(3, -1))

    before = correlations(original)
    assert before[0, 1] > 0.4, "the components are correlated"
    np.testing.assert_allclose(correlations(state), before, atol=1e-12)


@pytest.mark.parametrize("shape", [(7,), (8,), (5, 6), (4, 5, 6)])
def test_resembling_state_keeps_the_variance_on_odd_and_even_grids(shape: tuple[int, ...]) -> None:
    """A neglected imaginary part would reduce the variance."""
    values = np.random.default_rng(0).normal(size=(1, *shape))
    grid = periodic_grid(shape, (1.0, 0.7, 1.3)[: len(shape)])
    state = resembling_state({"u": values}, grid, (3, 4))["u"]
    assert state.var() == pytest.approx(values.var(), rel=1e-10)
