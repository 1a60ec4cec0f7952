"""Energy spectra and errors by band, compared with closed forms on boxes with dx ≠ 1."""

import numpy as np
import pytest

from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Grid, Side, axis_points
from hybrid_pde.evaluation.measures.band_errors import band_errors, summarize_bands
from hybrid_pde.evaluation.measures.spectra import BANDS, Spectrum

LENGTHS = (3.0, 5.0)


def grid(shape: tuple[int, ...], side: Side = PERIODIC, nodes: bool = False) -> Grid:
    dims = len(shape)
    return Grid(
        axes=("x", "y", "z")[:dims],
        shape=shape,
        lower=(0.0,) * dims,
        upper=LENGTHS[:dims],
        boundary=((side, side),) * dims,
        nodes_on_boundary=(nodes,) * dims,
    )


def points(of: Grid) -> list[np.ndarray]:
    return np.meshgrid(*axis_points(of).values(), indexing="ij")


@pytest.mark.parametrize(
    ("side", "nodes", "base"),
    [(PERIODIC, False, 2 * np.pi), (ZERO_GRADIENT, False, np.pi), (ZERO_GRADIENT, True, np.pi)],
)
def test_a_wave_has_half_its_squared_amplitude_at_its_wavenumber(
    side: Side, nodes: bool, base: float
) -> None:
    box = grid((33,), side, nodes)
    (x,) = points(box)
    spectrum = Spectrum(box)
    wave = 1.7 + 0.6 * np.cos(4 * base * x / 3.0)
    energies = spectrum.shell_energies(spectrum.modes(wave[None]))
    expected = np.zeros(len(spectrum.wavenumbers))
    expected[3] = 0.6**2 / 2
    np.testing.assert_allclose(energies, expected, atol=1e-15)
    assert spectrum.wavenumbers[3] == pytest.approx(4 * base / 3.0)


@pytest.mark.parametrize("side", [PERIODIC, ZERO_GRADIENT])
def test_all_modes_together_have_the_mean_square(side: Side) -> None:
    box = grid((12, 9), side)
    values = np.random.default_rng(0).normal(size=(2, 12, 9))
    modes = Spectrum(box).modes(values)
    assert np.sum(np.abs(modes) ** 2) == pytest.approx(np.sum(values**2) / (12 * 9), rel=1e-12)


def test_periodic_and_walled_axes_can_be_combined() -> None:
    box = Grid(
        ("x", "y"), (16, 10), (0.0, 0.0), LENGTHS,
        ((PERIODIC, PERIODIC), (ZERO_GRADIENT, ZERO_GRADIENT)), (False, False),
    )  # fmt: skip
    x, y = points(box)
    wave = 2 * np.sin(2 * np.pi * 2 * x / 3) * np.cos(np.pi * 3 * y / 5)
    spectrum = Spectrum(box)
    energies = spectrum.shell_energies(spectrum.modes(wave[None]))
    k = np.hypot(4 * np.pi / 3, 3 * np.pi / 5)
    shell = round(k / (np.pi / 5)) - 1  # the axis between the walls has the smallest wavenumber
    assert energies[shell] == pytest.approx(1.0)  # 4 · ½ · ½
    assert energies.sum() == pytest.approx(1.0)


def test_bands_are_thirds_of_the_wavenumbers_on_a_logarithmic_scale() -> None:
    box = grid((64,))
    spectrum = Spectrum(box)
    assert spectrum.bounds == pytest.approx(2 * np.pi / 3 * 32 ** (np.arange(4) / 3))
    (x,) = points(box)
    # the band limits are at 3.17 and 10.08 waves
    for waves, band in ((1, 0), (3, 0), (4, 1), (10, 1), (11, 2), (31, 2)):
        energies = spectrum.band_energies(spectrum.modes(np.sin(2 * np.pi * waves * x / 3)[None]))
        expected = np.zeros(3)
        expected[band] = 0.5
        np.testing.assert_allclose(energies, expected, atol=1e-15)
    np.testing.assert_allclose(spectrum.band_energies(spectrum.modes(np.ones((1, 64)))), 0)


def _bands(prediction: np.ndarray, truth: np.ndarray, box: Grid) -> dict:
    found = band_errors({"u": prediction}, {"u": truth}, Spectrum(box))
    return summarize_bands([found], ["u"])


def test_damped_shifted_and_exact_waves_are_distinguished() -> None:
    box = grid((64,))
    (x,) = points(box)
    low, mid, high = (np.sin(2 * np.pi * waves * x / 3) for waves in (2, 6, 20))
    truth = (low + 0.5 * mid + 0.1 * high)[None, None]
    shifted = 0.5 * np.cos(2 * np.pi * 6 * x / 3)
    found = _bands((low + shifted + 0.07 * high)[None, None], truth, box)
    energy, power = found["spectral_error"], found["error_by_band"]
    assert energy["low"] == pytest.approx(0, abs=1e-12)
    assert energy["mid"] == pytest.approx(0, abs=1e-12)
    assert energy["high"] == pytest.approx(1 - 0.7**2)
    assert power["low"] == pytest.approx(0, abs=1e-12)
    assert power["mid"] == pytest.approx(np.sqrt(2))
    assert power["high"] == pytest.approx(0.3)
    shares = [found["energy_share"][band] for band in BANDS]
    assert shares == pytest.approx(np.array([1, 0.25, 0.01]) / 1.26)
    assert found["by_lead_time"]["spectral_error"]["high"] == pytest.approx([1 - 0.7**2])
    assert found["by_field"]["u"]["error_by_band"]["high"] == pytest.approx(0.3)


def test_an_empty_band_is_not_counted_and_a_divergence_is_never_dropped() -> None:
    box = grid((64,))
    (x,) = points(box)
    truth = np.repeat(np.sin(2 * np.pi * x / 3)[None, None], 3, axis=0)
    found = _bands(1.1 * truth, truth, box)["spectral_error"]
    assert found == {"low": pytest.approx(0.21), "mid": None, "high": None}
    lost = truth.copy()
    lost[1, 0, 5] = np.nan
    by_time = _bands(lost, truth, box)["by_lead_time"]
    assert by_time["spectral_error"]["low"] == [0.0, None, None]
    assert by_time["error_by_band"]["high"] == [None, None, None]


def test_frames_with_missing_values_have_no_spectrum() -> None:
    box = grid((64,))
    (x,) = points(box)
    truth = np.repeat(np.sin(2 * np.pi * x / 3)[None, None], 2, axis=0)
    prediction = 0.5 * truth
    truth[0, 0, 3] = np.nan
    found = _bands(prediction, truth, box)
    assert found["by_lead_time"]["spectral_error"]["low"] == [None, pytest.approx(0.75)]
    assert found["spectral_error"]["low"] == pytest.approx(0.75)


def test_a_frame_at_which_the_truth_passes_through_zero_has_no_spectrum() -> None:
    box = grid((64,))
    (x,) = points(box)
    truth = np.array([1.0, 1e-3, 1.0])[:, None, None] * np.sin(2 * np.pi * x / 3)[None, None]
    found = _bands(truth + 0.1 * truth[:1], truth, box)
    assert found["by_lead_time"]["spectral_error"]["low"][1] is None
    assert found["spectral_error"]["low"] == pytest.approx(0.21)
