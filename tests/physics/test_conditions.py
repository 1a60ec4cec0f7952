"""Per-simulation parameters and boundary values, constant or changing in time."""

from math import cos, exp, pi, sqrt

import numpy as np
import pytest
import torch
from phi.torch.flow import batch, channel, math

from hybrid_pde.data.field_conversion import BATCH, from_field, to_field
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.numerics.discretization import Discretization
from tests.physics.domains import points, walled_grid
from tests.physics.periodic_box import coordinates, periodic_grid
from tests.physics.rollouts import DIFFERENCES, LABEL, SPECTRAL, model_of, root_mean_square

KAPPA, LENGTH, OMEGA = 0.03, 0.7, 2 * pi


def stokes_layer(x: torch.Tensor, time: float) -> torch.Tensor:
    """U = Re e^{iωt} sinh(q(L − x))/sinh(qL), q = √(iω/κ), from cos ωt at 0 to 0 at L."""
    q = np.sqrt(1j * OMEGA / KAPPA)
    shape = np.sinh(q * (LENGTH - x.numpy())) / np.sinh(q * LENGTH)
    return torch.from_numpy((np.exp(1j * OMEGA * time) * shape).real)[None]


@pytest.mark.parametrize("nodes", [False, True], ids=["cells", "nodes"])
def test_oscillating_wall(nodes: bool) -> None:
    grid = walled_grid((40 + nodes,), (LENGTH,), 0.0, nodes)
    (x,) = points(grid)
    starts = (0.0, 0.15)  # two simulations with walls that oscillate with different phases
    model = model_of("DiffusionPDE", {"diffusivity": KAPPA}, DIFFERENCES[2])
    errors = []
    for steps in (16, 32):
        dt = 0.75 / steps
        walls = [[cos(OMEGA * (t + i * dt)) for i in range(steps + 1)] for t in starts]
        wall = torch.tensor(walls, dtype=torch.float64)
        start = torch.stack([stokes_layer(x, t) for t in starts])
        frames = model.rollout(
            start, grid, steps, dt, conditions=Conditions(series={"boundary.x.lower": wall})
        )
        *_, last = frames
        exact = torch.stack([stokes_layer(x, t + 0.75) for t in starts])
        assert (exact - start).abs().max() > 0.9
        if nodes:
            torch.testing.assert_close(last[:, 0, 0], wall[:, -1])
        errors.append(root_mean_square(last - exact))
    # Values are interpolated linearly in time: the error is of second order in the frame interval.
    assert abs(np.log2(errors[0] / errors[1]) - 2) < 0.2
    assert errors[1] < 2e-3


@pytest.mark.parametrize("nodes", [False, True], ids=["cells", "nodes"])
def test_boundary_value_of_each_simulation(nodes: bool) -> None:
    grid = walled_grid((12 + nodes, 8), (LENGTH, 1.3), {"x": 0.0, "y": "zero-gradient"}, nodes)
    x, _ = points(grid)
    lower = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    profile = lower[:, None, None, None] * (1 - x / LENGTH)
    model = model_of("DiffusionPDE", {"diffusivity": KAPPA})
    conditions = Conditions({"boundary.x.lower": lower})
    (frame,) = model.rollout(profile, grid, 1, 0.5, conditions=conditions)
    torch.testing.assert_close(frame, profile, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scheme", [DIFFERENCES[1], SPECTRAL], **LABEL)
def test_parameter_that_changes_in_time(scheme: Discretization) -> None:
    grid = periodic_grid((40,), (LENGTH,))
    k = 2 * pi / LENGTH
    start = torch.sin(k * coordinates(grid)[0])[None]
    rates = torch.tensor([[0.01, 0.02, 0.01], [0.0, 0.04, 0.0]], dtype=torch.float64)
    model = model_of("DiffusionPDE", {"diffusivity": 0.0}, scheme)
    *_, last = model.rollout(
        torch.stack([start, start]),
        grid,
        2,
        0.25,
        conditions=Conditions(series={"diffusivity": rates}),
    )
    for entry, integral in enumerate((0.0075, 0.01)):
        exact = exp(-(k**2) * integral) * start
        # The exponential integrator uses the mean over a step for values that change in time.
        assert (last[entry] - exact).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("AdvectionDiffusionPDE", SPECTRAL), ("BurgersPDE", DIFFERENCES[1])],
    **LABEL,
)
def test_constants_of_each_simulation_equal_single_runs(name: str, scheme: Discretization) -> None:
    grid = periodic_grid((16, 12), (0.7, 1.3))
    x, y = coordinates(grid)
    start = torch.sin(2 * pi * x / 0.7) + torch.cos(2 * pi * y / 1.3)
    others = {"viscosity": 0.0, "advection": 0.8}
    values = {"viscosity": torch.tensor([0.01, 0.02, 0.04], dtype=torch.float64)}
    state = torch.stack([start, 0.5 * start])
    if name == "AdvectionDiffusionPDE":
        state = start[None]
        others = {"diffusivity": 0.0, "velocity": 0.0}
        values = {
            "diffusivity": torch.tensor([0.01, 0.02, 0.04], dtype=torch.float64),
            "velocity": torch.tensor([[0.3, 0.1], [-0.2, 0.5], [0.0, 1.0]], dtype=torch.float64),
        }
    together = model_of(name, others, scheme, substeps=4)
    frames = list(
        together.rollout(state.repeat(3, 1, 1, 1), grid, 2, 0.05, conditions=Conditions(values))
    )
    assert (frames[-1][0] - frames[-1][2]).abs().max() > 0.05
    alone = model_of(name, others, scheme, substeps=4)
    for entry in range(3):
        alone.set_parameters({n: value[entry] for n, value in values.items()})
        for one, several in zip(alone.rollout(state, grid, 2, 0.05), frames, strict=True):
            torch.testing.assert_close(several[entry], one, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("scheme", "dims"), [(SPECTRAL, 1), (DIFFERENCES[1], 2)], **LABEL)
