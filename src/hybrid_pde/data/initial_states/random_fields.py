"""Random initial states of generated simulations.

Layout: ``C`` channels, ``X Y Z`` space. Every state depends only on the seed and its own index.

States satisfy the boundary conditions of their grid. With fixed-value walls, a state is a steady
field with the walls' values (:func:`hybrid_pde.data.initial_states.wall_modes.lift`) plus a random
deviation that is zero at these walls.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hybrid_pde.config.schema import GaussianRandomField
from hybrid_pde.data.initial_states.wall_modes import BoxModes, fixed_values, lift, wall_distance
from hybrid_pde.domain.grid import FieldLayout, Grid

Array = np.ndarray
State = dict[str, Array]
# Function of a vector field ``[C, *space]`` and of the value of every component at fixed-value
# walls (by ``boundary.<axis>.<side>``, 0 by default): the field without its gradient part.
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
    walls plus that of its mirror image, or minus it at a fixed value), and each channel is scaled
    to the given amplitude. With fixed-value walls, amplitude and mean refer to the deviation from
    the steady field with the walls' values.

    Args:
        grid: Grid of the state.
        layouts: Fields of the state; every channel is drawn independently.
        settings: Standard deviation ``amplitude``, correlation length ``length_scale`` ℓ
            [length], and ``mean``.
        seed: Entropy, e.g. ``(seed, index)``.
        walls: Wall values by ``boundary.<axis>.<side>``, where they differ from the grid's.
        solenoidal: Projection to zero divergence by vector field; their
            ``amplitude`` is the root mean square over the components.

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
    """A state with new random Fourier phases; along an axis with walls, new signs of its modes.

    The same random phase is added to all channels, so the spectrum of each channel, the variance,
    the correlations between channels and the mean are unchanged. With fixed-value walls, the
    spectrum and the variance of the deviation from the steady field with the walls' values are
    unchanged, and so is its lowest mode instead of the mean.

    Args:
        original: State to resemble, ``[C, *space]`` for each field.
        grid: Grid of the state.
        seed: Entropy, e.g. ``(seed, index)``.
        walls: Wall values by ``boundary.<axis>.<side>``, where they differ from the grid's.
        solenoidal: Projection to zero divergence by vector field: new phases keep it zero, new
            signs do not.

    Returns:
        ``[C, *space]`` for each field.

    Source: Prichard & Theiler (1994), Phys. Rev. Lett. 73, 951.
    """
    steady = lift(grid, walls or {})
    drawn = _with_new_phases(original, grid, seed, steady, mean=1.0)
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
    """A state with added smooth noise that has the same spectrum.

    The noise is the state with new Fourier phases, without its mean, see :func:`resembling_state`;
    fixed-value walls keep their values. With ``solenoidal`` the noise has no divergence, so the
    divergence of the state is unchanged.

    Args:
        original: State to perturb, ``[C, *space]`` for each field.
        grid: Grid of the state.
        amplitude: Standard deviation of the noise relative to that of the state.
        seed: Entropy, e.g. ``(seed, index)``.
        walls: Wall values by ``boundary.<axis>.<side>``, where they differ from the grid's.
        solenoidal: Projection to zero divergence by vector field.

    Returns:
        ``[C, *space]`` for each field.
    """
    noise = _with_new_phases(original, grid, seed, lift(grid, walls or {}), mean=0.0)
    for name, project in (solenoidal or {}).items():
        noise[name] = project(noise[name], dict.fromkeys(fixed_values(grid, walls or {}), 0.0))
    return {name: values + amplitude * noise[name] for name, values in original.items()}


def _with_new_phases(
    original: Mapping[str, Array], grid: Grid, seed: Sequence[int], steady: Array, mean: float
) -> State:
    """Deviations from a steady field with new phases; the mean mode is multiplied by ``mean``."""
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
