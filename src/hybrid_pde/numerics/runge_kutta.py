"""The classical fourth-order Runge-Kutta method.

Source: Hairer, Nørsett and Wanner (1993), Solving Ordinary Differential Equations I, II.1.
"""

from collections.abc import Callable, Mapping
from typing import Any

State = Mapping[str, Any]

# Largest stable |λ dt| on the negative real and on the imaginary axis.
REAL_LIMIT = 2.785
IMAGINARY_LIMIT = 2.828


def runge_kutta_4(
    rate: Callable[[State, Any], Mapping[str, Any]], state: State, dt: Any
) -> dict[str, Any]:
    """One step of u' = rate(u, t): local error O(dt⁵), global error O(dt⁴).

    Args:
        rate: Rate of change of every field [field/time] as a function of the state and the time
            since the start of the step.
        state: Fields by name; any type with addition and multiplication.
        dt: Time step [time].
    """
    half = dt * 0.5
    k1 = rate(state, 0.0 * dt)
    k2 = rate({name: u + half * k1[name] for name, u in state.items()}, half)
    k3 = rate({name: u + half * k2[name] for name, u in state.items()}, half)
    k4 = rate({name: u + dt * k3[name] for name, u in state.items()}, dt)
    return {
        name: u + (dt * (1 / 6)) * (k1[name] + 2 * (k2[name] + k3[name]) + k4[name])
        for name, u in state.items()
    }
