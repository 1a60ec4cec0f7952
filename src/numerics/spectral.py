"""Fourier derivatives on a periodic box, exact for every mode that the grid resolves.

Tensors have named dimensions: any batch and channel dimensions, spatial ones x, y, z. A box of
length L with n points has the wavenumbers 2πm/L, m = -n/2 … n/2.

Source: Canuto, Hussaini, Quarteroni and Zang (2006), Spectral Methods, sections 2.1 and 3.2.
"""

from collections.abc import Mapping
from math import pi

import numpy as np
from phi.torch.flow import math, spatial


class Spectral:
    """Operators that differentiate by Fourier transform.

    Args:
        spacing: Distance between neighbouring points along each axis [length].
        resolution: Number of points along each axis.
    """

    def __init__(self, spacing: Mapping[str, float], resolution: Mapping[str, int]) -> None:
        self.spacing = dict(spacing)
        self.resolution = dict(resolution)

    def gradient(self, u: math.Tensor, axis: str) -> math.Tensor:
        """First derivative ∂u/∂axis, in units of ``u`` per length; same shape as ``u``."""
        factor = 1j * self._wavenumbers(axis, odd=True)
        return math.real(math.ifft(math.fft(u, axis) * _along(factor, axis), axis))

    def laplacian(self, u: math.Tensor) -> math.Tensor:
        """Sum of second derivatives ∇²u, component by component; same shape as ``u``."""
        symbol = sum(_along(-(self._wavenumbers(axis) ** 2), axis) for axis in self.spacing)
        axes = list(self.spacing)
        return math.real(math.ifft(math.fft(u, axes) * symbol, axes))

    def advect(self, velocity: math.Tensor, u: math.Tensor) -> math.Tensor:
        """Advective derivative (velocity·∇)u, free of aliasing by the 2/3 rule.

        Both factors and their product are cut to the lower two thirds of the wavenumbers, so that
        no product of two kept modes folds back onto a kept one.

        Args:
            velocity: Vector with a component of the dimension ``vector`` for each axis; uniform
                in space, or a field.
            u: Scalar or vector; a vector is advected component by component.
        """
        axes = list(self.spacing)
        is_field = bool(velocity.shape.spatial)
        spectrum = math.fft(u, axes)
        if is_field:
            velocity = math.real(math.ifft(math.fft(velocity, axes) * self._kept(), axes))
            spectrum = spectrum * self._kept()
        product = sum(
            velocity.vector[axis]
            * math.real(
                math.ifft(spectrum * _along(1j * self._wavenumbers(axis, odd=True), axis), axes)
            )
            for axis in axes
        )
        if not is_field:
            return product
        return math.real(math.ifft(math.fft(product, axes) * self._kept(), axes))

    @property
    def first_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the first derivative, times the spacing."""
        return pi

    @property
    def second_eigenvalue(self) -> float:
        """Largest |eigenvalue| of the second derivative, times the spacing squared."""
        return pi**2

    def _wavenumbers(self, axis: str, odd: bool = False) -> np.ndarray:
        n = self.resolution[axis]
        k = 2 * pi * np.fft.fftfreq(n, self.spacing[axis])
        if odd and n % 2 == 0:
            # The Nyquist mode cos(πi) has no partner sin(πi) on the grid: its odd derivatives
            # vanish at every point.
            k[n // 2] = 0.0
        return k

    def _kept(self) -> math.Tensor:
        mask = math.wrap(1.0)
        for axis, n in self.resolution.items():
            modes = np.abs(np.fft.fftfreq(n, 1 / n))
            mask = mask * _along((modes < n / 3).astype(float), axis)
        return mask


def _along(values: np.ndarray, axis: str) -> math.Tensor:
    return math.wrap(values, spatial(axis))
