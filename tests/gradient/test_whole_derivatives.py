"""Loss and derivatives against an explicit loop, for everything that can be learned.

Burgers' equation with a potential, on a line of 16 points; two windows of four frames, of which
the second starts from the last frame of the first.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.data.observations.observed_simulation import ObservedSimulation
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_window import ObservationWindow, ObservedData
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.sensor_readings import Readings
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

POINTS, LENGTH, DT = 16, 0.7, 0.05
LINE = periodic_grid((POINTS,), (LENGTH,))
FD4 = {"scheme": "finite_difference", "order": 4, "substeps": 4}
NUMBERS = [
    {"name": "viscosity", "initial_guess": 0.04, "bounds": [1e-3, 1.0], "scale": "log"},
    {"name": "advection", "initial_guess": 0.7},
]
PRIOR = {"mean": 0.03, "std": 0.002}
GAUSSIANS = {
    "name": "potential",
    "parametrization": {"type": "gaussians", "count": 2, "background": 0.1},
    "initial_guess": {"amplitude": [0.1, -0.05], "centre": [0.2, 0.5], "width": 0.15},
}
GRID = {
    "name": "potential",
    "parametrization": {"type": "grid", "smoothness": 1e-3},
    "initial_guess": (0.1 + 0.02 * torch.sin(torch.arange(16.0))).tolist(),
}
# Times of readings since the window's start, in frames; the second one coincides with a frame.
READ_AT = (0.5, 2.0, 3.25)


@dataclass
class Case:
    """The learned quantities and the observations."""

    field: dict[str, Any] | None = None
    estimate: bool = False
    has_prior: bool = False
    is_masked: bool = False
    has_sensors: bool = False


CASES = {
    "numbers": Case(),
    "states": Case(estimate=True),
    "gaussians": Case(GAUSSIANS),
    "grid": Case(GRID),
    "prior": Case(has_prior=True),
    "points": Case(is_masked=True),
    "sensors": Case(has_sensors=True),
    "everything": Case(GAUSSIANS, True, True, True, True),
    "smooth states": Case(GRID, True, True, False, True),
}


class Source:
    """Two windows of nine arbitrary smooth frames, partly observed."""

    dt = DT

    def __init__(self, case: Case) -> None:
        self.case = case
        (x,) = coordinates(LINE)
        k = 2 * np.pi / LENGTH
        times = torch.arange(9).double()[:, None] * DT
        self.frames = 0.1 + 0.3 * torch.sin(k * (x - times)) + 0.1 * torch.cos(2 * k * x + times)
        self.seen = torch.rand(9, POINTS, generator=torch.Generator().manual_seed(0)) < 0.4

    def observed(self) -> ObservedData:
        """One recording; two where each window's initial state is given, not observed."""
        is_given = not self.case.estimate
        recordings = (
            [self.recorded(0, 5), self.recorded(4, 9)] if is_given else [self.recorded(0, 9)]
        )
        windows = [
            ObservationWindow(
                n if is_given else 0,
                range(5) if is_given else range(4 * n, 4 * n + 5),
                readings=self.readings(n),
                simulation=n,
            )
            for n in (0, 1)
        ]
        return ObservedData(LINE, [FieldLayout("u", ("x",))], recordings, windows, DT)

    def recorded(self, first: int, last: int) -> ObservedSimulation:
        seen = self.seen[first:last, None].clone()
        if not self.case.estimate:
            seen[0] = True
        masks = {"u": seen} if self.case.is_masked else {}
        return ObservedSimulation({"u": self.frames[first:last, None]}, masks)

    def readings(self, window: int) -> Readings | None:
        """Two sensors: one moves between neighbouring points, the other has no first reading."""
        if not self.case.has_sensors:
            return None
        times = torch.tensor(READ_AT, dtype=torch.float64) * DT
        indices = torch.tensor([[[2, 3], [9, 10]], [[3, 4], [9, 10]], [[5, 6], [9, 10]]])
        weights = torch.tensor([0.25, 0.75], dtype=torch.float64).expand(3, 2, 2)
        values = 0.1 * torch.arange(6, dtype=torch.float64).reshape(3, 2, 1) + 0.05 * window
        present = torch.ones(3, 2, 1, dtype=torch.bool)
        present[0, 1] = False
        return Readings(times, indices, weights, {"u": values * present}, {"u": present})


def objective_of(case: Case) -> tuple[Objective, Source]:
    parameters = [dict(each) for each in NUMBERS]
    if case.has_prior:
        parameters[0]["prior"] = PRIOR
    if case.field is not None:
        parameters.append(case.field)
    config = physical_config("BurgersPDE", {}, parameters, FD4)
    model = BurgersPDE(config)
    learnable = {p.name: p for p in model.experiment.trainer_params.physical.learnable_parameters}
    source = Source(case)
    observations = Observations(source.observed())
    vector = ParameterVector(model, learnable, LINE)
    objective = Objective(model, observations, vector, DT, case.estimate)
    objective.noise_variance = 2e-3
    return objective, source


