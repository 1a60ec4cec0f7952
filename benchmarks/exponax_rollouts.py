"""Rollouts with exponax, for :mod:`benchmarks.rollouts`; needs JAX and exponax, nothing else.

Takes one JSON object a line: a case, which is compiled, then ``{}`` for each run of it. Answers
with a line each: the file of the last frame for a case, the time [s] for a run.
"""

import json
import sys
import time
from typing import Any

import exponax
import jax
import jax.numpy as jnp
import numpy as np


def stepper(case: dict[str, Any]) -> Any:
    """The time stepper of a case: ETDRK2, products dealiased by the 2/3 rule."""
    given = (len(case["shape"]), case["length"], case["shape"][0], case["dt"])
    parameters, order = case["parameters"], case["order"]
    if case["equation"] == "BurgersPDE":
        return exponax.stepper.Burgers(*given, diffusivity=parameters["viscosity"], order=order)
    if case["equation"] == "KortewegDeVriesPDE":
        return exponax.stepper.KortewegDeVries(
            *given,
            convection_scale=parameters["advection"],
            dispersivity=parameters["dispersion"],
            hyper_diffusivity=0.0,
            order=order,
        )
    if case["equation"] == "KuramotoSivashinskyPDE":
        return exponax.stepper.KuramotoSivashinskyConservative(*given, order=order)
    return exponax.stepper.NavierStokesVorticity(
        *given, diffusivity=parameters["viscosity"], order=order
    )


def main() -> None:
    """Answer until the input ends."""
    rollout: Any = None
    state: Any = None
    for line in sys.stdin:
        case = json.loads(line)
        answer: Any
        if case:
            if case["precision"] == "double":
                jax.config.update("jax_enable_x64", True)
            state = jnp.asarray(np.load(case["state"]))
            rollout = jax.jit(jax.vmap(exponax.rollout(stepper(case), case["frames"])))
            np.save(case["result"], np.asarray(rollout(state)[:, -1]))
            answer = case["result"]
        else:
            begin = time.perf_counter()
            jax.block_until_ready(rollout(state))
            answer = time.perf_counter() - begin
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
