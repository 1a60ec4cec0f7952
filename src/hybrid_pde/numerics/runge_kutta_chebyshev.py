"""The Runge-Kutta-Chebyshev method, a second-order stabilized scheme for diffusion.

The region of stability is a strip along the negative real axis with a length of about 0.65 s² for s
stages (2.785 for the classical method). It contains no part of the imaginary axis, so the method is
not suitable for advection.

Source: Sommeijer, Shampine and Verwer (1998), J. Comput. Appl. Math. 88, 315-326.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil, sqrt
from typing import Any

import numpy as np

State = Mapping[str, Any]

# Damping ε of the source, which widens the narrowest parts of the region of stability.
_DAMPING = 2 / 13
# With more stages the time-stepping error exceeds the error of second-order differences for waves
# resolved by eight points.
MAX_STAGES = 4


@dataclass(frozen=True)
class _Stage:
    """Weights of stage j: initial state, previous two stages, and two rates times dt."""

    start: float
    last: float
    before: float
    rate: float
    first_rate: float
    time: float


def real_limit(stages: int) -> float:
    """Largest stable |λ dt| on the negative real axis: β = 2/3 (s² − 1)(1 − 2ε/15)."""
    return 2 / 3 * (stages**2 - 1) * (1 - 2 / 15 * _DAMPING)


def stages_for(size: float) -> int:
    """The smallest number of stages, at least 2, that is stable for |λ dt| = ``size``."""
    return max(2, ceil(sqrt(1 + 1.5 * size / (1 - 2 / 15 * _DAMPING))))


def runge_kutta_chebyshev(
    rate: Callable[[State, Any], Mapping[str, Any]], state: State, dt: Any, stages: int
) -> dict[str, Any]:
    """One step of u' = rate(u, t): local error O(dt³), global error O(dt²).

    Args:
        rate: Rate of change of every field [field/time] as a function of the state and the time
            since the start of the step.
        state: Fields by name; any type with addition and multiplication.
        dt: Time step [time].
        stages: Number of evaluations of the rate, 2 or more.
    """
    first, others = _weights(stages)
    initial = rate(state, 0.0 * dt)
    before = dict(state)
    now = {name: u + (first.rate * dt) * initial[name] for name, u in state.items()}
    time = first.time
    for stage in others:
        rates = rate(now, time * dt)
        following = {
            name: stage.start * u
            + stage.last * now[name]
            + stage.before * before[name]
            + (stage.rate * dt) * rates[name]
            + (stage.first_rate * dt) * initial[name]
            for name, u in state.items()
        }
        before, now, time = now, following, stage.time
    return now


@cache
def _weights(stages: int) -> tuple[_Stage, tuple[_Stage, ...]]:
    """Equations 2.3-2.6 of the source, from the Chebyshev polynomials at w₀."""
    w0 = 1 + _DAMPING / stages**2
    polynomials = [np.polynomial.Chebyshev.basis(j) for j in range(stages + 1)]
    value, slope, bend = (
        np.array([p.deriv(n)(w0) if n else p(w0) for p in polynomials]) for n in range(3)
    )
    w1 = slope[stages] / bend[stages]
    b = np.empty(stages + 1)
    b[2:] = bend[2:] / slope[2:] ** 2
    b[:2] = b[2]
    a = 1 - b * value
    c = np.zeros(stages + 1)
    c[2:] = w1 * bend[2:] / slope[2:]
    c[1] = c[2] / slope[2]
    first = _Stage(1.0, 0.0, 0.0, float(b[1] * w1), 0.0, float(c[1]))
    others = []
    for j in range(2, stages + 1):
        last, before = 2 * b[j] * w0 / b[j - 1], -b[j] / b[j - 2]
        rated = 2 * b[j] * w1 / b[j - 1]
        weights = (1 - last - before, last, before, rated, -a[j - 1] * rated, c[j])
        others.append(_Stage(*map(float, weights)))
    return first, tuple(others)
