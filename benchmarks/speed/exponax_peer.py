"""Times rollouts by exponax, in an environment of its own, whenever it is asked to.

    PYTHON exponax_peer.py CASE.json

The first line that it prints says that it is ready. Each line on standard input asks for one
rollout, each line on standard output is the seconds it took. The last frame of the first rollout is
written to the file that the case names.
"""

import json
import sys
import time
from pathlib import Path

import exponax as ex
import jax
import jax.numpy as jnp
import numpy as np


def stepper(case: dict) -> ex.BaseStepper:
    """The time step of an equation."""
    values = case["parameters"]
    size = (len(case["points"]), case["length"], case["points"][0], case["dt"])
    order = {"order": case["order"]}
    if case["equation"] == "BurgersPDE":
        return ex.stepper.Burgers(*size, diffusivity=values["viscosity"], **order)
    if case["equation"] == "VorticityPDE":
        return ex.stepper.NavierStokesVorticity(
            *size,
            diffusivity=values["viscosity"],
            vorticity_convection_scale=-1.0,  # its velocity has the other sign
            **order,
        )
    if case["equation"] == "KortewegDeVriesPDE":
        return ex.stepper.KortewegDeVries(
            *size,
            convection_scale=values["advection"],
            dispersivity=values["dispersion"],
            hyper_diffusivity=0.0,
            **order,
        )
    assert case["equation"] == "KuramotoSivashinskyPDE"
    return ex.stepper.KuramotoSivashinskyConservative(*size, **order)


def main(path: str) -> None:
    """Answer requests until standard input ends."""
    case = json.loads(Path(path).read_text(encoding="utf-8"))
    if case["precision"] == "double":
        jax.config.update("jax_enable_x64", True)
    state = jnp.asarray(np.load(case["initial"]))
    run = jax.jit(jax.vmap(ex.rollout(stepper(case), case["frames"])))
    frames = run(state).block_until_ready()
    np.save(case["final"], np.asarray(frames[:, -1]))
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        run(state).block_until_ready()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
