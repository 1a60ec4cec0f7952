"""Fourier derivatives on a periodic box, exact for every mode that the grid resolves.

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z. A box of
length L with n points has the wavenumbers 2πm/L, m = -n/2 … n/2.

Source: Canuto, Hussaini, Quarteroni and Zang (2006), Spectral Methods, sections 2.1 and 3.2.
"""

from collections.abc import Mapping
from math import pi

import numpy as np
from phi.torch.flow import batch, math, spatial

# Up to so many points along an axis, one product with the n × n matrix of the operator costs less
# than two complex Fourier transforms, most of all where derivatives are carried along.
LARGEST_MATRIX = 256


class Spectral:
    """Operators that multiply Fourier modes, axis by axis.

    Args:
        spacing: Distance between neighbouring points along each axis [length].
        resolution: Number of points along each axis.
    """

    def __init__(self, spacing: Mapping[str, float], resolution: Mapping[str, int]) -> None:
        self.spacing = dict(spacing)
        self._second = {}
        self._first = {}
        self._kept = {}
        for axis, n in resolution.items():
            k = 2 * pi * np.fft.fftfreq(n, spacing[axis])
            self._second[axis] = -(k**2)
            if n % 2 == 0:
                # The Nyquist mode cos(πi) has no partner sin(πi) on the grid: its odd derivatives
                # vanish at every point.
                k[n // 2] = 0.0
            self._first[axis] = 1j * k
            self._kept[axis] = (np.abs(np.fft.fftfreq(n, 1 / n)) < n / 3).astype(float)

    def gradient(self, u: math.Tensor, axis: str) -> math.Tensor:
        """First derivative ∂u/∂axis, in units of ``u`` per length; same shape as ``u``."""
        return _apply(u, axis, self._first[axis])

    def laplacian(self, u: math.Tensor) -> math.Tensor:
        """Sum of second derivatives ∇²u, component by component; same shape as ``u``."""
        return sum(_apply(u, axis, symbol) for axis, symbol in self._second.items())

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """Advective derivative (velocity·∇)u, free of aliasing by the 2/3 rule.

        Where the velocity is a field, both factors and their product are cut to the lower two
        thirds of the wavenumbers, so that no product of two kept modes folds back onto a kept one.

        Args:
            velocity: Vector with a component of the dimension ``vector`` for each axis; uniform
                in space, or a field.
            u: Scalar or vector; a vector is advected component by component.
        """
        if not velocity.shape.spatial:
            return sum(velocity.vector[axis] * self.gradient(u, axis) for axis in self.spacing)
        same = velocity is u
        u = self._cut(u)
        velocity = u if same else self._cut(velocity)
        return self._cut(
            sum(velocity.vector[axis] * self.gradient(u, axis) for axis in self.spacing)
        )

    @property
    def first_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the first derivative, times the spacing."""
        return pi

    @property
    def second_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the second derivative, times the spacing squared."""
        return pi**2

    def _cut(self, u: math.Tensor) -> math.Tensor:
        for axis, symbol in self._kept.items():
            u = _apply(u, axis, symbol)
        return u


def _apply(u: math.Tensor, axis: str, symbol: np.ndarray) -> math.Tensor:
    """Multiply the Fourier modes along one axis by a symbol with symbol(-k) = conj symbol(k)."""
    if len(symbol) > LARGEST_MATRIX:
        return math.real(math.ifft(math.fft(u, axis) * math.wrap(symbol, spatial(axis)), axis))
    column = np.fft.ifft(symbol).real
    n = len(symbol)
    matrix = column[(np.arange(n)[:, None] - np.arange(n)[None, :]) % n]
    product = math.dot(math.wrap(matrix, batch("row") & batch("column")), "column", u, axis)
    return math.rename_dims(product, "row", spatial(axis))
