"""Errors by wavenumber band: error of the energy, and error of the modes.

Layout: ``T`` lead times from the first predicted state on, ``F`` fields, ``C`` channels, then
space.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_pde.evaluation.measures.averages import Terms, average
from hybrid_pde.evaluation.measures.metrics import turning_points
from hybrid_pde.evaluation.measures.spectra import BANDS, Spectrum

BAND_MEASURES = ("spectral_error", "error_by_band", "energy_share")
# Fraction of the mean square. A band with less has amplitudes below 1e-4 of the field's, where a
# relative error is meaningless.
LEAST_ENERGY = 1e-8
LARGEST = 1e140  # of a prediction; squares of larger values overflow


@dataclass(frozen=True)
class BandErrors:
    """Band errors of one rollout, and the spectra of its last state.

    Attributes:
        terms: For each of :data:`BAND_MEASURES`, the terms of each band.
        prediction: For each field, the energy ``[K]`` per shell at the last lead time; NaN after
            a divergence.
        truth: The same for the truth; NaN if values are missing.
    """

    terms: Mapping[str, Sequence[Terms]]
    prediction: Mapping[str, NDArray[np.float64]]
    truth: Mapping[str, NDArray[np.float64]]


def band_errors(
    prediction: Mapping[str, ArrayLike], truth: Mapping[str, ArrayLike], spectrum: Spectrum
) -> BandErrors:
    """Errors of one rollout by band, for every field of ``prediction`` and every lead time.

    With the energies in band b of the prediction, Ê(b), the truth, E(b), and their difference,
    D(b)::

        spectral_error = |Ê(b) − E(b)| / E(b)
        error_by_band  = √(D(b) / E(b))
        energy_share   = E(b) / Σ E, which is the truth's alone

    A prediction with the right amplitudes and random phases has 0 and √2 (on average), one with no
    energy in the band 1 and 1. Bands with less than 1e-8 of the truth's mean square, frames with
    missing values, and those at which the truth passes through zero are not counted. Once a
    prediction is not finite, its errors are infinite.

    Args:
        prediction: ``[T, C, *space]`` for each field.
        truth: The same for at least these fields, NaN if missing.
        spectrum: Spectrum of their grid.
    """
    rollouts = {name: np.asarray(values) for name, values in prediction.items()}
    found = [_errors(rollouts[name], np.asarray(truth[name]), spectrum) for name in rollouts]
    terms = {
        measure: [
            Terms(
                np.stack([values[measure][:, band] for values, _ in found], axis=1),
                np.stack([counted[:, band] for _, counted in found], axis=1),
            )
            for band in range(len(BANDS))
        ]
        for measure in BAND_MEASURES
    }
    return BandErrors(
        terms,
        {name: _last_shells(values, spectrum) for name, values in rollouts.items()},
        {name: _last_shells(np.asarray(truth[name]), spectrum) for name in rollouts},
    )


def summarize_bands(rollouts: Sequence[BandErrors], fields: Sequence[str]) -> dict[str, Any]:
    """Means of each band over rollouts, lead times and fields; by lead time; and by field."""
    averages = {
        measure: {
            band: average([rollout.terms[measure][number] for rollout in rollouts], fields)
            for number, band in enumerate(BANDS)
        }
        for measure in BAND_MEASURES
    }
    return {
        **{
            measure: {band: each.mean for band, each in bands.items()}
            for measure, bands in averages.items()
        },
        "by_lead_time": {
            measure: {band: each.by_lead_time for band, each in bands.items()}
            for measure, bands in averages.items()
        },
        "by_field": {
            name: {
                measure: {band: each.by_field[name] for band, each in bands.items()}
                for measure, bands in averages.items()
            }
            for name in fields
        },
    }


def energy_difference(
    energy: NDArray[np.float64], reference: NDArray[np.float64], mean_square: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Relative difference of the energy in each band, and whether it counts.

    It counts if the reference has at least 1e-8 of the mean square.

    Args:
        energy: Energy in each band.
        reference: Energy of the reference.
        mean_square: Mean square ⟨u²⟩ of the reference field.
    """
    enough = reference > LEAST_ENERGY * mean_square
    return np.abs(energy - reference) / np.where(enough, reference, 1.0), enough


def _errors(
    prediction: NDArray[Any], truth: NDArray[Any], spectrum: Spectrum
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """Both measures of one field, ``[T, 3]`` each, and whether they count."""
    values = {measure: np.full((len(truth), len(BANDS)), np.inf) for measure in BAND_MEASURES}
    counted = np.ones((len(truth), len(BANDS)), dtype=bool)
    squares = np.array([np.square(frame.astype(np.float64)).mean() for frame in truth])
    is_zero = turning_points(squares)
    for time, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        guess, frame = predicted.astype(np.float64), true.astype(np.float64)
        if not (np.abs(guess) < LARGEST).all():
            break
        if is_zero[time] or np.isnan(frame).any():
            counted[time] = False
            continue
        modes, true_modes = spectrum.modes(guess), spectrum.modes(frame)
        energy = spectrum.band_energies(true_modes)
        square = float(squares[time] * len(frame))
        difference, counted[time] = energy_difference(spectrum.band_energies(modes), energy, square)
        values["spectral_error"][time] = difference
        values["energy_share"][time] = energy / (energy.sum() or 1.0)
        error = spectrum.band_energies(modes - true_modes)
        values["error_by_band"][time] = np.sqrt(error / np.where(counted[time], energy, 1.0))
    return values, counted


def _last_shells(values: NDArray[Any], spectrum: Spectrum) -> NDArray[np.float64]:
    """Energy per shell at the last lead time; NaN if a value is not finite."""
    last = values[-1].astype(np.float64)
    if not (np.abs(last) < LARGEST).all():
        return np.full(len(spectrum.wavenumbers), np.nan)
    return spectrum.shell_energies(spectrum.modes(last))
