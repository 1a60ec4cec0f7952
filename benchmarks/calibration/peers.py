"""Baselines for the calibration: the same arithmetic in plain torch, and common practice.

Velocities are ``[B, T, 2, X, Y]`` of frames ``dt`` apart on a periodic square, ``B`` simulations.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from phi.torch.flow import (
    Box,
    CenteredGrid,
    Solve,
    advect,
    batch,
    channel,
    diffuse,
    extrapolation,
    field,
    math,
    spatial,
)
from torch.autograd import forward_ad

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Differences of order 4: weights of the neighbours at distance 1 and 2.
_FIRST = (2 / 3, -1 / 12)
_SECOND = (4 / 3, -1 / 12)
# Euler steps of the diffusion a frame, as HYCO-PhiFlow's Burgers model takes them.
_DIFFUSION_SUBSTEPS = 5


@dataclass(frozen=True)
class GaussNewtonTerms:
    """Sums over the residual r and its derivative J for one iteration with one parameter.

    Attributes:
        cost: r·r/2.
        gradient: J·r.
        curvature: J·J.
    """

    cost: float
    gradient: float
    curvature: float

    @property
    def step(self) -> float:
        """The change of the parameter, −J·r/J·J."""
        return -self.gradient / self.curvature


@dataclass(frozen=True)
class PeerEstimate:
    """Viscosity estimated from one trajectory.

    Attributes:
        viscosity: The estimate.
        seconds: Wall-clock time of the minimization.
        evaluations: Rollouts with their gradients.
        converged: True if the minimization ended by itself.
    """

    viscosity: float
    seconds: float
    evaluations: int
    converged: bool


def plain_torch_burgers_iteration(
    frames: torch.Tensor,
    dt: float,
    length: float,
    viscosity: float,
    substeps: int,
    step: Step | None = None,
) -> GaussNewtonTerms:
    """The terms of one Gauss-Newton iteration on rollouts from frame 0 over all frames.

    Differences of order 4 and Runge-Kutta steps of order 4, the arithmetic of the calibration
    itself by hand; the derivative with respect to ν comes along in forward mode.

    Args:
        frames: ``[B, T, 2, X, Y]``.
        dt: Time between two frames [time].
        length: Side of the square [length].
        viscosity: Where to take the derivative [length²/time].
        substeps: Steps between two frames.
        step: One step of ``dt / substeps``, from :func:`compiled_step`; by default one that is not
            compiled.
    """
    step = step or plain_step(dt / substeps, length / frames.shape[-1])
    cost = gradient = curvature = 0.0
    with torch.no_grad(), forward_ad.dual_level():
        one = torch.ones((), dtype=frames.dtype)
        nu = forward_ad.make_dual(viscosity * one, one)
        u = frames[:, 0]
        for frame in range(1, frames.shape[1]):
            for _ in range(substeps):
                u = step(u, nu)
            state, tangent = forward_ad.unpack_dual(u)
            residual = state - frames[:, frame]
            cost += 0.5 * float((residual * residual).sum())
            gradient += float((tangent * residual).sum())
            curvature += float((tangent * tangent).sum())
    return GaussNewtonTerms(cost, gradient, curvature)


def plain_step(dt: float, dx: float) -> Step:
    """A Runge-Kutta step, of the velocity ``[B, 2, X, Y]`` and the viscosity."""
    return lambda u, nu: runge_kutta_step(u, nu, dt, dx)


def compiled_step(example: torch.Tensor, dt: float, dx: float) -> Step:
    """The same traced by TorchScript, for velocities like ``example`` ``[B, 2, X, Y]``."""
    with warnings.catch_warnings(), torch.no_grad():
        # TorchScript announces its own successor.
        warnings.simplefilter("ignore", DeprecationWarning)
        inputs = (torch.zeros_like(example), torch.ones((), dtype=example.dtype))
        return torch.jit.trace(plain_step(dt, dx), inputs)


def runge_kutta_step(u: torch.Tensor, nu: torch.Tensor, dt: float, dx: float) -> torch.Tensor:
    """One classical Runge-Kutta step of Burgers' equation, ``[B, 2, X, Y]``."""
    k1 = burgers_rate(u, nu, dx)
    k2 = burgers_rate(u + 0.5 * dt * k1, nu, dx)
    k3 = burgers_rate(u + 0.5 * dt * k2, nu, dx)
    k4 = burgers_rate(u + dt * k3, nu, dx)
    return u + dt / 6 * (k1 + 2 * (k2 + k3) + k4)