def loss_by_hand(objective: Objective, source: Source, unknowns: np.ndarray) -> float:
    """|r|²/N from one unbatched rollout per window, with explicit weights."""
    case, size = source.case, len(objective.vector)
    scale = objective.observations.scale["u"]
    parameters = objective.vector.decode(torch.from_numpy(unknowns[:size]))
    seen = source.seen if case.is_masked else torch.ones_like(source.seen)
    total, num_values = 0.0, int(seen[1:].sum()) + (10 if case.has_sensors else 0)
    # With the initial states, nine frames are compared ten times but count as nine.
    weight = 9 / 10 if case.estimate else 1.0
    num_values += int(seen[0].sum()) if case.estimate else 0
    for window in (0, 1):
        start = source.frames[4 * window]
        if case.estimate:
            own = unknowns[size + window * POINTS : size + (window + 1) * POINTS]
            start = torch.from_numpy(own) * scale
            off = (start - source.frames[4 * window])[seen[4 * window]]
            total += weight * float((off**2).sum()) / scale**2
        times = sorted({1.0, 2.0, 3.0, 4.0, *(READ_AT if case.has_sensors else ())})
        intervals = (np.diff([0.0, *times]) * DT).tolist()
        states = objective.model.rollout(start[None], LINE, len(times), intervals, parameters)
        for time, state in zip(times, states, strict=True):
            if time == round(time):
                frame = 4 * window + round(time)
                off = (state[0] - source.frames[frame])[seen[frame]]
                total += weight * float((off**2).sum()) / scale**2
            if case.has_sensors and time in READ_AT:
                total += misread(source, window, READ_AT.index(time), state[0]) / scale**2
    theta = parameters["viscosity"]
    if case.has_prior:
        total += 2e-3 * float((theta - PRIOR["mean"]) / PRIOR["std"]) ** 2
    loss = total / num_values
    if case.field is GRID:
        kappa = parameters["potential"]
        guess = np.mean(np.abs(GRID["initial_guess"]))
        slope = (torch.roll(kappa, -1) - kappa) / LINE.spacing[0] * LENGTH / guess
        loss += 1e-3 * float((slope**2).mean())
    return loss


def misread(source: Source, window: int, number: int, state: torch.Tensor) -> float:
    readings = source.readings(window)
    assert readings is not None
    total = 0.0
    for sensor in (0, 1):
        if readings.present["u"][number, sensor]:
            left, right = readings.indices[number, sensor]
            read = 0.25 * state[left] + 0.75 * state[right]
            total += float(read - readings.values["u"][number, sensor, 0]) ** 2
    return total


@pytest.mark.parametrize("name", CASES)
def test_loss_and_derivatives(name: str) -> None:
    objective, source = objective_of(CASES[name])
    unknowns = objective.start.copy()
    generator = np.random.default_rng(0)
    unknowns[len(objective.vector) :] += 0.1 * generator.standard_normal(
        len(unknowns) - len(objective.vector)
    )
    at = objective.linearize(unknowns)
    loss, reverse = objective.loss_and_gradient(unknowns)
    expected = loss_by_hand(objective, source, unknowns)
    assert at.loss == pytest.approx(expected, rel=1e-10)
    assert loss == pytest.approx(expected, rel=1e-10)
    forward = 2 * at.jacobian.T @ at.residual / objective.num_values
    slopes = []
    for entry in range(len(unknowns)):
        step = 1e-5 * np.eye(len(unknowns))[entry]
        above, below = (loss_by_hand(objective, source, unknowns + sign * step) for sign in (1, -1))
        slopes.append((above - below) / 2e-5)
    scale = np.max(np.abs(slopes))
    np.testing.assert_allclose(forward, slopes, rtol=1e-5, atol=1e-8 * scale)
    np.testing.assert_allclose(reverse, slopes, rtol=1e-5, atol=1e-8 * scale)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_unknowns_in_batches_of_any_size(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """The number of tangents in a rollout affects only memory, not the results."""
    objective, _ = objective_of(CASES["everything"])
    at = objective.linearize(objective.start)
    other, _ = objective_of(CASES["everything"])
    monkeypatch.setattr(
        "hybrid_pde.training.physical.tangent_rollout.CHUNK_VALUES", rows * 2 * POINTS
    )
    split = other.linearize(other.start)
    product = at.jacobian.T @ at.jacobian
    np.testing.assert_allclose(
        split.jacobian.T @ split.jacobian, product, rtol=1e-9, atol=1e-12 * np.abs(product).max()
    )
    assert split.loss == pytest.approx(at.loss, rel=1e-12)
