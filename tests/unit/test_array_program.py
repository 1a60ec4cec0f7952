"""Lists of operations that run without Python: equal to the graphs that they are made of."""

import pytest
import torch

from hybrid_pde.numerics.array_program_library import library
from hybrid_pde.numerics.batch_parts import Parts
from hybrid_pde.numerics.native_graph import NativeGraph

needs_interpreter = pytest.mark.skipif(
    library() is None, reason="needs a C++ compiler (g++ or CXX) and PyTorch with MKL"
)
ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-14}


def filtered(factor, u, sizes):
    axes = tuple(range(-len(sizes), 0))
    return torch.fft.irfftn(torch.fft.rfftn(u, dim=axes) * factor, sizes, axes)


def mixed(held, changing):
    """Products, sums and views of every kind, of values and of modes."""
    weights, factor = held
    u, modes, time = changing
    first, second = u.select(1, 0), u.select(1, 1)
    turned = torch.stack([-second, first], -1).permute(0, 3, 1, 2)
    both = torch.cat([turned * weights, (u * u).sum(1, keepdim=True) / 3], 1)
    smooth = filtered(factor, both.narrow(1, 1, 2), u.shape[2:])
    after = torch.addcmul(modes, torch.fft.rfftn(smooth, dim=(-2, -1)), factor)
    after = (after * factor.real - modes) * 0.5 + (weights[0, 0, 0] + time) * after
    return [0.5 * smooth**3 + u.square() - time * u + weights, after]


def lines(held, changing):
    (factor,) = held
    (u,) = changing
    values = torch.fft.irfft(u * factor, 15)
    return [factor.real * u - torch.fft.rfft(values * values) / 15]


def nothing(held, states):
    return []


def arguments(dtype):
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(3, 2, 6, 5, generator=generator, dtype=dtype)
    modes = torch.fft.rfftn(torch.rand(3, 2, 6, 5, generator=generator, dtype=dtype), dim=(2, 3))
    # Of a real field: modes of others are not transformed back in the same way by all libraries.
    factor = torch.fft.rfftn(torch.rand(6, 5, generator=generator, dtype=dtype)) / 30
    weights = torch.rand(2, 6, 5, generator=generator, dtype=dtype)
    return [weights, factor], [u, modes, torch.tensor(0.3, dtype=dtype)]


def several(run, changing, steps):
    states = changing[:2]
    for _ in range(steps):
        states = run([*states, *changing[2:]])
    return states


@needs_interpreter
@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
def test_a_list_gives_the_values_of_its_graph(dtype):
    held, changing = arguments(dtype)
    graph = NativeGraph(mixed, held, changing)
    program = graph.program([held], changing, [lambda held, states: [states[0] * 2]])
    frames, (observed,) = program.run(changing, 0, 2, 3)
    torch.testing.assert_close(observed, 2 * frames[0])
    run = graph.hold(held, torch.device("cpu"))
    for number in range(3):
        expected = several(run, changing, 2 * (number + 1))
        for found, other in zip(frames, expected, strict=True):
            assert found.dtype == other.dtype and found.shape == (3, *other.shape)
            assert (found[number] - other).abs().max() <= 9 * ROUNDING[dtype] * other.abs().max()


@needs_interpreter
def test_lines_of_an_odd_number_of_points():
    modes = torch.fft.rfft(torch.rand(2, 15, dtype=torch.float64))
    factor = torch.fft.rfft(torch.rand(15, dtype=torch.float64)) / 15
    graph = NativeGraph(lines, [factor], [modes])
    (found,), _ = graph.program([[factor]], [modes], [nothing]).run([modes], 0, 1, 1)
    torch.testing.assert_close(found[0], *lines([factor], [modes]), rtol=1e-13, atol=1e-13)


