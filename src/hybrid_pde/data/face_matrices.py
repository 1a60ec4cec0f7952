"""Interpolation between cell centres and lower cell faces along one axis, as matrices.

Along a periodic axis the interpolant is the trigonometric polynomial through all points, between
impermeable walls a sum of sines; :class:`hybrid_pde.data.staggered_velocity.Staggering` says which
modes are kept.
"""

import numpy as np


def periodic_matrices(n: int) -> tuple[np.ndarray, np.ndarray]:
    """``[face, centre]`` and ``[centre, face]`` for n cells along a periodic axis."""
    half = np.exp(1j * np.pi / n * np.arange(n // 2 + 1))[:, None]
    if n % 2 == 0:
        half[-1] = 0.0  # the alternating mode is zero halfway between its points
    modes = np.fft.rfft(np.eye(n), axis=0)
    # the lower face lies before its centre
    return np.fft.irfft(modes / np.where(half, half, np.inf), n, axis=0), np.fft.irfft(
        modes * half, n, axis=0
    )


def walled_matrices(n: int) -> tuple[np.ndarray, np.ndarray]:
    """``[face, centre]`` and ``[centre, face]`` between walls; the first face is a wall."""
    wavenumber = np.arange(1, n + 1)
    at_faces = np.sin(np.pi / n * np.outer(np.arange(n), wavenumber))
    at_centres = np.sin(np.pi / n * np.outer(np.arange(n) + 0.5, wavenumber))
    squares = np.where(wavenumber == n, n, n / 2)  # of the sines' sums over the centres
    of_centres = (at_centres / squares).T
    # over the faces, where the highest sine is zero, the others have the same
    of_faces = (at_faces / squares).T
    return at_faces @ of_centres, at_centres @ of_faces
