"""Data sets by exponax, in an environment of its own.

    PYTHON exponax_data.py OUT.npz

Writes the frames ``[T, C, *space]`` of each data set of ``benchmarks.other_solvers`` that exponax
makes, with exponax's defaults: second order in time, single precision, points from 0 to L − dx.
"""

import sys
from collections.abc import Callable

import exponax as ex
import jax.numpy as jnp
import numpy as np

# Points, steps a frame, frames.
_LINE, _PLANE, _STEPS, _FRAMES = 96, 32, 4, 12


def waves(dims: int, points: int, seed: int) -> np.ndarray:
    """A sum of long waves with random phases, ``[1, *space]``."""
    random = np.random.default_rng(seed)
    x = np.meshgrid(*[np.arange(points) / points] * dims, indexing="ij")
    total = np.zeros([points] * dims)
    for number in (1, 2, 3):
        for axis in x:
            phase = random.uniform(0, 2 * np.pi)
            total += random.uniform(0.5, 1) / number * np.sin(2 * np.pi * number * axis + phase)
    return 0.5 * total[None] / total.std()


def frames(stepper: Callable, state: np.ndarray) -> np.ndarray:
    """The state and the frames after it."""
    run = ex.rollout(stepper, _STEPS * _FRAMES, include_init=True)
    return np.asarray(run(jnp.asarray(state, dtype=jnp.float32)))[::_STEPS]


def main(path: str) -> None:
    """Write all data sets."""
    step = ex.stepper
    sets = {
        "burgers": frames(
            step.Burgers(1, 2.0, _LINE, 0.05 / _STEPS, diffusivity=0.02), waves(1, _LINE, 0)
        ),
        "kdv": frames(
            step.KortewegDeVries(
                1, 4.0, _LINE, 0.05 / _STEPS,
                convection_scale=1.0, dispersivity=0.02, hyper_diffusivity=0.0,
            ),
            waves(1, _LINE, 1),
        ),
        "advection-diffusion": frames(
            step.AdvectionDiffusion(
                2, 3.0, _PLANE, 0.1 / _STEPS, velocity=jnp.array([0.8, -0.3]), diffusivity=0.05
            ),
            waves(2, _PLANE, 2),
        ),
        "fisher-kpp": frames(
            step.reaction.FisherKPP(2, 4.0, _PLANE, 0.1 / _STEPS, diffusivity=0.02, reactivity=1.5),
            0.4 + 0.3 * np.clip(waves(2, _PLANE, 3), -1, 1),
        ),
    }  # fmt: skip
    np.savez(path, **sets)


if __name__ == "__main__":
    main(*sys.argv[1:])
