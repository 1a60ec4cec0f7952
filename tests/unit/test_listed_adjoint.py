"""Adjoints of steps that run as lists of operations: equal to those of PyTorch."""

import pytest
import torch

from hybrid_pde.numerics.array_program_library import library
from hybrid_pde.numerics.listed_adjoint import ListedAdjoint
from hybrid_pde.numerics.native_graph import NativeGraph

pytestmark = pytest.mark.skipif(
    library() is None, reason="needs a C++ compiler (g++ or CXX) and PyTorch with MKL"
)
SPACE = (-2, -1)


def flow(held, changing):
    """A product of values, and operations on modes: signs, views and complex factors."""
    viscosity, symbol = held
    modes, time = changing
    both = torch.stack([-(modes * symbol), modes * symbol.conj()], -1).permute(0, 1, 4, 2, 3)
    values = torch.fft.irfftn(both, (6, 5), SPACE)
    product = values.select(2, 0) * values.select(2, 1) + time * values.select(2, 0)
    return [torch.addcmul(modes * viscosity, torch.fft.rfftn(product, dim=SPACE), symbol)]


def walls(held, changing):
    """Differences of two fields with a value beyond each end of the first axis of space."""
    weights, matrix = held
    u, v, time = changing
    near = u.narrow(2, 0, 2).permute(0, 1, 3, 2).reshape(-1, 2)
    beyond = (near @ matrix).reshape(u.shape[0], 1, u.shape[3], 1).permute(0, 1, 3, 2)
    wide = torch.cat([beyond, u, u.narrow(2, u.shape[2] - 1, 1)], 2)
    curvature = wide.narrow(2, 0, u.shape[2]) + wide.narrow(2, 2, u.shape[2]) - 2 * u
    return [u + weights * curvature - u**3 * time, v + time * u * v]


def arguments(function):
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    time = torch.tensor(0.3, dtype=torch.float64)
    if function is flow:
        # symbols and modes of real fields
        held = [random(1), torch.fft.rfftn(random(6, 5)) / 30]
        return held, [torch.fft.rfftn(random(2, 1, 6, 5), dim=SPACE), time]
    return [random(6, 5), random(2, 1)], [random(2, 1, 6, 5), random(2, 1, 6, 5), time]


def measured(results):
    """A number that depends on the values of all results."""
    values = [torch.fft.irfftn(u, (6, 5), SPACE) if u.is_complex() else u for u in results]
    return sum((values * torch.linspace(0, 1, 30).reshape(6, 5)).sum() for values in values)


@pytest.mark.parametrize("function", [flow, walls])
def test_steps_backwards_give_the_derivatives_of_the_function(function):
    held, changing = arguments(function)
    listed = ListedAdjoint.of(NativeGraph(function, held, changing), held, changing)
    assert listed is not None
    found = []
    for run in (listed.run, lambda given: function(held, given)):
        states = [each.clone().requires_grad_() for each in changing[:-1]]
        results = run([*states, changing[-1]])
        results = run([*results, changing[-1]])  # two steps
        measured(results).backward()
        found.append([*(u.detach() for u in results), *(u.grad for u in states)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_without_derivatives_only_the_step_runs():
    held, changing = arguments(walls)
    listed = ListedAdjoint.of(NativeGraph(walls, held, changing), held, changing)
    assert listed is not None
    found = listed.run(changing)
    assert not any(each.requires_grad for each in found)
    for one, other in zip(found, walls(held, changing), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-14)


def test_a_step_with_another_operation_has_no_list():
    u = torch.rand(2, 3, dtype=torch.float64)
    graph = NativeGraph(lambda held, changing: [changing[0].exp()], [], [u])
    assert ListedAdjoint.of(graph, [], [u]) is None


def test_tangents_of_signs_of_modes_run_as_a_list():
    """PyTorch conjugates them before and after a sign; lists have no conjugates."""
    held, changing = arguments(flow)
    graph = NativeGraph(flow, held, changing)
    tangents = [torch.stack([changing[0], 2 * changing[0]])]
    directions = [None, None]
    derivative = graph.derivative(directions, 1, 2)
    given = [changing[0], *tangents, changing[1]]
    program = derivative.program([held], given, [lambda held, states: []])
    assert program is not None
    (value, slope), _ = program.run(given, 0, 1, 1)
    push = graph.hold_derivatives(held, directions, 1, torch.device("cpu"))
    (expected,), (also,) = push(changing, tangents)
    torch.testing.assert_close(value[0], expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(slope[0], also, rtol=0, atol=1e-12)
