"""Reference solution of the heat equation with an unknown conductivity and moving sensors.

u_t = κ(x) ∇²u on [-3, 3]² with u = 0 at the boundary, where κ is 0.1 plus two Gaussians, clipped
to [0, 2.5]. Fields are ``[T, X, Y]`` on nodes that include the ends, in double precision. The
sensors start throughout the quarter with one of the Gaussians and rotate about its centre.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.interpolate import RectBivariateSpline
from scipy.special import ive

Array = np.ndarray

HALF_WIDTH = 3.0
SENSORS_A_SIDE = 10
_SENSOR_REGION = (0.0, 3.0)
_CENTRE = np.array([1.5, 1.5])
_CONTRACTION = 0.1  # x' = A (x − c), A = [[−0.1, −1], [1, −0.1]]
# Terms of the Chebyshev series below this fraction of the first vanish in rounding.
_NEGLIGIBLE = 1e-17


def nodes(count: int) -> Array:
    """``count`` equidistant coordinates from -3 to 3, both included."""
    return np.linspace(-HALF_WIDTH, HALF_WIDTH, count)


def mesh(count: int) -> tuple[Array, Array]:
    """Both coordinates of ``count``² nodes, each ``[X, Y]``."""
    x, y = np.meshgrid(nodes(count), nodes(count), indexing="ij")
    return x, y


def conductivity(x: Array, y: Array) -> Array:
    """κ = 0.1 + 3 exp(−|x − (1, 1)|²) + 2.5 exp(−|x − (−2, −2)|²), cut to [0, 2.5]."""
    near = 3.0 * np.exp(-((x - 1) ** 2) - (y - 1) ** 2)
    far = 2.5 * np.exp(-((x + 2) ** 2) - (y + 2) ** 2)
    return np.clip(0.1 + near + far, 0.0, 2.5)


def initial_temperature(x: Array, y: Array) -> Array:
    """exp(−|x − (1, 1)|²) − exp(−|x + (1, 1)|²), and 0 on the boundary's nodes."""
    u = np.exp(-((x - 1) ** 2) - (y - 1) ** 2) - np.exp(-((x + 1) ** 2) - (y + 1) ** 2)
    return np.where(np.maximum(np.abs(x), np.abs(y)) < HALF_WIDTH, u, 0.0)


def heat_reference(count: int, times: Sequence[float] | Array) -> Array:
    """Temperature at ``times``: differences of order 2 in space, exact in time.

    Args:
        count: Nodes along each axis, the ends included.
        times: Ascending, from 0 on.

    Returns:
        ``[T, X, Y]``, a frame for each time.
    """
    x, y = mesh(count)
    dx = 2 * HALF_WIDTH / (count - 1)
    return diffuse(initial_temperature(x, y), conductivity(x, y), dx, times)


def diffuse(start: Array, kappa: Array, dx: float, times: Sequence[float] | Array) -> Array:
    """exp(t κ∇²) applied to the start by a Chebyshev series; points on the edges keep their values.

    κ∇² with κ ≥ 0 has the spectrum [−8 max κ/dx², 0], since it is similar to √κ ∇² √κ. On it,
    exp(z (s − 1)) = Σ (2 − δ_k0) exp(−z) I_k(z) T_k(s) converges faster than any power once
    k > √z: there is no error in time but rounding.

    Args:
        start: ``[X, Y]``, zero on the edges.
        kappa: Conductivity at the nodes, ``[X, Y]`` [length²/time].
        dx: Distance between neighbours along both axes [length].
        times: Ascending, from 0 on [time].

    Returns:
        ``[T, X, Y]``.

    Source: Tal-Ezer and Kosloff (1984), J. Chem. Phys. 81, 3967; Bergamaschi and Vianello (2000),
        Numer. Linear Algebra Appl. 7, 27.
    """
    radius = 4 * float(kappa.max()) / dx**2

    def shifted(u: Array) -> Array:
        """(κ∇² + radius)/radius, whose spectrum is [−1, 1]."""
        result = np.zeros_like(u)
        inner = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
        result[1:-1, 1:-1] = u[1:-1, 1:-1] + kappa[1:-1, 1:-1] * inner / (dx**2 * radius)
        return result

    frames, now, elapsed = np.empty((len(times), *start.shape)), start, 0.0
    for index, time in enumerate(times):
        now = _chebyshev_exponential(shifted, radius * (time - elapsed), now)
        frames[index], elapsed = now, time
    return frames


def sensor_paths(times: Sequence[float] | Array) -> Array:
    """Positions of the 100 sensors, ``[T, 100, 2]``: x(t) = c + exp(A t)(x(0) − c).

    They start on 10 × 10 points over [0, 3]², the ends included. exp(A t) turns by t and shrinks by
    exp(−0.1 t).
    """
    line = np.linspace(*_SENSOR_REGION, SENSORS_A_SIDE)
    starts = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2) - _CENTRE
    angles = np.asarray(times, dtype=float)
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.moveaxis(np.array([[cos, -sin], [sin, cos]]), -1, 0)
    shrunk = np.exp(-_CONTRACTION * angles)[:, None, None]
    return _CENTRE + shrunk * np.einsum("tij,sj->tsi", turns, starts)


def read_sensors(frames: Array, paths: Array, degree: int = 5) -> Array:
    """Values at the sensors by spline interpolation, ``[T, S]``; NaN outside the box.

    Args:
        frames: ``[T, X, Y]`` on nodes from -3 to 3.
        paths: ``[T, S, 2]``, at the frames' times.
        degree: Of the splines; 1 for linear interpolation.
    """
    x, y = nodes(frames.shape[1]), nodes(frames.shape[2])
    readings = [
        RectBivariateSpline(x, y, frame, kx=degree, ky=degree).ev(place[:, 0], place[:, 1])
        for frame, place in zip(frames, paths, strict=True)
    ]
    outside = np.abs(paths).max(axis=-1) > HALF_WIDTH
    return np.where(outside, np.nan, np.array(readings))


def resample(frames: Array, count: int) -> Array:
    """``[T, X, Y]`` on ``count`` nodes along each axis, by splines of degree 5, for t > 0.

    The start, which drops from 0.018 to 0 within a cell of the edge, would make them oscillate.
    """
    here, there = nodes(frames.shape[1]), nodes(count)
    splines = (RectBivariateSpline(here, here, frame, kx=5, ky=5) for frame in frames)
    return np.stack([spline(there, there) for spline in splines])


def _chebyshev_exponential(shifted: Callable[[Array], Array], z: float, u: Array) -> Array:
    if z == 0.0:
        return u
    # The weights fall below any bound before k = 20 + 10 √z, for every z.
    weights = ive(np.arange(int(20 + 10 * np.sqrt(z))), z)
    number = int(np.argmax(weights < _NEGLIGIBLE * weights[0])) or len(weights)
    previous, current = u, shifted(u)
    total = weights[0] * previous + 2 * weights[1] * current
    for weight in weights[2:number]:
        previous, current = current, 2 * shifted(current) - previous
        total = total + 2 * weight * current
    return total
