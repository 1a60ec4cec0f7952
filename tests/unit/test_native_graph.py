"""Graphs of native operations: equality with the traced function, derivatives, what is refused."""

import logging
from contextlib import nullcontext

import pytest
import torch
import torch.autograd.forward_ad as forward_ad

from hybrid_pde.numerics.graph_recorder import UntraceableError
from hybrid_pde.numerics.native_graph import NativeGraph
from hybrid_pde.numerics.traced_functions import TracedFunctions

CPU = torch.device("cpu")
WAVE = torch.linspace(0, 1, 5, dtype=torch.float64)


def function(held, changing):
    (rate,), (state,) = held, changing
    factor = torch.exp(rate) * torch.tensor(2.0)
    padded = torch.cat([state[..., -1:], state, state[..., :1]], -1)
    return [factor * (padded[..., 2:] - padded[..., :-2]) * WAVE + state.transpose(0, 1).sum(1)]


def examples():
    return [torch.zeros(5, dtype=torch.float64)], [torch.zeros(5, 5, dtype=torch.float64)]


def others():
    torch.manual_seed(0)
    return [torch.rand(5, dtype=torch.float64)], [torch.rand(5, 5, dtype=torch.float64)]


def test_a_graph_gives_the_bits_of_its_function_at_other_values():
    graph = NativeGraph(function, *examples())
    held, changing = others()
    (found,) = graph.hold(held, CPU)(changing)
    assert torch.equal(found, function(held, changing)[0])


def test_derivatives_go_through_a_graph():
    graph = NativeGraph(function, *examples())
    held, changing = others()

    def run(rate, state):
        return graph.hold([rate], CPU)([state])[0]

    leaves = [each.requires_grad_() for each in (*held, *changing)]
    assert torch.autograd.gradcheck(run, leaves)
    held, changing = others()
    tangent = torch.rand(5, dtype=torch.float64)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(held[0], tangent)
        found = forward_ad.unpack_dual(graph.hold([dual], CPU)(changing)[0]).tangent
    expected = tangent * (function(held, changing)[0] - function([held[0] - 40], changing)[0])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("is_open", [False, True], ids=["", "within-forward-mode"])
def test_derivatives_along_several_directions_are_one_graph(is_open):
    held, changing = others()
    slopes = torch.rand(3, 5, dtype=torch.float64), torch.rand(3, 5, 5, dtype=torch.float64)
    pairs = [
        torch.func.jvp(lambda r, u: function([r], [u])[0], (*held, *changing), (r, u))
        for r, u in zip(*slopes, strict=True)
    ]
    with forward_ad.dual_level() if is_open else nullcontext():
        graph = NativeGraph(function, *examples())
        push = graph.hold_derivatives(held, [slopes[0]], 1, CPU)
        (values,), (found,) = push(changing, [slopes[1]])
        alone = TracedFunctions("MyPDE").get(0, untraceable, held, changing)
        (same,), (also,) = alone.hold_derivatives(held, [slopes[0]], 1, CPU)(changing, [slopes[1]])
    torch.testing.assert_close(values, pairs[0][0], rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(found, torch.stack([slope for _, slope in pairs]))
    torch.testing.assert_close((same, also), (values, found))


def untraceable(held, changing):
    assert float(held[0].sum()) < 100
    return function(held, changing)


def test_directions_may_leave_held_tensors_alone():
    held, changing = others()
    slope = torch.rand(2, 5, 5, dtype=torch.float64)
    push = NativeGraph(function, *examples()).hold_derivatives(held, [None], 1, CPU)
    _, (found,) = push(changing, [slope])
    # the function is linear in the state
    torch.testing.assert_close(found[1], function(held, [slope[1]])[0])


def test_what_depends_on_held_tensors_is_computed_once():
    graph = NativeGraph(function, *examples())
    operations = str(graph._run.call.__func__.__code__.co_names)
    assert "exp" not in operations and "exp" in graph._prepare.call.__func__.__code__.co_names


@pytest.mark.parametrize(
    "change",
    [
        lambda u: u * float(u.sum()),
        lambda u: u if u.sum() > 1 else -u,
        lambda u: u[u > 0.5].sum() + u,
        lambda u: u + torch.rand_like(u),
    ],
    ids=["number", "branch", "mask", "random"],
)
def test_dependence_on_values_is_refused(change):
    with pytest.raises(UntraceableError):
        NativeGraph(lambda held, changing: [change(changing[0])], [], [torch.zeros(3)])


def test_sums_that_begin_with_a_number_keep_their_type():
    graph = NativeGraph(lambda held, changing: [0 + (changing[0] > 1)], [], [torch.zeros(3)])
    (found,) = graph.hold([], CPU)([torch.arange(3.0)])
    assert found.dtype == torch.int64 and found.tolist() == [0, 0, 1]


def test_changes_in_place_are_traced_without_them():
    def in_place(held, changing):
        result = torch.zeros(4)
        result[1:3] = changing[0][1:3]
        result += 1.0
        return [result]

    graph = NativeGraph(in_place, [], [torch.zeros(4)])
    u = torch.arange(4.0)
    assert torch.equal(graph.hold([], CPU)([u])[0], in_place([], [u])[0])


@pytest.mark.parametrize(
    "change",
    [lambda u: u * float(u.sum()), lambda u: u + torch.from_numpy(u.numpy() ** 2)],
    ids=["branch", "numpy"],
)
def test_a_function_that_cannot_be_traced_runs_as_it_stands(change, caplog):
    functions = TracedFunctions("MyPDE")
    u = torch.arange(4.0)
    with caplog.at_level(logging.WARNING):
        traced = functions.get(0, lambda held, changing: [change(changing[0])], [], [u])
        assert torch.equal(traced.hold([], CPU)([u])[0], change(u))
    assert caplog.text.count("MyPDE: cannot be traced") == 1


def test_a_function_that_fails_is_not_said_to_be_slow(caplog):
    def fails(held, changing):
        raise KeyError("w")

    u = torch.arange(4.0)
    with caplog.at_level(logging.WARNING):
        traced = TracedFunctions("MyPDE").get(0, fails, [], [u])
        with pytest.raises(KeyError, match="w"):
            traced.hold([], CPU)([u])
    assert not caplog.text