def test_one_number_per_simulation_for_all_axes(scheme: Discretization, dims: int) -> None:
    grid = periodic_grid((16, 12)[:dims], (0.7, 1.3)[:dims])
    start = torch.sin(2 * pi * coordinates(grid)[0] / 0.7)[None]
    speeds = torch.tensor([0.3, -0.6, 0.1], dtype=torch.float64)
    model = model_of("AdvectionDiffusionPDE", {"diffusivity": 0.01, "velocity": 0.0}, scheme)
    (frame,) = model.rollout(
        torch.stack([start] * 3), grid, 1, 0.05, conditions=Conditions({"velocity": speeds})
    )
    alone = model_of("AdvectionDiffusionPDE", {"diffusivity": 0.01, "velocity": 0.0}, scheme)
    for entry, speed in enumerate(speeds):
        alone.set_parameters({"velocity": speed})
        (expected,) = alone.rollout(start, grid, 1, 0.05)
        # In a batch, all simulations take the time step of the fastest one.
        torch.testing.assert_close(frame[entry], expected, rtol=0, atol=1e-4)


def test_field_of_each_simulation() -> None:
    grid = periodic_grid((20,), (LENGTH,))
    (x,) = coordinates(grid)
    start = torch.sin(2 * pi * x / LENGTH)[None]
    fields = torch.stack([0.02 + 0.01 * torch.cos(2 * pi * x / LENGTH), 0.03 + 0 * x])
    model = model_of("DiffusionPDE", {"diffusivity": 0.0}, substeps=20)
    conditions = Conditions({"diffusivity": fields})
    (frame,) = model.rollout(torch.stack([start, start]), grid, 1, 0.1, conditions=conditions)
    for entry in range(2):
        alone = model_of("DiffusionPDE", {"diffusivity": fields[entry]}, substeps=20)
        (expected,) = alone.rollout(start, grid, 1, 0.1)
        torch.testing.assert_close(frame[entry], expected, rtol=0, atol=1e-13)


def test_step_follows_a_parameter_that_grows_within_a_frame() -> None:
    grid = periodic_grid((32,), (LENGTH,))
    generator = torch.Generator().manual_seed(0)
    start = torch.randn((1, 1, 32), generator=generator, dtype=torch.float64)
    growing = torch.tensor([[1e-3, 1.0]], dtype=torch.float64)
    model = model_of("DiffusionPDE", {"diffusivity": 0.0})
    (frame,) = model.rollout(
        start, grid, 1, 0.1, conditions=Conditions(series={"diffusivity": growing})
    )
    assert frame.abs().max() <= start.abs().max()


def test_known_values_among_the_fields() -> None:
    grid = walled_grid((16,), (LENGTH,), {"x": {"lower": 0.0, "upper": "zero-gradient"}}, True)
    (x,) = points(grid)
    start = torch.stack([torch.zeros_like(x), sqrt(2) * x])[:, None]
    kappa = torch.tensor([0.02, 0.05], dtype=torch.float64)
    wall = torch.tensor([[0.0, 0.1, 0.4], [0.0, -0.2, -0.3]], dtype=torch.float64)
    model = model_of("DiffusionPDE", {"diffusivity": 0.01})
    conditions = Conditions({"diffusivity": kappa}, {"boundary.x.lower": wall})
    expected = list(model.rollout(start, grid, 2, 0.2, conditions=conditions))
    layout = FieldLayout("temperature")
    with math.precision(64):
        fields = {
            "temperature": to_field(start, grid, layout),
            "diffusivity": math.wrap(kappa, batch(BATCH)),
            "boundary.x.lower": [math.wrap(wall[:, i], batch(BATCH)) for i in range(3)],
        }
        with torch.no_grad():
            found = model.predict_trajectory(fields, 2, 0.2)
        assert list(found) == ["temperature"]
        for field, frame in zip(found["temperature"], expected, strict=True):
            torch.testing.assert_close(from_field(field, grid, layout), frame, rtol=0, atol=1e-13)


def test_known_vector_and_field_among_the_fields() -> None:
    grid = periodic_grid((12, 10), (0.7, 1.3))
    x, y = coordinates(grid)
    start = torch.sin(2 * pi * x / 0.7)[None]
    flow = torch.stack([torch.cos(2 * pi * y / 1.3), 0.1 + 0 * x])
    layout = FieldLayout("c")
    model = model_of("AdvectionDiffusionPDE", {"diffusivity": 0.01, "velocity": 0.0})
    for known, value in (
        (math.wrap([0.3, -0.2], channel(vector="x,y")), torch.tensor([0.3, -0.2])),
        (to_field(flow, grid, FieldLayout("velocity", ("x", "y"))), flow),
    ):
        with math.precision(64), torch.no_grad():
            fields = {"c": to_field(start, grid, layout), "velocity": known}
            (frame,) = model.predict_trajectory(fields, 1, 0.1)["c"]
            found = from_field(frame, grid, layout)
        alone = model_of("AdvectionDiffusionPDE", {"diffusivity": 0.01, "velocity": value})
        (expected,) = alone.rollout(start, grid, 1, 0.1)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)


def test_wrong_number_of_components_is_refused() -> None:
    grid = periodic_grid((16, 12), (0.7, 1.3))
    model = model_of("AdvectionDiffusionPDE", {"diffusivity": 0.01, "velocity": [1.0, 2.0, 3.0]})
    with pytest.raises(ConfigError, match="velocity: .* the data have 2 axes"):
        list(model.rollout(torch.zeros(1, 16, 12), grid, 1, 0.1))
