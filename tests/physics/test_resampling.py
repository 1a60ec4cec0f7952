"""Interpolation between grids and at arbitrary positions, with unequal spacings other than 1."""

from math import pi

import numpy as np
import pytest
import torch
import torch.autograd.forward_ad as forward

from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.numerics.interpolation import interpolation_matrix
from hybrid_pde.numerics.resampling import Resampling
from tests.physics.walled_box import box, points_of

WALLS = (ZERO_GRADIENT, 0.3)
ENDS = (PERIODIC, PERIODIC)


def field(grid: Grid, modes: tuple[int, ...]) -> torch.Tensor:
    """``[2, 1, *space]``: a periodic wave and its square."""
    phase = 0.4 + sum(
        2 * pi * m * (x - low) / (high - low)
        for m, x, low, high in zip(modes, points_of(grid), grid.lower, grid.upper, strict=True)
    )
    return torch.stack([torch.sin(phase), torch.sin(phase) ** 2])[:, None]


@pytest.mark.parametrize("shape", [(12,), (9, 14), (8, 7, 6)])
@pytest.mark.parametrize("factor", [2, 3])
def test_periodic_resampling_is_exact_for_resolved_modes(shape, factor):
    dims = len(shape)
    grid = box(shape, (ENDS,) * dims)
    resampling = Resampling(grid, factor)
    assert resampling.grid.shape == tuple(factor * n for n in shape)
    fine = field(resampling.grid, (1, -1, 1)[:dims])
    coarse = field(grid, (1, -1, 1)[:dims])
    torch.testing.assert_close(resampling.refine(coarse), fine, rtol=0, atol=1e-12)
    torch.testing.assert_close(resampling.coarsen(fine), coarse, rtol=0, atol=1e-12)


@pytest.mark.parametrize("on_walls", [False, True])
def test_grids_between_walls(on_walls):
    grid = box((9, 8), (WALLS, ENDS), on_walls=(on_walls, False))
    finer = Resampling(grid, 3).grid
    assert finer.shape == ((25 if on_walls else 27), 24)
    assert finer.spacing == pytest.approx([dx / 3 for dx in grid.spacing])
    assert (finer.lower, finer.upper, finer.boundary) == (grid.lower, grid.upper, grid.boundary)


@pytest.mark.parametrize("sides, on_walls", [(ENDS, False), (WALLS, True)])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_coarsening_undoes_refining(sides, on_walls, factor):
    grid = box((8, 11), (sides, sides), on_walls=(on_walls, on_walls))
    resampling = Resampling(grid, factor)
    # Noise contains all modes, including the Nyquist mode of the even axis.
    noise = torch.randn(3, 2, 8, 11, generator=torch.Generator().manual_seed(0)).double()
    refined = resampling.refine(noise)
    assert refined.shape == (3, 2, *resampling.grid.shape)
    torch.testing.assert_close(resampling.coarsen(refined), noise, rtol=0, atol=1e-12)


