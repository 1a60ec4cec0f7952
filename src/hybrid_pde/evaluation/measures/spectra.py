"""Energy spectra of fields, in wavenumber shells and in three bands.

Layout: ``C`` channels, then space; ``[*modes]`` are wave vectors.
"""

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from hybrid_pde.domain.grid import PERIODIC, Grid

BANDS = ("low", "mid", "high")
EDGE = 1 + 1e-9  # tolerance for wavenumbers that equal a bound up to rounding


class Spectrum:
    """Modes of fields on a grid: Fourier modes on periodic axes, cosines between walls.

    The energy of a mode is its contribution to the mean square of the field: A²/2 for A cos(k·x),
    and ⟨u²⟩ for all modes together (with half weight for points on walls, as in the trapezoidal
    rule). k_min is the smallest wavenumber of any axis (2π/L if periodic, π/L between walls), k_max
    the largest that every axis resolves (π/dx). The bands are the thirds of [k_min, k_max] on a
    logarithmic scale; modes beyond k_max, in the corners, count as high, and the mean, k = 0, is in
    no band.

    Args:
        grid: Grid of the values.

    Attributes:
        bounds: The wavenumbers ``k_min``, the two between the bands, and ``k_max`` [1/length].
        wavenumbers: Centre of each shell, k_min, 2 k_min, … to k_max [1/length].

    Source: the bands follow Ohana et al. (2024), The Well, appendix E.
    """

    def __init__(self, grid: Grid) -> None:
        self._periodic = tuple(sides == (PERIODIC, PERIODIC) for sides in grid.boundary)
        self._nodes = grid.nodes_on_boundary
        lines = [
            2 * np.pi * np.abs(np.fft.fftfreq(n, dx)) if periodic else _cosines(n, dx, nodes)
            for n, dx, periodic, nodes in zip(
                grid.shape, grid.spacing, self._periodic, self._nodes, strict=True
            )
        ]
        square = sum(np.meshgrid(*[line**2 for line in lines], indexing="ij", sparse=True))
        wavenumber = np.sqrt(np.asarray(square))
        smallest = min(float(line[1]) for line in lines if len(line) > 1)
        largest = min(np.pi / dx for n, dx in zip(grid.shape, grid.spacing, strict=True) if n > 1)
        self.bounds = tuple(float(k) for k in np.geomspace(smallest, largest, len(BANDS) + 1))
        # −1 for the mean, else the index of the band
        inner = [bound * EDGE for bound in self.bounds[1:-1]]
        self._band = np.where(wavenumber > 0, np.digitize(wavenumber, inner, right=True), -1)
        shells = np.rint(wavenumber / smallest).astype(int)
        count = int(largest / smallest * EDGE)
        self._shell = np.where(shells <= count, shells, 0)
        self.wavenumbers: NDArray[Any] = smallest * np.arange(1, count + 1)

    def modes(self, values: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Amplitudes ``[C, *modes]`` of ``[C, *space]``, scaled so that |mode|² is the energy."""
        modes = np.asarray(values)
        for axis, (periodic, nodes) in enumerate(zip(self._periodic, self._nodes, strict=True), 1):
            n = modes.shape[axis]
            if periodic:
                modes = scipy.fft.fft(modes, axis=axis) / n
                continue
            intervals = n - 1 if nodes else n
            scale = np.full(n, 1 / (np.sqrt(2) * intervals))
            scale[0] = 1 / (2 * intervals)
            if nodes:
                scale[-1] = scale[0]  # cos(πi) has mean square 1, like the mean
            shape = [1] * modes.ndim
            shape[axis] = n
            modes = _cosine_transform(modes, 1 if nodes else 2, axis) * scale.reshape(shape)
        return np.asarray(modes, dtype=np.complex128)

    def band_energies(self, modes: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Energy in each band ``[3]``, summed over the channels of ``[C, *modes]``."""
        return _group_energies(modes, self._band + 1, len(BANDS))

    def shell_energies(self, modes: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Energy in each shell ``[K]`` of ``wavenumbers``, summed over the channels."""
        return _group_energies(modes, self._shell, len(self.wavenumbers))


def _cosines(points: int, spacing: float, nodes: bool) -> NDArray[Any]:
    """Wavenumbers mπ/L of cosines between two walls."""
    length = spacing * (points - 1 if nodes else points)
    return np.pi * np.arange(points) / length


def _cosine_transform(values: NDArray[np.generic], kind: int, axis: int) -> NDArray[np.generic]:
    """Discrete cosine transform; real and imaginary parts separately."""
    if not np.iscomplexobj(values):
        return np.asarray(scipy.fft.dct(values, type=kind, axis=axis))
    real, imaginary = (
        scipy.fft.dct(part, type=kind, axis=axis) for part in (values.real, values.imag)
    )
    return np.asarray(real + 1j * imaginary)


def _group_energies(
    modes: NDArray[np.complex128], groups: NDArray[np.int_], count: int
) -> NDArray[np.float64]:
    """Energy in the groups 1 … count; group 0 is ignored."""
    energy = np.square(modes.real) + np.square(modes.imag)
    total = energy.sum(axis=0)
    sums = np.bincount(groups.ravel(), weights=total.ravel(), minlength=count + 1)
    return np.asarray(sums[1 : count + 1], dtype=np.float64)
