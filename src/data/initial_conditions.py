"""Initial states of generated simulations.

Layout: ``C`` channels, ``X Y Z`` space. Every state depends on the seed and its own index alone,
so that it is the same whatever else is drawn beside it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from src.config.schema import GaussianRandomField
from src.data.grid import FieldLayout, Grid

Array = np.ndarray
State = dict[str, Array]


def gaussian_random_state(
    grid: Grid,
    layouts: Sequence[FieldLayout],
    settings: GaussianRandomField,
    seed: Sequence[int],
) -> State:
    """A smooth random state, periodic on the grid's box.

    White noise is filtered by exp(−(k ℓ)²/4), which gives the correlation exp(−r²/(2 ℓ²)), and
    each channel is scaled to the amplitude asked for.

    Args:
        grid: Where the state lives.
        layouts: Its fields; every channel is drawn independently.
        settings: Standard deviation ``amplitude``, correlation length ``length_scale`` ℓ
            [length], and ``mean``.
        seed: Entropy, e.g. ``(seed, index)``.

    Returns:
        ``[C, *space]`` for each field.

    Source: Lang & Potthoff (2011), Monte Carlo Methods Appl. 17, section 3.
    """
    generator = np.random.default_rng(seed)
    wavenumber_squared = _wavenumber_squared(grid)
    transfer = np.exp(-wavenumber_squared * settings.length_scale**2 / 4)
    axes = tuple(range(1, len(grid.shape) + 1))
    state: State = {}
    for layout in layouts:
        noise = generator.standard_normal((layout.channels, *grid.shape))
        smooth = np.fft.ifftn(np.fft.fftn(noise, axes=axes) * transfer, axes=axes).real
        smooth -= smooth.mean(axis=axes, keepdims=True)
        smooth *= settings.amplitude / smooth.std(axis=axes, keepdims=True)
        state[layout.name] = smooth + settings.mean
    return state


def resembling_state(originals: Sequence[Mapping[str, Array]], seed: Sequence[int]) -> State:
    """One of the given states with its Fourier phases drawn anew.

    The same random phase is added to all channels, so the spectrum of each channel, the mean,
    and the correlations between channels stay those of the original.

    Args:
        originals: States to resemble, ``[C, *space]`` for each field.
        seed: Entropy, e.g. ``(seed, index)``.

    Returns:
        ``[C, *space]`` for each field.

    Source: Prichard & Theiler (1994), Phys. Rev. Lett. 73, 951.
    """
    generator = np.random.default_rng(seed)
    original = originals[int(generator.integers(len(originals)))]
    space = next(iter(original.values())).shape[1:]
    axes = tuple(range(1, len(space) + 1))
    # the phases of real noise have the symmetry that keeps the result real
    noise = np.fft.fftn(generator.standard_normal(space))
    phases = noise / np.maximum(np.abs(noise), np.finfo(float).tiny)
    phases[(0,) * len(space)] = 1.0
    return {
        name: np.fft.ifftn(np.fft.fftn(values, axes=axes) * phases, axes=axes).real
        for name, values in original.items()
    }


def _wavenumber_squared(grid: Grid) -> Array:
    wavenumbers = [
        2 * np.pi * np.fft.fftfreq(points, spacing)
        for points, spacing in zip(grid.shape, grid.spacing, strict=True)
    ]
    return sum(component**2 for component in np.meshgrid(*wavenumbers, indexing="ij"))