@pytest.mark.parametrize("on_walls", [False, True])
def test_resampling_between_walls_has_order_six(on_walls):
    errors = []
    for n in (32, 64):
        grid = box((n, n + n // 2), (WALLS, WALLS), on_walls=(on_walls, on_walls))
        resampling = Resampling(grid, 2)
        coarse, fine = field(grid, (1, 1)), field(resampling.grid, (1, 1))
        errors.append(
            [
                float((resampling.refine(coarse) - fine).abs().max()),
                float((resampling.coarsen(fine) - coarse).abs().max()),
            ]
        )
    (refined, coarsened), (finer, finest) = errors
    # The largest error is beyond the outermost points, which move with the spacing.
    assert np.log2(refined / finer) == pytest.approx(6, abs=0.2)
    if on_walls:
        assert max(coarsened, finest) < 1e-14  # the points coincide
    else:
        assert np.log2(coarsened / finest) == pytest.approx(6, abs=0.2)


@pytest.mark.parametrize("factor, divisor, shape", [(1, 2, (8, 16)), (2, 3, (11, 21))])
def test_coarser_grids_keep_smooth_fields(factor, divisor, shape):
    grid = box((16, 32), (WALLS, ENDS), on_walls=(True, False))
    resampling = Resampling(grid, factor, divisor)
    assert resampling.grid.shape == (round(15 * factor / divisor) + 1, shape[1])
    assert (resampling.grid.lower, resampling.grid.upper) == (grid.lower, grid.upper)
    x, y = points_of(grid)
    share = (x - grid.lower[0]) / (grid.upper[0] - grid.lower[0])
    angle = 2 * pi * (y - grid.lower[1]) / (grid.upper[1] - grid.lower[1])
    smooth = (share**5 - share * torch.cos(3 * angle))[None, None]  # exact for both kinds of axis
    coarse = resampling.refine(smooth)
    assert coarse.shape[2:] == resampling.grid.shape
    torch.testing.assert_close(resampling.coarsen(coarse), smooth, rtol=0, atol=1e-12)


def test_derivatives_and_single_precision_pass_through():
    grid = box((8, 7), (ENDS, WALLS))
    resampling = Resampling(grid, 2)
    u, tangent = torch.randn(2, 1, 1, 8, 7, generator=torch.Generator().manual_seed(0))
    with forward.dual_level():
        dual = resampling.coarsen(resampling.refine(forward.make_dual(u, tangent)) ** 2)
        found = forward.unpack_dual(dual).tangent
    exact = resampling.coarsen(2 * resampling.refine(u) * resampling.refine(tangent))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact)


@pytest.mark.parametrize("boundary, on_walls", [((ENDS, WALLS), False), ((WALLS, ENDS), True)])
def test_interpolation_at_positions_has_order_six(boundary, on_walls):
    generator = np.random.default_rng(0)
    errors = []
    on = tuple(on_walls and sides is WALLS for sides in boundary)
    for n in (48, 96, 192):
        grid = box((n, n + n // 2), boundary, on_walls=on)
        lower, upper = np.array(grid.lower), np.array(grid.upper)
        positions = lower + (upper - lower) * np.vstack(
            [generator.random((4000, 2)), [[0, 0], [1, 1], [0, 1], [0.5, 1]]]
        )
        indices, weights = interpolation_matrix(grid, positions)
        assert indices.shape == weights.shape == (4004, 36)
        found = (field(grid, (1, 1))[0].flatten()[indices] * weights).sum(-1)
        share = torch.from_numpy((positions - lower) / (upper - lower)).sum(1)
        error = (found - torch.sin(0.4 + 2 * pi * share)).abs()
        errors.append(float(error.median()))  # the fraction of points near walls shrinks with n
        assert error.max() < 3e-6  # twice 0.226 (2π/48)⁶ at the corners of cell centres
    for coarse, fine in zip(errors, errors[1:], strict=False):
        assert np.log2(coarse / fine) == pytest.approx(6, abs=0.2)


def test_interpolation_at_a_grid_point_takes_its_value():
    grid = box((5, 6), (WALLS, ENDS))
    values = torch.arange(30, dtype=torch.float64)
    positions = np.stack([x.flatten().numpy() for x in points_of(grid)], axis=1)
    indices, weights = interpolation_matrix(grid, positions)
    torch.testing.assert_close((values[indices] * weights).sum(-1), values)


@pytest.mark.parametrize("value", [float("nan"), 99.0, -99.0])
def test_positions_outside_are_named(value):
    grid = box((8, 9), (WALLS, ENDS))
    inside = [(low + high) / 2 for low, high in zip(grid.lower, grid.upper, strict=True)]
    with pytest.raises(ConfigError, match=rf"position 1 \(x={value:g}, y=.*outside.*x in \["):
        interpolation_matrix(grid, np.array([inside, [value, inside[1]]]))


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_start_that_jumps_at_a_wall_is_interpolated_from_its_inner_points(noise):
    grid = box((24, 28), ((0.0, 0.0), (ZERO_GRADIENT, 1.0)), on_walls=(True, True))
    resampling = Resampling(grid, 2)

    def start(grid: Grid) -> torch.Tensor:
        """``[2, 1, X, Y]``: zero on the walls of the first axis, in the limit or with a jump."""
        x, y = points_of(grid)
        share = (x - grid.lower[0]) / (grid.upper[0] - grid.lower[0])
        inner = torch.stack([torch.sin(pi * share), torch.cos(share + 0.3 * y)])[:, None]
        inner[..., [0, -1], :] = 0.0
        return inner

    exact, u = start(resampling.grid), start(grid)
    found = resampling.refine_start(u)
    assert (found - exact).abs().max() < 1e-6
    assert (resampling.refine(u) - exact)[1].abs().max() > 0.1
    assert torch.equal(found[0], resampling.refine(u)[0])  # an entry without a jump
    noisy = u + noise * torch.randn(u.shape, generator=torch.Generator().manual_seed(0)).double()
    assert torch.equal(resampling.refine_start(noisy)[0], resampling.refine(noisy)[0])
