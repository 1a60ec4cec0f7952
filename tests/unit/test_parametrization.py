"""Parametrizations of learned fields: closed forms, derivatives, labels, scales, errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares

from hybrid_pde.config.schema import FourierModes, Gaussians, GridValues, Parametrization
from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Grid, axis_points
from hybrid_pde.errors import ConfigError
from hybrid_pde.training.physical.fields.parametrization import (
    FieldParametrization,
    create_parametrization,
)

# unequal spacings and numbers of points; nodes on the boundary along x, cell centres along y
PLANE = Grid(
    ("x", "y"), (25, 18), (-3.0, -1.0), (3.0, 2.0), ((0.0, 0.0), (ZERO_GRADIENT, 1.0)),
    (True, False),
)  # fmt: skip
# periodic along x only
CHANNEL = Grid(
    ("x", "y"), (12, 9), (1.0, 0.0), (4.0, 0.5), ((PERIODIC, PERIODIC), (0.0, 0.0)), (False, True)
)  # fmt: skip
TWO = {"amplitude": [3.0, 2.5], "centre": [[1.0, 1.0], [-2.0, 0.3]]}


def made(section: Parametrization, guess: Any, grid: Grid = PLANE) -> FieldParametrization:
    return create_parametrization(section, grid, guess, "diffusivity")


def at_start(field: FieldParametrization) -> np.ndarray:
    return field.values(torch.from_numpy(field.start)).numpy()


def points(grid: Grid) -> list[np.ndarray]:
    return np.meshgrid(*axis_points(grid).values(), indexing="ij")


def line(points_: int, periodic: bool = True, length: float = 2.0) -> Grid:
    side = PERIODIC if periodic else ZERO_GRADIENT
    return Grid(("x",), (points_,), (0.5,), (0.5 + length,), ((side, side),), (False,))


def test_points_lie_on_the_ends_or_half_a_cell_inside() -> None:
    along = axis_points(PLANE)
    assert along["x"][[0, 1, -1]] == pytest.approx([-3.0, -2.75, 3.0])
    assert along["y"][[0, 1, -1]] == pytest.approx([-1 + 1 / 12, -1 + 3 / 12, 2 - 1 / 12])


def test_gaussians_agree_with_their_formula() -> None:
    field = made(Gaussians(count=2, background=0.1, width=1.5), TWO)
    x, y = points(PLANE)
    expected = (
        0.1
        + 3.0 * np.exp(-((x - 1) ** 2 + (y - 1) ** 2) / 1.5**2)
        + 2.5 * np.exp(-((x + 2) ** 2 + (y - 0.3) ** 2) / 1.5**2)
    )
    assert at_start(field) == pytest.approx(expected, abs=1e-14)


def test_gaussians_are_cut_and_then_have_no_derivative() -> None:
    section = Gaussians(count=2, background=0.1, width=1.0, clip=(0.0, 2.5))
    field = made(section, TWO)
    uncut = made(Gaussians(count=2, background=0.1, width=1.0), TWO)
    cut = at_start(uncut) > 2.5
    assert 3 < cut.sum() < 100
    assert at_start(field) == pytest.approx(np.minimum(at_start(uncut), 2.5), abs=1e-14)
    jacobian = torch.func.jacrev(field.values)(torch.from_numpy(field.start)).numpy()
    assert (jacobian[cut] == 0).all()
    assert (jacobian[~cut] != 0).any(axis=-1).all()


def test_numbers_of_gaussians_are_named_scaled_and_bounded() -> None:
    field = made(Gaussians(count=2), {"amplitude": [3.0, 0.0], "width": 0.7, **{"centre": None}})
    assert field.labels == [
        "diffusivity.amplitude[0]", "diffusivity.amplitude[1]",
        "diffusivity.centre[0].x", "diffusivity.centre[0].y",
        "diffusivity.centre[1].x", "diffusivity.centre[1].y",
        "diffusivity.width[0]", "diffusivity.width[1]",
    ]  # fmt: skip
    assert field.start[[0, 1, 6, 7]] == pytest.approx([3.0, 0.0, 0.7, 0.7])
    # centres are scaled by the domain's lengths, a zero amplitude by the mean of all amplitudes
    assert field.scale == pytest.approx([3.0, 1.5, 6.0, 3.0, 6.0, 3.0, 0.7, 0.7])
    half_spacing = 3 / 18 / 2
    assert field.lower == pytest.approx([-np.inf] * 2 + [-3, -1, -3, -1] + [half_spacing] * 2)
    assert field.upper == pytest.approx([np.inf] * 2 + [3, 2, 3, 2] + [np.inf] * 2)


def test_default_gaussians_are_spread_over_the_domain() -> None:
    field = made(Gaussians(count=5), None)
    assert field.start[:5].tolist() == [1.0] * 5
    centres = field.start[5:15].reshape(5, 2)
    assert (centres > [-3, -1]).all() and (centres < [3, 2]).all()
    for axis in range(2):
        assert np.diff(np.sort(centres[:, axis])).min() > 0.05
    assert field.start[15:] == pytest.approx(3 / 4)
    assert made(Gaussians(), {}).start == pytest.approx([1.0, 0.0, 0.5, 0.75])


def test_gaussians_wrap_around_periodic_axes_only() -> None:
    section, near_end = Gaussians(width=0.4), [3.8, 0.4]
    field = made(section, {"centre": [near_end]}, CHANNEL)
    x, y = points(CHANNEL)
    images = sum(np.exp(-((x - 3.8 + 3 * n) ** 2 + (y - 0.4) ** 2) / 0.4**2) for n in (-1, 0, 1))
    # only the nearest image is included; the others are below exp(-(1.5/0.4)²)
    assert at_start(field) == pytest.approx(images, abs=2e-6)
    assert field.lower.tolist() == [-np.inf, -np.inf, 0.0]
    assert field.upper.tolist() == [np.inf, np.inf, 0.5]
    around = torch.tensor([1.0, 3.8 - 6.0, 0.4], dtype=torch.float64)
    assert field.values(around).numpy() == pytest.approx(at_start(field), abs=1e-12)
    assert field.describe(around)["centre"] == [pytest.approx([3.8, 0.4])]


def test_description_of_gaussians_has_the_fixed_width_too() -> None:
    field = made(Gaussians(count=2, background=0.1, width=1.5), TWO)
    assert field.describe(torch.from_numpy(field.start)) == {
        "background": 0.1,
        "amplitude": [3.0, 2.5],
        "centre": [[1.0, 1.0], [-2.0, 0.3]],
        "width": [1.5, 1.5],
    }


@pytest.mark.parametrize(
    ("section", "guess", "grid"),
    [
        (Gaussians(count=2, background=0.1), TWO, PLANE),
        (Gaussians(count=2, width=0.7, clip=(None, 2.0)), TWO, PLANE),
        (Gaussians(count=2), None, CHANNEL),
        (FourierModes(modes=3), 0.4, CHANNEL),
        (GridValues(), 0.4, CHANNEL),
    ],
)
def test_both_modes_of_differentiation_agree_with_central_differences(
    section: Parametrization, guess: Any, grid: Grid
) -> None:
    field = made(section, guess, grid)
    generator = np.random.default_rng(2)
    theta = torch.from_numpy(field.start + 0.01 * generator.standard_normal(field.start.shape))
    functions: list[Callable[[torch.Tensor], torch.Tensor]] = [field.values]
    if field.penalty(theta) is not None:
        functions.append(lambda theta: field.penalty(theta))  # type: ignore[arg-type,return-value]
    for function in functions:
        forward = torch.func.jacfwd(function)(theta)
        assert forward.shape == (*function(theta).shape, len(theta))
        assert torch.func.jacrev(function)(theta).numpy() == pytest.approx(forward.numpy())
        step = 1e-5
        for entry in range(0, len(theta), max(1, len(theta) // 9)):
            unit = torch.zeros_like(theta)
            unit[entry] = step
            slope = (function(theta + unit) - function(theta - unit)) / (2 * step)
            # central differences: step² times third derivatives of up to 1e3, and rounding
            assert forward[..., entry].numpy() == pytest.approx(slope.numpy(), abs=1e-7, rel=1e-6)


def test_gaussians_are_recovered_from_a_poor_guess() -> None:
    field = made(Gaussians(count=2, background=0.1), None)
    truth = np.array([3.0, 2.5, 1.0, 1.0, -2.0, 0.3, 1.2, 0.8])
    target = field.values(torch.from_numpy(truth))

    def residual(theta: torch.Tensor) -> torch.Tensor:
        return (field.values(theta) - target).reshape(-1)

    found = least_squares(
        lambda theta: residual(torch.from_numpy(theta)).numpy(),
        field.start,
        lambda theta: torch.func.jacfwd(residual)(torch.from_numpy(theta)).numpy(),
        bounds=(field.lower, field.upper),
        x_scale=field.scale,
    )
    swapped = truth[[1, 0, 4, 5, 2, 3, 7, 6]]
    assert min(abs(found.x - truth).max(), abs(found.x - swapped).max()) < 1e-6


def test_grid_values_are_the_field() -> None:
    field = made(GridValues(), 0.4)
    assert (at_start(field) == 0.4).all() and at_start(field).shape == PLANE.shape
    assert field.labels[18 + 4] == "diffusivity[1,4]" and len(field.labels) == 25 * 18
    given = np.arange(25 * 18).reshape(25, 18) - 3.0
    nested = made(GridValues(), given.tolist())
    assert (at_start(nested) == given).all()
    mean = np.abs(given).mean()
    assert nested.scale[[0, 2, 3, 5]] == pytest.approx([3.0, 1.0, mean, 2.0])
    described = nested.describe(torch.from_numpy(nested.start))
    assert described == {"minimum": -3.0, "maximum": 446.0, "mean": pytest.approx(given.mean())}


def test_roughness_of_a_straight_field_is_the_square_of_its_slope() -> None:
    """For κ₀ (1 + a x + b y): smoothness · ((a L_x)² + (b L_y)²) on every grid."""
    x, y = points(PLANE)
    field = made(GridValues(smoothness=0.01), 0.4)
    straight = torch.from_numpy(0.4 * (1 + 0.2 * x - 0.3 * y).reshape(-1))
    residuals = field.penalty(straight)
    assert residuals is not None and residuals.shape == (24 * 18 + 25 * 17,)
    expected = 0.01 * ((0.2 * 6) ** 2 + (0.3 * 3) ** 2)
    assert float((residuals**2).sum()) == pytest.approx(expected, rel=1e-12)
    flat = field.penalty(torch.from_numpy(field.start))
    assert flat is not None and float(flat.abs().max()) == 0


def test_roughness_stays_as_the_grid_is_refined() -> None:
    """For κ₀ (1 + a sin kx), k = 2π/L, it tends to smoothness · (2π a)²/2 with order dx²."""
    errors = []
    for size in (16, 32, 64):
        grid = line(size)
        wave = 0.3 * (1 + 0.5 * np.sin(np.pi * (axis_points(grid)["x"] - 0.5)))
        residuals = made(GridValues(smoothness=0.01), 0.3, grid).penalty(torch.from_numpy(wave))
        assert (
            residuals is not None and len(residuals) == size
        )  # the last point's neighbour is the first
        errors.append(abs(float((residuals**2).sum()) - 0.01 * (2 * np.pi * 0.5) ** 2 / 2))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.2)


def test_only_grid_values_with_a_weight_are_penalized() -> None:
    for section in (GridValues(smoothness=0.0), FourierModes(modes=2)):
        field = made(section, 0.4)
        assert field.penalty(torch.from_numpy(field.start)) is None
    gaussians = made(Gaussians(), None)
    assert gaussians.penalty(torch.from_numpy(gaussians.start)) is None


def test_modes_are_waves_along_a_periodic_axis_and_cosines_along_another() -> None:
    field = made(FourierModes(modes=3), 0.4, CHANNEL)
    assert len(field.labels) == 7 * 4
    assert field.labels[0] == "diffusivity.mode[0,0]"
    theta = torch.from_numpy(field.start.copy())
    theta[field.labels.index("diffusivity.mode[sin2,cos3]")] = 0.3
    theta[field.labels.index("diffusivity.mode[cos1,0]")] = -0.2
    x, y = points(CHANNEL)
    phase = 2 * np.pi * (x - 1) / 3
    expected = 0.4 + 0.3 * np.sin(2 * phase) * np.cos(3 * np.pi * y / 0.5) - 0.2 * np.cos(phase)
    assert field.values(theta).numpy() == pytest.approx(expected, abs=1e-14)
    assert (at_start(field) == 0.4).all()
    modes = field.describe(theta)["modes"]
    assert (modes["sin2,cos3"], modes["cos1,0"], modes["0,0"]) == (0.3, -0.2, 0.4)
    assert (field.scale == 0.4).all() and np.isinf(field.lower).all()
    assert (made(FourierModes(modes=3), 0.0, CHANNEL).scale == 1.0).all()


@pytest.mark.parametrize(
    ("grid", "modes", "numbers"),
    [(line(9), 4, 9), (line(8), 3, 7), (line(9, periodic=False), 8, 9)],
)
def test_modes_resolved_by_the_grid_are_independent(grid: Grid, modes: int, numbers: int) -> None:
    field = made(FourierModes(modes=modes), 1.0, grid)
    matrix = torch.func.jacfwd(field.values)(torch.from_numpy(field.start)).numpy()
    assert matrix.shape == (*grid.shape, numbers)
    assert np.linalg.cond(matrix) < 2
    message = rf"parametrization.modes: {modes + 1}: the {grid.shape[0]} points along x"
    with pytest.raises(ConfigError, match=message):
        made(FourierModes(modes=modes + 1), 1.0, grid)


def test_three_dimensions() -> None:
    grid = Grid(
        ("x", "y", "z"), (6, 5, 7), (0.0,) * 3, (1.0, 2.0, 3.0), ((PERIODIC, PERIODIC),) * 3,
        (False,) * 3,
    )  # fmt: skip
    x, y, z = points(grid)
    centre = {"centre": [[0.5, 1.0, 1.5]], "amplitude": 2}
    expected = 2 * np.exp(-((x - 0.5) ** 2 + (y - 1) ** 2 + (z - 1.5) ** 2) / 0.6**2)
    assert at_start(made(Gaussians(width=0.6), centre, grid)) == pytest.approx(expected, abs=1e-14)
    field = made(FourierModes(modes=1), 0.0, grid)
    theta = torch.zeros(27, dtype=torch.float64)
    theta[field.labels.index("diffusivity.mode[cos1,0,sin1]")] = 1.0
    wave = np.cos(2 * np.pi * x) * np.sin(2 * np.pi * z / 3)
    assert field.values(theta).numpy() == pytest.approx(wave, abs=1e-14)
    assert made(Gaussians(count=4), None, grid).start.shape == (4 * 5,)


def test_numbers_written_as_strings_are_numbers() -> None:
    field = made(Gaussians(), {"amplitude": ["1e-3"], "centre": [["1", "5e-1"]], "width": "2e0"})
    assert field.start == pytest.approx([1e-3, 1.0, 0.5, 2.0])


def test_along_a_line_a_centre_is_a_number() -> None:
    field = made(Gaussians(count=2), {"centre": [0.7, 1.9]}, line(20))
    assert field.start[2:4].tolist() == [0.7, 1.9]


@pytest.mark.parametrize(
    ("section", "guess", "message"),
    [
        (Gaussians(), 0.5, r"diffusivity.initial_guess: 0.5: a mapping of amplitude, centre"),
        (Gaussians(), {"center": [[0, 0]]}, r"'center' is unknown; did you mean 'centre'\?"),
        (Gaussians(count=2), {"amplitude": [1.0]}, r"initial_guess.amplitude: \[1.0\]: .* of 2"),
        (Gaussians(count=2), {"width": [1, 2, 3]}, r"initial_guess.width: .* of 2"),
        (Gaussians(), {"amplitude": "big"}, r"initial_guess.amplitude: 'big'"),
        (Gaussians(), {"amplitude": [float("nan")]}, r"initial_guess.amplitude: \[nan\]"),
        (Gaussians(), {"centre": [[0.0, 0.0, 0.0]]}, r"centre: .*1 point\(s\) \[x, y\]"),
        (Gaussians(), {"centre": [[0, 0], [1]]}, r"initial_guess.centre: \[\[0, 0\], \[1\]\]"),
        (
            Gaussians(count=2),
            {"centre": [[0.0, 0.0], [0.0, 2.5]]},
            r"initial_guess.centre\[1\]: \[0.0, 2.5\]: outside the domain x: \[-3, 3\], y: \[-1, 2",
        ),
        (Gaussians(width=1.0), {"width": 2.0}, r"parametrization.width fixes it at 1"),
        (Gaussians(), {"width": 0.0}, r"initial_guess.width: 0.0: .* at least 0.08333"),
        (Gaussians(width=0.05), None, r"parametrization.width: 0.05: .*does not resolve"),
        (
            Gaussians(count=2),
            {"centre": [[0, 0], [0, 0]]},
            r"two Gaussians have the same initial guess",
        ),
        (Gaussians(clip=(2.0, 1.0)), None, r"parametrization.clip: \[2.0, 1.0\]: must be"),
        (Gaussians(clip=(1.5, None)), None, r"parametrization.clip: .*outside everywhere"),
        (GridValues(), [1.0, 2.0], r"initial_guess: \[1.0, 2.0\]: .*shape \[25, 18\]"),
        (GridValues(), None, r"diffusivity.initial_guess: None: a number, or nested lists"),
        (GridValues(), {"amplitude": 1.0}, r"diffusivity.initial_guess: .*: a number, or nested"),
        (FourierModes(), [1.0, 2.0], r"initial_guess: \[1.0, 2.0\]: not a number, the constant"),
        (FourierModes(modes=18), 1.0, r"modes: 18: the 18 points along y resolve at most 17 modes"),
    ],
)
def test_invalid_parametrizations_are_rejected(
    section: Parametrization, guess: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        made(section, guess)
