"""Initial states of generated simulations.

Layout: ``C`` channels, ``X Y Z`` space. Every state depends on the seed and its own index alone,
so that it is the same whatever else is drawn beside it.

States fulfil the conditions at the walls of their grid; a wall of a fixed value is fulfilled by a
field that has these values (see
:func:`hybrid_pde.data.initial_states.wall_modes.lift`) and what is drawn about it.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hybrid_pde.config.schema import GaussianRandomField
from hybrid_pde.data.initial_states.wall_modes import BoxModes, fixed_values, lift, wall_distance
from hybrid_pde.domain.grid import FieldLayout, Grid

Array = np.ndarray
State = dict[str, Array]
# Of a vector field ``[C, *space]``, and of what every component is at walls of a fixed value (by
# ``boundary.<axis>.<side>``, 0 where not named): the field less a gradient.
Projection = Callable[[Array, Mapping[str, float]], Array]


def gaussian_random_state(
    grid: Grid,
    layouts: Sequence[FieldLayout],
    settings: GaussianRandomField,
    seed: Sequence[int],
    walls: Mapping[str, float] | None = None,
    solenoidal: Mapping[str, Projection] | None = None,
) -> State:
    """A smooth random state.

    White noise is filtered by exp(−(k ℓ)²/4), which gives the correlation exp(−r²/(2 ℓ²)) (near
    walls with that of its mirror image added, or taken away where the value is fixed), and each
    channel is scaled to the amplitude asked for. With walls of a fixed value, amplitude and mean
    are those of the difference to the field that has the walls' values.

    Args:
        grid: Where the state lives.
        layouts: Its fields; every channel is drawn independently.
        settings: Standard deviation ``amplitude``, correlation length ``length_scale`` ℓ
            [length], and ``mean``.
        seed: Entropy, e.g. ``(seed, index)``.
        walls: What walls hold, by ``boundary.<axis>.<side>``, where that is not what the grid says.
        solenoidal: What takes the divergence away, for vector fields in which it is to vanish;
            their ``amplitude`` is the root mean square over the components.

    Returns:
        ``[C, *space]`` for each field.

    Sources: Lang & Potthoff (2011), Monte Carlo Methods Appl. 17, section 3. Lindgren, Rue &
    Lindström (2011), J. R. Statist. Soc. B 73, 423, appendix A.4 (walls).
    """
    generator = np.random.default_rng(seed)
    modes, profile = BoxModes(grid), wall_distance(grid)
    transfer = np.exp(-modes.wavenumber_squared() * settings.length_scale**2 / 4)
    axes = tuple(range(1, len(grid.shape) + 1))
    base = lift(grid, walls or {}) + settings.mean * profile
    state: State = {}
    for layout in layouts:
        noise = generator.standard_normal((layout.channels, *grid.shape))
        smooth = modes.backward(modes.forward(noise) * transfer)
        smooth -= smooth.mean(axis=axes, keepdims=True) * profile
        steady = np.broadcast_to(base, smooth.shape)
        project = (solenoidal or {}).get(layout.name)
        if project is not None:
            smooth = project(smooth, {})
            smooth *= settings.amplitude / np.sqrt(smooth.var(axis=axes).mean())
            steady = project(steady, fixed_values(grid, walls or {}))
        else:
            smooth *= settings.amplitude / smooth.std(axis=axes, keepdims=True)
        state[layout.name] = smooth + steady
    return state


def resembling_state(
    original: Mapping[str, Array],
    grid: Grid,
    seed: Sequence[int],
    walls: Mapping[str, float] | None = None,
    solenoidal: Mapping[str, Projection] | None = None,
) -> State:
    """A state with its Fourier phases drawn anew; along an axis with walls, the signs of its modes.

    The same random phase is added to all channels, so the spectrum of each channel, the variance,
    and the correlations between channels stay those of the original; so does the mean, unless a
    wall holds the value: then the spectrum and the variance are those of the difference to the
    field that has the walls' values, and of the mean the lowest mode stays.

    Args:
        original: State to resemble, ``[C, *space]`` for each field.
        grid: Its grid.
        seed: Entropy, e.g. ``(seed, index)``.
        walls: What walls hold, by ``boundary.<axis>.<side>``, where that is not what the grid says.
        solenoidal: What takes the divergence away, for vector fields in which it is to vanish: new
            phases keep it zero, new signs do not.

    Returns:
        ``[C, *space]`` for each field.

    Source: Prichard & Theiler (1994), Phys. Rev. Lett. 73, 951.
    """
    steady = lift(grid, walls or {})
    drawn = _redrawn(original, grid, seed, steady, mean=1.0)
    state = {name: values + steady for name, values in drawn.items()}
    for name, project in (solenoidal or {}).items():
        state[name] = project(state[name], fixed_values(grid, walls or {}))
    return state


def perturbed_state(
    original: Mapping[str, Array],
    grid: Grid,
    amplitude: float,
    seed: Sequence[int],
    walls: Mapping[str, float] | None = None,
    solenoidal: Mapping[str, Projection] | None = None,
) -> State:
    """A state with smooth noise that resembles it, in units of its own standard deviation.

    The noise is the state with its Fourier phases drawn anew, less its mean, see
    :func:`resembling_state`; walls that hold a value keep it. With ``solenoidal`` the noise is free
    of divergence, and the sum as much as the state was.

    Args:
        original: State to perturb, ``[C, *space]`` for each field.
        grid: Its grid.
        amplitude: Standard deviation of the noise relative to that of the state.
        seed: Entropy, e.g. ``(seed, index)``.
        walls: What walls hold, by ``boundary.<axis>.<side>``, where that is not what the grid says.
        solenoidal: What takes the divergence away, for vector fields in which it is to vanish.

    Returns:
        ``[C, *space]`` for each field.
    """
    noise = _redrawn(original, grid, seed, lift(grid, walls or {}), mean=0.0)
    for name, project in (solenoidal or {}).items():
        noise[name] = project(noise[name], dict.fromkeys(fixed_values(grid, walls or {}), 0.0))
    return {name: values + amplitude * noise[name] for name, values in original.items()}


def _redrawn(
    original: Mapping[str, Array], grid: Grid, seed: Sequence[int], steady: Array, mean: float
) -> State:
    """Deviations from a steady field with new phases; ``mean`` of it stays where it is a mode."""
    modes = BoxModes(grid)
    # the phases of real noise have the symmetry that keeps the result real
    noise = modes.forward(np.random.default_rng(seed).standard_normal(grid.shape))
    phases = noise / np.maximum(np.abs(noise), np.finfo(float).tiny)
    first = (0,) * len(grid.shape)
    is_mean = modes.wavenumber_squared()[first] == 0.0
    phases[first] = mean if is_mean else 1.0
    return {
        name: modes.backward(modes.forward(values - steady) * phases)
        for name, values in original.items()
    }
