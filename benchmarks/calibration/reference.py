"""Independent pseudo-spectral solutions of Gray-Scott and Burgers in plain numpy.

Nothing here uses the project's numerics: an error there must not be hidden in the data used to
measure it. Fields are ``[..., C, X, Y]`` on the nodes i·L/n of a periodic box, in double
precision; their transforms, marked by ``hat``, are those of ``numpy.fft.rfft2``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

# Points of the circle over which the weights of the exponential integrator are averaged; with the
# 32 of Kassam and Trefethen they are exact to rounding.
_CONTOUR_POINTS = 32
# Gray-Scott's initial state: a mixture inside the square, pure a outside.
_SQUARE = 10.0
_INSIDE = (0.5, 0.25)
_OUTSIDE = (1.0, 0.0)


@dataclass(frozen=True)
class GrayScott:
    """a_t = D_a ∇²a − a b² + F (1 − a), b_t = D_b ∇²b + a b² − (F + K) b.

    Attributes:
        diffusivity_a: D_a [length²/time].
        diffusivity_b: D_b [length²/time].
        feed: F [1/time].
        kill: K [1/time].
        length: Side of the box [length].
    """

    diffusivity_a: float = 0.20
    diffusivity_b: float = 0.08
    feed: float = 0.018
    kill: float = 0.051
    length: float = 100.0


def gray_scott_start(points: int, length: float, seed: int, noise: float = 0.01) -> Array:
    """A square of a = 0.5, b = 0.25 in a = 1, b = 0, with Gaussian noise.

    Args:
        points: Points along each axis.
        length: Side of the box; the square in its middle has the side 10.
        seed: Seed of the noise.
        noise: Its standard deviation as a share of each field's range, 0.5 and 0.25.

    Returns:
        ``[2, X, Y]``, a and b.
    """
    distance = np.abs(length / points * np.arange(points) - length / 2)
    square = (distance[:, None] <= _SQUARE / 2) & (distance[None, :] <= _SQUARE / 2)
    inside, outside = np.reshape(_INSIDE, (2, 1, 1)), np.reshape(_OUTSIDE, (2, 1, 1))
    noises = np.random.default_rng(seed).standard_normal((2, points, points))
    return np.where(square, inside, outside) + noise * np.abs(inside - outside) * noises


def gray_scott_reference(
    start: Array,
    frame_dt: float = 20.0,
    frames: int = 101,
    substeps: int = 100,
    equation: GrayScott | None = None,
) -> Array:
    """Solution of the Gray-Scott equations from ``start``.

    The 100 steps of 0.2 a frame are a tenth of the 2 that explicit steps on 64² points would take,
    where D_a and the reaction allow 2-4.

    Args:
        start: ``[2, X, Y]``, which is frame 0.
        frame_dt: Time between two frames [time].
        frames: How many frames, the start included.
        substeps: Steps of the integrator from one frame to the next.
        equation: Parameters and box; by default those of :class:`GrayScott`.

    Returns:
        ``[frames, 2, X, Y]``.
    """
    equation = equation or GrayScott()
    points = start.shape[-1]
    kx, ky = wavenumbers(points, equation.length)
    laplacian = -(kx**2 + ky**2)
    linear = np.stack(
        [
            equation.diffusivity_a * laplacian - equation.feed,
            equation.diffusivity_b * laplacian - equation.feed - equation.kill,
        ]
    )
    # F, the part of the rate that is the same everywhere, is in the mean mode alone.
    supply = np.zeros_like(laplacian)
    supply[0, 0] = equation.feed * points**2

    def reaction(hat: Array) -> Array:
        a, b = np.fft.irfft2(hat, s=(points, points))
        consumed = np.fft.rfft2(a * b * b)
        return np.stack([supply - consumed, consumed])

    steps = exponential_steps(reaction, linear, np.fft.rfft2(start), frame_dt / substeps)
    return _record(start, steps, frames, substeps)


def burgers_reference(
    start: Array, viscosity: float, length: float, frame_dt: float, counts: tuple[int, int]
) -> Array:
    """Burgers' equation u_t + (u·∇)u = ν ∇²u, products dealiased by the 2/3 rule.

    Args:
        start: ``[..., 2, X, Y]``, any number of simulations; frame 0.
        viscosity: ν [length²/time].
        length: Side of the box [length].
        frame_dt: Time between two frames [time].
        counts: Frames, the start included, and the integrator's steps between two of them.

    Returns:
        ``[frames, ..., 2, X, Y]``.
    """
    frames, substeps = counts
    points = start.shape[-1]
    kx, ky = wavenumbers(points, length)
    largest = 2 * np.pi / length * points / 3
    kept = (np.abs(kx) < largest) & (np.abs(ky) < largest)

    def advection(hat: Array) -> Array:
        u, u_x, u_y = (
            np.fft.irfft2(part, s=(points, points)) for part in (hat, 1j * kx * hat, 1j * ky * hat)
        )
        transported = u[..., 0:1, :, :] * u_x + u[..., 1:2, :, :] * u_y
        return -(kept * np.fft.rfft2(transported))

    linear = -viscosity * (kx**2 + ky**2)
    steps = exponential_steps(advection, linear, kept * np.fft.rfft2(start), frame_dt / substeps)
    return _record(start, steps, frames, substeps)


def wavenumbers(points: int, length: float) -> tuple[Array, Array]:
    """Angular wavenumbers ``[X, 1]`` and ``[1, Y // 2 + 1]`` of the transforms [1/length]."""
    unit = 2 * np.pi / length
    kx = unit * np.fft.fftfreq(points, 1 / points)[:, None]
    ky = unit * np.fft.rfftfreq(points, 1 / points)[None, :]
    return kx, ky


def exponential_steps(
    nonlinear: Callable[[Array], Array], linear: Array, hat: Array, dt: float
) -> Iterator[Array]:
    """States of û' = L û + N(û) after one step, two steps, …, by ETDRK4.

    Source: Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214, section 2.
    """
    z = linear * dt
    full, half = np.exp(z), np.exp(z / 2)
    middle, first, inner, last = _contour_means(z, dt)
    while True:
        at_start = nonlinear(hat)
        a = half * hat + middle * at_start
        at_a = nonlinear(a)
        at_b = nonlinear(half * hat + middle * at_a)
        at_end = nonlinear(half * a + middle * (2 * at_b - at_start))
        hat = full * hat + first * at_start + inner * (at_a + at_b) + last * at_end
        yield hat


def _contour_means(z: Array, dt: float) -> tuple[Array, Array, Array, Array]:
    """Weights of ETDRK4 by contour means; their closed forms suffer cancellation for small z."""
    middle, first, inner, last = (np.zeros(z.shape, complex) for _ in range(4))
    for j in range(_CONTOUR_POINTS):
        r = z + np.exp(2j * np.pi * (j + 0.5) / _CONTOUR_POINTS)
        e = np.exp(r)
        middle += (np.exp(r / 2) - 1) / r
        first += (-4 - r + e * (4 - 3 * r + r**2)) / r**3
        inner += 2 * (2 + r + e * (r - 2)) / r**3
        last += (-4 - 3 * r - r**2 + e * (4 - r)) / r**3
    if not np.iscomplexobj(z):
        middle, first, inner, last = middle.real, first.real, inner.real, last.real
    share = dt / _CONTOUR_POINTS
    return share * middle, share * first, share * inner, share * last


def _record(start: Array, steps: Iterator[Array], frames: int, substeps: int) -> Array:
    recorded = np.empty((frames, *start.shape))
    recorded[0] = start
    for frame in range(1, frames):
        for _ in range(substeps - 1):
            next(steps)
        recorded[frame] = np.fft.irfft2(next(steps), s=start.shape[-2:])
    return recorded
