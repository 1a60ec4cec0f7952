"""Bumps as initial states."""

import numpy as np
import pytest

from hybrid_pde.config.schema import GaussianBumps
from hybrid_pde.data.initial_states.drawn_states import drawn_state
from hybrid_pde.domain.grid import FieldLayout, Grid, axis_points
from tests.physics.periodic_box import periodic_grid

LAYOUTS = [FieldLayout("velocity", ("x", "y")), FieldLayout("height")]
GRID = periodic_grid((48, 60), (1.2, 1.5))
WALLED = Grid(("x",), (64,), (0.0,), (2.0,), (("zero-gradient", "zero-gradient"),), (False,))


def bumps(width: float = 0.1, **settings: object) -> GaussianBumps:
    return GaussianBumps.model_validate({"width": width, **settings})


def test_a_bump_has_the_shape_that_it_states() -> None:
    state = drawn_state(GRID, LAYOUTS, bumps(amplitude=0.3, background=2.0), (0, 1))["height"][0]
    highest = np.unravel_index(state.argmax(), state.shape)
    squared = 0.0
    for axis, (name, points) in enumerate(axis_points(GRID).items()):
        length = GRID.upper[axis] - GRID.lower[axis]
        assert name == "xy"[axis]
        away = (points - points[highest[axis]] + length / 2) % length - length / 2
        squared = squared + np.expand_dims(away**2, 1 - axis)
    assert state == pytest.approx(2.0 + 0.3 * np.exp(-squared / 0.1**2), abs=1e-10)


def test_values_by_field_and_the_same_places_in_all_fields() -> None:
    settings = bumps(count=3, amplitude={"height": 1.0}, background={"height": 1.0})
    state = drawn_state(GRID, LAYOUTS, settings, (0, 1))
    assert not state["velocity"].any()
    everywhere = drawn_state(GRID, LAYOUTS, bumps(count=3), (0, 1))
    assert state["height"][0] - 1.0 == pytest.approx(everywhere["velocity"][1], abs=1e-12)


def test_a_bump_is_mirrored_at_a_wall_without_gradient() -> None:
    layout = [FieldLayout("u")]
    total = [drawn_state(WALLED, layout, bumps(0.2), (0, i))["u"].sum() for i in range(20)]
    # the part outside a wall is reflected: every bump has the same integral, w √π
    assert np.array(total) * 2.0 / 64 == pytest.approx(0.2 * np.sqrt(np.pi), rel=1e-10)
