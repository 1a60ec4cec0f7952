"""Times rollouts of Burgers' equation: milliseconds for each case, the fastest of several runs.

python -m benchmarks.rollouts [--seconds 3] [--scheme spectral --order 2] [CASE …]
"""

import argparse
import json
import time
from collections.abc import Sequence
from math import pi

import torch
from phi.torch.flow import math

from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.models.registry import ModelRegistry

# Points along each axis, simulations, frames.
CASES = {
    "1d-256": ((256,), 1, 200),
    "1d-1024-16": ((1024,), 16, 100),
    "2d-64": ((64, 64), 1, 20),
    "2d-64-16": ((64, 64), 16, 20),
    "2d-128": ((128, 128), 1, 20),
    "3d-32": ((32, 32, 32), 1, 10),
}
_DT = 1e-3


def milliseconds(case: str, numerics: dict[str, object], seconds: float) -> float:
    """Fastest time of ``predict_trajectory`` within ``seconds``, after one run that traces."""
    shape, simulations, frames = CASES[case]
    axes = ("x", "y", "z")[: len(shape)]
    sides = ((PERIODIC, PERIODIC),) * len(axes)
    grid = Grid(axes, shape, (0.0,) * len(axes), (1.0,) * len(axes), sides, (False,) * len(axes))
    line = torch.linspace(0, 2 * pi, shape[-1] + 1)[:-1]
    state = torch.sin(line).expand(simulations, len(axes), *shape).contiguous()
    physical = {"name": "BurgersPDE", "pde_params": {"viscosity": 0.01}, "numerics": numerics}
    config = {
        "run_params": {"experiment_name": "rollouts", "model_type": "physical"},
        "data": {"dset_name": "none", "fields": ["velocity"]},
        "model": {"physical": physical},
    }
    model = ModelRegistry(config).get_physical_model()
    with math.precision(32 if numerics["precision"] == "single" else 64):
        initial = {"velocity": to_field(state, grid, FieldLayout("velocity", axes))}
    fastest, end = float("inf"), 0.0
    with torch.no_grad():
        model.predict_trajectory(initial, 2, _DT)
        while end == 0.0 or time.perf_counter() < end:
            begin = time.perf_counter()
            end = end or begin + seconds
            model.predict_trajectory(initial, frames, _DT)
            fastest = min(fastest, time.perf_counter() - begin)
    return 1e3 * fastest


def main(argv: Sequence[str] | None = None) -> None:
    """Print the times as JSON, one line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--scheme", default="spectral")
    parser.add_argument("--order", type=int, default=2)
    parser.add_argument("--precision", default="single")
    given = parser.parse_args(argv)
    numerics = {"scheme": given.scheme, "order": given.order, "precision": given.precision}
    for case in given.cases:
        took = milliseconds(case, numerics, given.seconds)
        print(json.dumps({"case": case, "ms": round(took, 3), **numerics}), flush=True)


if __name__ == "__main__":
    main()
