"""Forward-mode derivatives of rollouts with respect to parameters, against finite differences.

All built-in equations except Navier-Stokes.
"""

from typing import Any

import pytest
import torch
from torch.autograd import forward_ad

from hybrid_pde.config.discovery import built_in_equations
from hybrid_pde.domain.grid import Grid
from hybrid_pde.models.physical.physical_model import PhysicalModel
from tests.physics.domains import points, walled_grid
from tests.physics.periodic_box import periodic_grid
from tests.physics.rollouts import DIFFERENCES, SPECTRAL, model_of

LENGTHS = (0.7, 1.3)
BOXES = {
    "spectral": (SPECTRAL, "periodic"),
    "differences": (DIFFERENCES[1], "periodic"),
    "walls": (DIFFERENCES[1], "walls"),
}
# FIELD: a field around the given value instead of a number.
FIELD = "field"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "Burgers": ("BurgersPDE", {"viscosity": 0.02, "advection": 0.8, "potential": (FIELD, 0.1)}),
    "advection": ("AdvectionDiffusionPDE", {"diffusivity": 0.02, "velocity": [0.6, -0.4]}),
    "flow": ("AdvectionDiffusionPDE", {"diffusivity": 0.02, "velocity": (FIELD, 0.5)}),
    "diffusion": ("DiffusionPDE", {"diffusivity": 0.02}),
    "flux": ("DiffusionPDE", {"diffusivity": (FIELD, 0.02)}),
    "nonconservative": ("DiffusionPDE", {"diffusivity": (FIELD, 0.02), "conservative": False}),
    "Allen-Cahn": ("AllenCahnPDE", {"diffusivity": 0.01, "reaction_rate": 2.0}),
    "Fisher": ("FisherKPPPDE", {"diffusivity": 0.01, "growth_rate": 2.0}),
    "FitzHugh-Nagumo": (
        "FitzHughNagumoPDE",
        {"diffusivity_u": 0.01, "diffusivity_v": 0.02, "threshold": 0.1},
    ),
    "Gray-Scott": (
        "GrayScottPDE",
        {"diffusivity_a": 0.01, "diffusivity_b": 0.02, "feed": 0.4, "kill": 0.6},
    ),
    "Brusselator": (
        "BrusselatorPDE",
        {"diffusivity_u": 0.01, "diffusivity_v": 0.02, "a": 0.8, "b": 1.5},
    ),
    "source": (
        "AdvectionDiffusionPDE",
        {"diffusivity": 0.02, "velocity": 0.6, "source": (FIELD, 0.5), "decay": 0.7},
    ),
    "vorticity": (
        "VorticityPDE",
        {
            "viscosity": 0.02,
            "drag": 0.3,
            "forcing": [0.4, 5.0],
            "forcing_direction": 0.3,
            "forcing_phase": 0.2,
        },
    ),
    "shallow water": (
        "ShallowWaterPDE",
        {"gravity": 2.0, "bottom": (FIELD, 0.1), "viscosity": 0.02, "drag": 0.3},
    ),
    "waves": ("WavePDE", {"speed": (FIELD, 0.8), "damping": 0.3}),
    "Korteweg-de Vries": ("KortewegDeVriesPDE", {"advection": 0.8, "dispersion": 1e-3}),
    "Kuramoto-Sivashinsky": (
        "KuramotoSivashinskyPDE",
        {"advection": 0.8, "second_order": 0.02, "fourth_order": 1e-4},
    ),
}
# Equations with parameters that act along axes; the others are tested in 1D.
PLANAR = {"Burgers", "advection", "flow", "vorticity"}


def needs_periodic(case: str) -> bool:
    return built_in_equations()[CASES[case][0]].is_periodic


def box(case: str, boundary: str) -> Grid:
    shape = (16, 12) if case in PLANAR else (16,)
    lengths = LENGTHS[: len(shape)]
    if boundary == "periodic":
        return periodic_grid(shape, lengths)
    sides: dict[str, Any] = {"x": {"lower": 0.2, "upper": "zero-gradient"}, "y": "zero-gradient"}
    return walled_grid(shape, lengths, {axis: sides[axis] for axis in "xy"[: len(shape)]})


def waves(grid: Grid, level: float, *, vector: bool) -> torch.Tensor:
    """Smooth fields around a value, ``[C, *space]``."""
    phases = [6.28 * x / length for x, length in zip(points(grid), grid.upper, strict=True)]
    count = len(grid.axes) if vector else 1
    return torch.stack([level * (1 + 0.4 * torch.cos(sum(phases) + i)) for i in range(count)])


def parameters_of(case: str, grid: Grid) -> dict[str, Any]:
    name, given = CASES[case]
    values = {}
    for key, value in given.items():
        if isinstance(value, tuple):
            vector = built_in_equations()[name].parameters[key].per_axis
            field = waves(grid, value[1], vector=vector)
            value = field if vector else field[0]
        values[key] = value
    return values


def final(
    model: PhysicalModel, grid: Grid, values: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    spec = model.spec
    state = {
        r.name: waves(grid, 0.5 - 0.1 * i, vector=r.is_vector) for i, r in enumerate(spec.fields)
    }
    *_, last = model.rollout(state, grid, 2, 0.004, values)
    return last


# Walls change only the differences near them; the periodic box is tested with a velocity, too.
COMBINATIONS = [
    (case, "differences" if kind == "walls" and needs_periodic(case) else kind)
    for case in CASES
    for kind in ("spectral", "walls")
]
COMBINATIONS += [
    (case, "differences") for case in CASES if case in PLANAR and not needs_periodic(case)
]


@pytest.mark.parametrize(("case", "kind"), COMBINATIONS)
def test_derivatives_by_every_parameter(case: str, kind: str) -> None:
    scheme, boundary = BOXES[kind]
    grid = box(case, boundary)
    model = model_of(CASES[case][0], parameters_of(case, grid), scheme, substeps=5)
    values = {name: p.detach() for name, p in model.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    for name, value in values.items():
        if name not in CASES[case][1]:
            continue
        direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        step = 1e-4 * float(value.abs().max())
        plus, minus = (
            final(model, grid, {**values, name: value + sign * step * direction})
            for sign in (1, -1)
        )
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(value, direction)
            last = final(model, grid, {**values, name: dual})
            tangents = {role: forward_ad.unpack_dual(u).tangent for role, u in last.items()}
        size = 0.0
        for role, tangent in tangents.items():
            expected = (plus[role] - minus[role]) / (2 * step)
            tangent = torch.zeros_like(expected) if tangent is None else tangent
            scale = float(max((plus[r] - minus[r]).abs().max() for r in plus)) / (2 * step)
            assert (tangent - expected).abs().max() < 1e-6 * scale, (name, role)
            size = max(size, float(tangent.abs().max()))
        assert size > 1e-6, name
