"""Calibration with known per-simulation parameters and boundary values."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from phi.torch.flow import channel, math, spatial

from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.domain.grid import ZERO_GRADIENT, FieldLayout, Grid
from hybrid_pde.models.physical import AdvectionDiffusionPDE, BurgersPDE, DiffusionPDE
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.result_warnings import ResultWarning
from hybrid_pde.training.physical import PhysicalTrainer
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config
from tests.physics.walled_box import box, points_of

FD2 = {"scheme": "finite_difference", "order": 2, "substeps": 6}
DT, STEPS = 0.05, 6
LINE = periodic_grid((20,), (0.7,))
WALL = box((16,), ((0.0, ZERO_GRADIENT),))


class Simulations:
    """One window per simulation, with its known values among its fields.

    Args:
        frames: ``[N, T, C, *space]``.
        grid: Their grid.
        layout: Their layout.
        known: For each simulation PhiML tensors by name; a list for values that change in time.
    """

    dt = DT

    def __init__(
        self,
        frames: torch.Tensor,
        grid: Grid,
        layout: FieldLayout,
        known: list[Mapping[str, Any]],
    ) -> None:
        self.frames, self.grid, self.layout, self.known = frames, grid, layout, known

    def __iter__(self) -> Iterator[Any]:
        for frames, known in zip(self.frames, self.known, strict=True):
            with math.precision(64):
                first, *rest = (to_field(frame, self.grid, self.layout) for frame in frames)
            series = {name: v for name, v in known.items() if isinstance(v, list)}
            initial = {name: v[0] if name in series else v for name, v in known.items()}
            targets = {name: values[1:] for name, values in series.items()}
            yield {"u": first, **initial}, {"u": rest, **targets}


def simulate(
    model: PhysicalModel, start: torch.Tensor, grid: Grid, conditions: Conditions
) -> torch.Tensor:
    """Frames ``[N, T, C, *space]`` under the conditions of each simulation."""
    run = model.rollout({"u": start}, grid, STEPS, DT, conditions=conditions)
    return torch.stack([start, *(frame["u"] for frame in run)], dim=1).detach()


def calibrate(
    kind: type[PhysicalModel],
    name: str,
    guess: float,
    data: Simulations,
    given: Mapping[str, Any],
    method: str = "gauss-newton",
) -> float:
    parameters = [{"name": name, "initial_guess": guess}]
    config = physical_config(
        kind.spec.name, dict(given), parameters, FD2, method=method, check_discretization=False
    )
    trainer = PhysicalTrainer(config, kind(config), [torch.tensor(guess, dtype=torch.float64)])
    return trainer.train(data, 1)["parameters"][name]["value"]


def starts(grid: Grid, count: int) -> torch.Tensor:
    """Smooth states ``[N, 1, X]``, all different."""
    (x,) = coordinates(grid)
    k = 2 * np.pi / (grid.upper[0] - grid.lower[0])
    each = [0.3 * torch.sin(k * x + n) + 0.2 * torch.cos(2 * k * x - n) for n in range(count)]
    return torch.stack(each)[:, None]


@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B"])
def test_a_viscosity_of_each_simulation(method: str) -> None:
    viscosities = [0.01, 0.03, 0.09]
    truth = BurgersPDE(physical_config("BurgersPDE", {"viscosity": 1.0, "advection": 0.8}, [], FD2))
    conditions = Conditions({"viscosity": torch.tensor(viscosities, dtype=torch.float64)})
    frames = simulate(truth, starts(LINE, 3), LINE, conditions)
    layout = FieldLayout("u", ("x",))
    with math.precision(64):
        known = [{"viscosity": math.wrap(nu)} for nu in viscosities]
    data = Simulations(frames, LINE, layout, known)
    found = calibrate(BurgersPDE, "advection", 0.5, data, {"viscosity": 1.0}, method)
    assert found == pytest.approx(0.8, rel=1e-8 if method == "gauss-newton" else 1e-4)
    mean = Simulations(frames, LINE, layout, [{"viscosity": math.wrap(0.04)}] * 3)
    with pytest.warns(ResultWarning, match="residuals are correlated"):
        blind = calibrate(BurgersPDE, "advection", 0.5, mean, {"viscosity": 1.0}, method)
    assert abs(blind - 0.8) > 0.01, "the three viscosities differ, which affects the estimate"


def test_a_known_potential() -> None:
    (x,) = coordinates(LINE)
    potential = 0.2 * torch.cos(2 * np.pi * x / 0.7)
    given = {"viscosity": 1.0, "advection": 0.8}
    truth = BurgersPDE(physical_config("BurgersPDE", {**given, "viscosity": 0.02}, [], FD2))
    conditions = Conditions({"potential": torch.stack([potential, -potential])})
    frames = simulate(truth, starts(LINE, 2), LINE, conditions)
    with math.precision(64):
        fields = [math.reshaped_tensor(p, [spatial("x")]) for p in (potential, -potential)]
    known = [{"potential": each} for each in fields]
    layout = FieldLayout("u", ("x",))
    found = calibrate(
        BurgersPDE, "viscosity", 0.05, Simulations(frames, LINE, layout, known), {"advection": 0.8}
    )
    assert found == pytest.approx(0.02, rel=1e-8)
    without = Simulations(frames, LINE, layout, [{}, {}])
    with pytest.warns(ResultWarning, match=r"loss at the estimate|residuals are correlated"):
        blind = calibrate(BurgersPDE, "viscosity", 0.05, without, {"advection": 0.8})
    assert abs(blind - 0.02) > 1e-3


@pytest.mark.parametrize("method", ["gauss-newton", "L-BFGS-B"])
def test_a_boundary_value_that_changes_in_time(method: str) -> None:
    (x,) = points_of(WALL)
    values = torch.stack([torch.sin(3 * DT * torch.arange(7.0)), DT * torch.arange(7.0)]).double()
    truth = DiffusionPDE(physical_config("DiffusionPDE", {"diffusivity": 0.03}, [], FD2))
    start = torch.zeros(2, 1, 16, dtype=torch.float64)
    # Everything in the data has diffused in from the wall.
    frames = simulate(truth, start, WALL, Conditions({}, {"boundary.x.lower": values}))
    assert frames[:, -1].abs().max() > 0.1
    with math.precision(64):
        known = [{"boundary.x.lower": [math.wrap(float(v)) for v in row]} for row in values]
    data = Simulations(frames, WALL, FieldLayout("u"), known)
    found = calibrate(DiffusionPDE, "diffusivity", 0.1, data, {}, method)
    assert found == pytest.approx(0.03, rel=1e-8 if method == "gauss-newton" else 1e-3)


def test_a_velocity_of_each_simulation_keeps_its_axes() -> None:
    plane = periodic_grid((14, 10), (1.0, 1.3))
    x, y = coordinates(plane)
    start = torch.sin(2 * np.pi * x) + torch.cos(2 * np.pi * y / 1.3)
    velocities = torch.tensor([[0.6, -0.2], [0.1, 0.5]], dtype=torch.float64)
    numbers = {"diffusivity": 0.01, "velocity": [0.0, 0.0]}
    truth = AdvectionDiffusionPDE(physical_config("AdvectionDiffusionPDE", numbers, [], FD2))
    states = start.expand(2, 1, 14, 10)
    frames = simulate(truth, states, plane, Conditions({"velocity": velocities}))
    with math.precision(64):
        known = [{"velocity": math.reshaped_tensor(v, [channel(vector="x,y")])} for v in velocities]
    data = Simulations(frames, plane, FieldLayout("u"), known)
    found = calibrate(AdvectionDiffusionPDE, "diffusivity", 0.03, data, {"velocity": [0.0, 0.0]})
    assert found == pytest.approx(0.01, rel=1e-8)
