"""The stabilized Runge-Kutta-Chebyshev method: order, stability limit, number of stages."""

from math import cos, exp, log2

import numpy as np
import pytest

from hybrid_pde.numerics.runge_kutta_chebyshev import real_limit, runge_kutta_chebyshev, stages_for


def integrate(rate, start, total, steps, stages):
    state, dt = {"u": start}, total / steps
    for number in range(steps):
        began = number * dt
        state = runge_kutta_chebyshev(
            lambda now, since, began=began: {"u": rate(now["u"], began + since)}, state, dt, stages
        )
    return state["u"]


@pytest.mark.parametrize("stages", [2, 3, 6, 12])
def test_order_two_for_a_nonlinear_rate_that_depends_on_time(stages):
    # u' = -u² cos t from 1: u = 1 / (1 + sin t).
    exact = 1 / (1 + np.sin(1.5))
    errors = [
        abs(integrate(lambda u, t: -u * u * cos(t), 1.0, 1.5, steps, stages) - exact)
        for steps in (64, 128)
    ]
    assert abs(log2(errors[0] / errors[1]) - 2) < 0.2


@pytest.mark.parametrize("stages", [2, 3, 6, 12])
def test_stability_reaches_the_stated_limit(stages):
    def growth(size):
        return abs(integrate(lambda u, t: -size * u, 1.0, 1.0, 1, stages))

    limit = real_limit(stages)
    assert max(growth(z) for z in np.linspace(0.0, limit, 500)) <= 1.0 + 1e-12
    assert growth(1.1 * limit + 0.5) > 1.0


def test_stages_suffice_and_are_no_more_than_needed():
    for size in (0.1, 1.9, 10.0, 55.5, 300.0):
        stages = stages_for(size)
        assert real_limit(stages) >= size
        assert stages == 2 or real_limit(stages - 1) < size


def test_a_slow_mode_beside_stiff_ones_is_accurate():
    values = integrate(lambda u, t: -np.array([1.0, 400.0]) * u, np.ones(2), 1.0, 20, 6)
    assert abs(values[0] - exp(-1)) < 1e-4
    assert abs(values[1]) < 1e-3