@needs_interpreter
def test_a_state_is_renewed_before_every_fourth_step():
    one = torch.ones(1, dtype=torch.float64)
    graph = NativeGraph(lambda held, changing: [changing[0] + held[0]], [one], [0 * one])
    program = graph.program([[one]], [0 * one], [nothing], lambda u: [10.0 * u], 4)
    # Steps 2 to 7; renewed before those with the numbers 3 and 7.
    (found,), _ = program.run([0 * one], 2, 3, 2)
    assert found.flatten().tolist() == [12.0, 141.0]


@needs_interpreter
def test_results_that_are_states_are_exchanged():
    u, v = torch.tensor([1.0]), torch.tensor([2.0])
    graph = NativeGraph(lambda held, changing: list(changing[::-1]), [], [u, v])
    found, _ = graph.program([[]], [u, v], [nothing]).run([u, v], 0, 1, 1)
    assert [each.item() for each in found] == [2.0, 1.0]


@pytest.mark.parametrize(
    "function", [torch.exp, lambda u: u.cumsum(0), lambda u: u.to(torch.float64)]
)
def test_other_operations_have_no_list(function):
    u = torch.rand(4)
    graph = NativeGraph(lambda held, changing: [function(changing[0])], [], [u])
    assert graph.program([[]], [u], [nothing]) is None


@needs_interpreter
def test_values_that_are_not_finite_stay_so():
    u = torch.tensor([1.0, float("nan"), float("inf")])
    graph = NativeGraph(lambda held, changing: [changing[0] * changing[0]], [], [u])
    (found,), _ = graph.program([[]], [u], [nothing]).run([u], 0, 1, 1)
    assert torch.equal(torch.isfinite(found[0]), torch.isfinite(u))


@needs_interpreter
@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@pytest.mark.parametrize("points", [3, 16, 37])
def test_measures_of_a_frame(dtype, points):
    u = torch.rand(2, 3, points, dtype=dtype) - 0.5

    def measured(held, states):
        (u,) = states
        rows = u.flatten(1)
        largest = torch.maximum(rows.abs().amax(-1), u.amax(-1, keepdim=True)[:, 0, 0])
        return [torch.stack([each.to(torch.float64) for each in (largest, rows.sum(1))])]

    graph = NativeGraph(lambda held, changing: [-2 * changing[0]], [], [u])
    (after,), (found,) = graph.program([[]], [u], [measured]).run([u], 0, 1, 1)
    (expected,) = measured([], [after[0]])
    assert found.dtype == torch.float64
    torch.testing.assert_close(found[0], expected, rtol=10 * ROUNDING[dtype], atol=0)


@needs_interpreter
def test_the_largest_of_values_that_are_not_numbers_is_none():
    for number in (0, 17, 39):
        u = torch.zeros(1, 40)
        u[0, number] = float("nan")
        graph = NativeGraph(lambda held, changing: [changing[0] + 0.0], [], [u])
        _, (found,) = graph.program([[]], [u], [lambda held, states: [states[0].amax(-1)]]).run(
            [u], 0, 1, 1
        )
        assert found.isnan().all()


@needs_interpreter
def test_the_first_observation_that_can_be_listed_is_taken():
    u = torch.rand(4)
    graph = NativeGraph(lambda held, changing: [changing[0] * 2], [], [u])
    program = graph.program([[]], [u], [lambda held, u: [*u, u[0].cumsum(0)], lambda held, u: u])
    assert program.program.num_observed == 1


@needs_interpreter
def test_constants_of_an_observation_are_kept():
    u = torch.ones(2**14)
    graph = NativeGraph(lambda held, changing: [changing[0] * 2], [], [u])
    program = graph.program([[]], [u], [lambda held, u: [u[0] * torch.full((2**14,), 3.0)]])
    others = [torch.full((2**14,), float(number)) for number in range(20)]
    _, (found,) = program.run([u], 0, 1, 1)
    assert len(others) == 20 and (found == 6).all()


