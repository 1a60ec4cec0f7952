"""Initial states drawn from a seed alone.

Layout: ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Mapping, Sequence
from math import pi, sqrt

import numpy as np

from hybrid_pde.config.schema import DrawnState, GaussianBumps, GaussianRandomField
from hybrid_pde.data.initial_states.random_fields import (
    Projection,
    State,
    gaussian_random_state,
)
from hybrid_pde.data.initial_states.wall_modes import BoxModes, fixed_values, lift, wall_distance
from hybrid_pde.domain.grid import FieldLayout, Grid


def drawn_state(
    grid: Grid,
    layouts: Sequence[FieldLayout],
    settings: DrawnState,
    seed: Sequence[int],
    walls: Mapping[str, float] | None = None,
    solenoidal: Mapping[str, Projection] | None = None,
) -> State:
    """The state that the settings describe, a random field or bumps.

    The arguments are those of :func:`bumps_state` and :func:`gaussian_random_state`.
    """
    if isinstance(settings, GaussianRandomField):
        return gaussian_random_state(grid, layouts, settings, seed, walls, solenoidal)
    return bumps_state(grid, layouts, settings, seed, walls, solenoidal)


def bumps_state(
    grid: Grid,
    layouts: Sequence[FieldLayout],
    settings: GaussianBumps,
    seed: Sequence[int],
    walls: Mapping[str, float] | None = None,
    solenoidal: Mapping[str, Projection] | None = None,
) -> State:
    """Gaussian bumps at random grid points, b + Σ a exp(−|x − c|²/w²), the same in every field.

    They continue periodically, and mirrored at walls, so that the state satisfies the boundary
    conditions. With fixed-value walls, the background is the steady field with the walls' values
    plus ``background`` inside.

    Args:
        grid: Grid of the state.
        layouts: Fields of the state.
        settings: Number ``count``, ``width`` w [length], ``amplitude`` a and ``background`` b, of
            all fields or by field; a field that is not named has none.
        seed: Entropy, e.g. ``(seed, index)``.
        walls: Wall values by ``boundary.<axis>.<side>``, where they differ from the grid's.
        solenoidal: Projection to zero divergence by vector field.

    Returns:
        ``[C, *space]`` for each field.
    """
    generator = np.random.default_rng(seed)
    impulses = np.zeros((1, *grid.shape))
    for _ in range(settings.count):
        centre = tuple(int(generator.integers(points)) for points in grid.shape)
        impulses[(0, *centre)] += np.prod(
            [settings.width * sqrt(pi) / spacing for spacing in grid.spacing]
        )
    modes, profile = BoxModes(grid), wall_distance(grid)
    transfer = np.exp(-modes.wavenumber_squared() * settings.width**2 / 4)
    bumps = modes.backward(modes.forward(impulses) * transfer)
    steady = lift(grid, walls or {})
    state: State = {}
    for layout in layouts:
        amplitude, background = (
            each.get(layout.name, 0.0) if isinstance(each, Mapping) else each
            for each in (settings.amplitude, settings.background)
        )
        one = steady + background * profile + amplitude * bumps
        values = np.array(np.broadcast_to(one, (layout.channels, *grid.shape)))
        project = (solenoidal or {}).get(layout.name)
        state[layout.name] = (
            values if project is None else project(values, fixed_values(grid, walls or {}))
        )
    return state
