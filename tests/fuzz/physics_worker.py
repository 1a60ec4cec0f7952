"""Worker process that runs equations with impossible parameters and states, one case per line.

A case is an equation, a scheme, and a number of axes. It runs rollouts and their derivatives with
parameters and states that are NaN, infinite, huge, or negative without a physical meaning.
"""

import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.domain.grid import PERIODIC, Grid
from hybrid_pde.errors import UserError
from hybrid_pde.models import ModelRegistry

VALUES = (float("nan"), float("inf"), 1e30, -0.01, 1e-30)
STATES = (float("nan"), 1e30, -1e4)
POINTS = (16, 12)
DT = 0.001


def run_case(case: dict[str, Any], note: Path) -> dict[str, Any]:
    """Try every impossible value in turn; the note records the current one."""
    try:
        model, state, grid = _model(case)
    except UserError as error:
        return {"outcome": "refused", "detail": str(error)}  # no such scheme for the equation
    counts = {"finite": 0, "refused": 0}
    for parameter, value, poison in _trials(model):
        note.write_text(f"{parameter}={value}, state {poison}")
        try:
            counts[_step(model, state, grid, parameter, value, poison)] += 1
        except UserError:
            counts["refused"] += 1
        except Exception as error:
            detail = f"{note.read_text()}: {type(error).__name__}: {error}"
            return {"outcome": "exception", "detail": detail[:300]}
    return {"outcome": "read", "detail": json.dumps(counts)}


def _model(case: dict[str, Any]) -> tuple[Any, dict[str, torch.Tensor], Grid]:
    dims = case["dims"]
    spec = built_in_equations()[case["equation"]]
    names = [role.name for role in spec.fields if not role.is_optional]
    values = {
        name: 0.01 for name, parameter in spec.parameters.items() if parameter.default is None
    }
    physical = {"name": case["equation"], "pde_params": values, "numerics": case["scheme"]}
    config = {
        "run_params": {"model_type": "physical"},
        "data": {"fields": names},
        "model": {"physical": physical},
    }
    model = ModelRegistry(config).get_physical_model()
    axes = ("x", "y")[:dims]
    shape = POINTS[:dims]
    grid = Grid(
        axes, shape, (0.0,) * dims, (1.0,) * dims, ((PERIODIC, PERIODIC),) * dims, (False,) * dims
    )
    generator = torch.Generator().manual_seed(0)
    channels = {role.name: dims if role.is_vector else 1 for role in spec.fields}
    state = {
        name: torch.rand(1, channels[name], *shape, generator=generator, dtype=torch.float64)
        for name in names
    }
    return model, state, grid


def _trials(model: Any) -> Iterator[tuple[str, float, float | None]]:
    names = [name for name, value in model.named_parameters() if value.is_floating_point()]
    yield from ((name, value, None) for name, value in itertools.product(names, VALUES))
    yield from ((names[0], 0.01, poison) for poison in STATES)


def _step(
    model: Any,
    state: dict[str, torch.Tensor],
    grid: Grid,
    parameter: str,
    value: float,
    poison: float | None,
) -> str:
    """Two frames and their derivative; ``finite`` or ``refused``."""
    parameters = {name: each.detach().clone() for name, each in model.named_parameters()}
    parameters[parameter] = torch.full_like(parameters[parameter], value)
    for each in parameters.values():
        each.requires_grad_(True)
    begin = {name: values.clone() for name, values in state.items()}
    if poison is not None:
        next(iter(begin.values())).view(-1)[3] = poison
    frames = list(model.rollout(begin, grid, 2, DT, parameters))
    loss = sum(values.square().sum() for values in frames[-1].values())
    for frame in frames:
        for values in frame.values():
            if not torch.isfinite(values).all():
                raise ArithmeticError("a state that is not finite was returned")
    loss.backward()
    return "finite"


def main() -> None:
    """Run the cases from standard input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for line in sys.stdin:
        answers.write(json.dumps(run_case(json.loads(line), folder / "note")) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