def stencil(held, changing):
    """Differences on arrays that are padded, of which only some are needed outside a loop."""
    weight, factor = held
    u, time = changing
    for _ in range(2):
        padded = torch.cat([u.narrow(2, 39, 1), u, u.narrow(2, 0, 1)], 2)
        above, below = padded.narrow(2, 2, 40), padded.narrow(2, 0, 40)
        curved = (above - 2 * u) + below
        first, second = curved.select(1, 0), curved.select(1, 1)
        mixed = torch.stack([first * second - second, second - first * factor], 1)
        u = u + time * (weight * curved - 0.1 * mixed)
    return [u]


@needs_interpreter
@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
def test_loops_over_blocks_give_the_values_of_the_graph(dtype):
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(3, 2, 40, 37, generator=generator, dtype=dtype)
    held = [torch.tensor(0.1, dtype=dtype), torch.rand(40, 37, generator=generator, dtype=dtype)]
    changing = [u, torch.tensor(0.2, dtype=dtype)]
    graph = NativeGraph(stencil, held, changing)
    (found,), _ = graph.program([held], changing, [nothing]).run(changing, 0, 2, 1)
    run = graph.hold(held, torch.device("cpu"))
    (expected,) = run([*run(changing), changing[1]])
    torch.testing.assert_close(found[0], expected, rtol=0, atol=20 * ROUNDING[dtype])


@needs_interpreter
def test_derivatives_run_as_a_list():
    u = torch.rand(3, 2, 40, 37, dtype=torch.float64)
    held = [torch.tensor(0.1, dtype=torch.float64), torch.rand(40, 37, dtype=torch.float64)]
    slopes = [torch.ones(2, dtype=torch.float64), None]
    moving = torch.rand(2, *u.shape, dtype=torch.float64)
    time = torch.tensor(0.2, dtype=torch.float64)
    graph = NativeGraph(stencil, held, [u, time])
    push = graph.hold_derivatives(held, slopes, 1, torch.device("cpu"))
    (expected,), (also,) = push([u, time], [moving])
    program = graph.derivative(slopes, 1, 2).program(
        [[*held, slopes[0]]], [u, moving, time], [nothing]
    )
    (value, slope), _ = program.run([u, moving, time], 0, 1, 1)
    torch.testing.assert_close(value[0], expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(slope[0], also, rtol=0, atol=1e-13)


@needs_interpreter
def test_a_list_is_used_again_with_other_held_tensors():
    one = torch.ones(3, dtype=torch.float64)
    graph = NativeGraph(lambda held, changing: [changing[0] * held[0]], [one], [one])
    programs = [graph.program([[n * one]], [one], [nothing], key="same") for n in (2, 3)]
    assert programs[0].program is programs[1].program
    for factor, program in ((2, programs[0]), (3, programs[1]), (2, programs[0])):
        (found,), _ = program.run([one], 0, 2, 1)
        assert (found == factor**2).all()


def scaled(held, changing):
    (weight,), (u, v, time) = held, changing
    return [u * weight + time, v * weight]


@needs_interpreter
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_parts_of_a_batch_are_run_with_their_own_held_tensors(threads):
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.rand(*n, 5, 2500, generator=generator) for n in ((), (2,)))
    weight, time = torch.rand(5, 1, generator=generator), torch.tensor(0.25)
    parts = Parts(2, 5, (0, 1, None))  # the third part overlaps the second one
    graph = NativeGraph(scaled, [weight[:2]], [u[:2], v[:, :2], time])
    held = [[weight[first : first + 2]] for first in parts.starts]

    def observed(held, states):
        return [*states, states[0].amax(-1).amax(-1, keepdim=True)]

    program = graph.program(held, [u[:2], v[:, :2], time], [observed], parts=parts)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    (one, two), (also, too, largest) = program.run([u, v, time], 0, 3, 4)
    torch.set_num_threads(before)
    for frame in range(4):
        for _ in range(3):
            u, v = scaled([weight], [u, v, time])
        torch.testing.assert_close(one[frame], u)
        torch.testing.assert_close(two[frame], v)
        rows = [u[first : first + 2].max() for first in parts.starts]
        torch.testing.assert_close(largest[frame].flatten(), torch.stack(rows))
    assert torch.equal(one, also) and torch.equal(two, too)
