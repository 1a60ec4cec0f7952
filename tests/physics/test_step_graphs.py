"""Graphs of time steps against the equation itself, run step by step with PhiML."""

import pytest
import torch

from hybrid_pde.models.physical import shared_graphs
from hybrid_pde.models.physical.field_roles import role_layouts
from hybrid_pde.models.physical.stepper import Stepper
from hybrid_pde.numerics import native_graph, traced_functions
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.numerics.traced_functions import TracedFunctions
from tests.physics.domains import walled_grid
from tests.physics.periodic_box import periodic_grid
from tests.physics.rollouts import model_of

BOX = periodic_grid((12, 10), (0.7, 1.3))
WALLS = walled_grid((12, 10), (0.7, 1.3))
SPECTRAL, WENO = Discretization("spectral", 2), Discretization("weno", None)
SCHEMES = {
    each.label: each
    for each in (
        SPECTRAL,
        Discretization("spectral", 4),
        Discretization("finite_difference", 2),
        Discretization("finite_difference", 4),
        WENO,
        Discretization("semi_lagrangian", None),
        Discretization("mac_cormack", None),
    )
}
EQUATIONS = {
    "BurgersPDE": {"viscosity": 0.02},
    "NavierStokesPDE": {"viscosity": 0.02, "forcing": [1.0, 4.8]},
    "GrayScottPDE": {"diffusivity_a": 1e-3, "diffusivity_b": 2e-3, "feed": 0.04, "kill": 0.06},
    "KuramotoSivashinskyPDE": {"advection": 1.0, "second_order": 1e-3, "fourth_order": 1e-6},
}


@pytest.fixture(autouse=True)
def no_shared_graphs():
    """Graphs are those of the models of one test."""
    shared_graphs._shared.cache_clear()


def rolled(name, scheme, grid, precision="double"):
    """The third frame from random fields."""
    model = model_of(name, EQUATIONS[name], scheme, precision=precision)
    generator = torch.Generator().manual_seed(0)
    state = {
        role: torch.rand(2, layout.channels, *grid.shape, generator=generator).double()
        for role, layout in role_layouts(model.spec, grid).items()
        if role != "density"
    }
    *_, last = model.rollout(state, grid, 3, 0.02)
    return last


def untraced(monkeypatch):
    """Let steps run as they stand."""

    def refuse(*args):
        raise native_graph.UntraceableError("in this test")

    monkeypatch.setattr(traced_functions, "_traced", refuse)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("name", EQUATIONS)
def test_a_graph_equals_the_step_of_the_equation(name, scheme, monkeypatch):
    found = rolled(name, scheme, BOX)
    untraced(monkeypatch)
    expected = rolled(name, scheme, BOX)
    # Graphs with Fourier transforms, also those of the projection, equal it to rounding.
    transforms = scheme.scheme == "spectral" or name == "NavierStokesPDE"
    rounding = 1e-13 if transforms else 0.0
    for role, values in expected.items():
        error = float((found[role] - values).abs().max() / values.abs().max())
        assert error <= rounding, role


SIXTH = Discretization("finite_difference", 6)


@pytest.mark.parametrize(
    ("scheme", "precision"), [(SIXTH, "single"), (SIXTH, "double"), (WENO, "double")]
)
def test_a_graph_equals_the_step_at_walls(scheme, precision, monkeypatch):
    found = rolled("NavierStokesPDE", scheme, WALLS, precision)
    untraced(monkeypatch)
    expected = rolled("NavierStokesPDE", scheme, WALLS, precision)
    assert torch.equal(found["velocity"], expected["velocity"])


def test_no_step_of_a_rollout_runs_the_equation(monkeypatch):
    model = model_of("BurgersPDE", EQUATIONS["BurgersPDE"], SPECTRAL)
    state = torch.rand(1, 2, *BOX.shape, dtype=torch.float64)
    list(model.rollout(state, BOX, 3, 0.02))
    monkeypatch.setattr(Stepper, "_step", None)
    monkeypatch.setattr(type(model), "rate", None)
    monkeypatch.setattr(type(model), "bound_speed", None)
    assert len(list(model.rollout(state, BOX, 3, 0.02))) == 3


def test_a_spectral_step_transforms_no_more_than_it_has_to():
    model = model_of("BurgersPDE", EQUATIONS["BurgersPDE"], SPECTRAL)
    list(model.rollout(torch.rand(1, 2, *BOX.shape, dtype=torch.float64), BOX, 1, 0.02))
    ((stepper, _),) = model._solver._steppers.values()
    nodes = [n for graph in graphs(stepper.graphs) for n in graph._run.call.__self__.graph.nodes]
    names = [getattr(node.target, "__name__", "") for node in nodes]
    # u²/2 and the product of the curl of u with u, in both stages.
    assert names.count("_fft_r2c") == 2
    # u and its curl in both stages.
    assert names.count("_fft_c2r") == 2


def test_a_stage_along_one_axis_takes_five_operations_and_a_step_two_more():
    model = model_of("BurgersPDE", EQUATIONS["BurgersPDE"], SPECTRAL)
    line = periodic_grid((12,), (0.7,))
    list(model.rollout(torch.rand(1, 1, 12, dtype=torch.float64), line, 1, 0.01))
    ((stepper, _),) = model._solver._steppers.values()
    (step,) = [g for g in graphs(stepper.graphs) if "_fft_c2r" in str(g._run.call.__self__.graph)]
    calls = [n for n in step._run.call.__self__.graph.nodes if n.op == "call_function"]
    # A product, F⁻¹, a square and F in both stages, one more term in the second stage, three in the
    # sum at the end.
    assert len(calls) == 12


def graphs(functions: TracedFunctions):
    return list(functions._graphs.values())