def burgers_rate(u: torch.Tensor, nu: torch.Tensor, dx: float) -> torch.Tensor:
    """ν ∇²u − (u·∇)u by differences of order 4, ``[B, 2, X, Y]``.

    Slices of a padded copy: ``torch.roll`` copies for every neighbour and takes 1.1-3 times as
    long.
    """
    laplacian = u * (-4 * sum(_SECOND) / dx**2)
    advection = torch.zeros_like(u)
    for axis in (2, 3):
        size = u.shape[axis]
        padded = torch.cat((u.narrow(axis, size - 2, 2), u, u.narrow(axis, 0, 2)), axis)
        slope = torch.zeros_like(u)
        for distance, (first, second) in enumerate(zip(_FIRST, _SECOND, strict=True), start=1):
            right = padded.narrow(axis, 2 + distance, size)
            left = padded.narrow(axis, 2 - distance, size)
            slope = slope + (right - left) * (first / dx)
            laplacian = laplacian + (right + left) * (second / dx**2)
        advection = advection + u[:, axis - 2 : axis - 1] * slope
    return nu * laplacian - advection


def unjitted_phiflow_lbfgs(
    frames: torch.Tensor, dt: float, length: float, guess: float, max_iterations: int = 20
) -> PeerEstimate:
    """PhiFlow as in its examples: one trajectory, uncompiled steps, L-BFGS-B.

    Each frame is a semi-Lagrangian step and five Euler steps of diffusion, in single precision; the
    mean square over the frames is minimized. What is varied is log ν: the first step of L-BFGS-B
    is as long as its variable's unit, and ν = 1 would end the run in NaN.

    Args:
        frames: One trajectory ``[T, 2, X, Y]``.
        dt: Time between two frames [time].
        length: Side of the square [length].
        guess: First viscosity [length²/time].
        max_iterations: Limit on the iterations; reaching it is no error.
    """
    dims = [batch("time"), channel(vector="x,y"), spatial("x"), spatial("y")]
    targets = math.reshaped_tensor(frames.float(), dims)
    box = Box(x=length, y=length)
    start = CenteredGrid(targets.time[0], extrapolation.PERIODIC, box)
    evaluations = 0

    def loss(logarithm: math.Tensor) -> math.Tensor:
        nonlocal evaluations
        evaluations += 1
        viscosity, velocity, total = guess * math.exp(logarithm), start, math.wrap(0.0)
        for frame in range(1, frames.shape[0]):
            velocity = advect.semi_lagrangian(velocity, velocity, dt=dt)
            velocity = diffuse.explicit(velocity, viscosity, dt=dt, substeps=_DIFFUSION_SUBSTEPS)
            total += field.l2_loss(velocity - targets.time[frame])
        return total / (frames.shape[0] - 1)

    suppress = (math.NotConverged, math.Diverged)
    solve = Solve(
        "L-BFGS-B",
        abs_tol=1e-6,
        x0=math.tensor(0.0),
        max_iterations=max_iterations,
        suppress=suppress,
    )
    began = time.perf_counter()
    with math.SolveTape() as tape, warnings.catch_warnings():
        # PhiFlow's own deprecations, and its hint that a trial viscosity is unstable.
        warnings.simplefilter("ignore")
        best = math.minimize(loss, solve)
    seconds = time.perf_counter() - began
    return PeerEstimate(
        guess * float(math.exp(best)), seconds, evaluations, bool(tape[solve].converged.all)
    )
