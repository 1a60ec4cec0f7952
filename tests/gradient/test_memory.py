"""Memory of both modes of differentiation, as the system sees it."""

import ctypes
import os
from pathlib import Path

import pytest
import torch

from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.models.physical.stepper import Stepper
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from tests.gradient.calibration_case import Windows
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

POINTS = 2**15  # a state of a quarter of a megabyte: next to it, all else is small
LINE = periodic_grid((POINTS,), (0.05 * POINTS,))
FEW, MANY = 16, 144
STATM = Path("/proc/self/statm")

pytestmark = pytest.mark.skipif(not STATM.exists(), reason="needs /proc/self/statm of Linux")


def objective(num_frames: int, substeps: int) -> Objective:
    parameters = [{"name": "viscosity", "initial_guess": 0.05}]
    numerics = {"scheme": "finite_difference", "order": 2, "substeps": substeps}
    model = BurgersPDE(physical_config("BurgersPDE", {}, parameters, numerics))
    wave = 0.3 * torch.sin(2 * torch.pi * coordinates(LINE)[0] / LINE.upper[0])
    sizes = torch.linspace(1, 0.9, num_frames + 1, dtype=torch.float64)
    frames = (sizes[:, None] * wave)[:, None]
    dt = 5e-3 * substeps
    data = Windows(frames, LINE, num_frames, num_frames, dt)
    learnable = model.experiment.trainer_params.physical.learnable_parameters
    vector = ParameterVector(model, {each.name: each for each in learnable}, LINE)
    return Objective(model, Observations(data, model), vector, dt)


@pytest.fixture
def peak(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The most memory in use at the end of any stretch of steps, where it is largest [bytes]."""
    largest = [0.0]
    advance = Stepper._advance

    def watched(*args, **kwargs):
        after = advance(*args, **kwargs)
        largest[0] = max(largest[0], in_use())
        return after

    monkeypatch.setattr(Stepper, "_advance", watched)
    return largest


def in_use() -> float:
    return float(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Free memory to the system, which would else be counted as in use."""
    ctypes.CDLL(None).malloc_trim(0)


def growth(mode: str, cases: list[tuple[int, int]], peak: list[float]) -> list[float]:
    """Memory that each case takes beyond what was in use before the first."""
    tasks = [objective(*case) for case in cases]
    evaluate = {"reverse": Objective.loss_and_gradient, "forward": Objective.linearize}[mode]
    evaluate(objective(1, 1), tasks[0].vector.start)  # what is loaded once
    give_back()
    before, taken = in_use(), []
    for task in tasks:
        give_back()
        peak[0] = 0.0
        evaluate(task, task.vector.start)
        taken.append(peak[0] - before)
    return taken


@pytest.mark.parametrize("cases", [[(FEW, 1), (MANY, 1)], [(1, FEW), (1, MANY)]])
def test_reverse_mode_takes_the_root_of_the_steps(
    cases: list[tuple[int, int]], peak: list[float]
) -> None:
    few, many = growth("reverse", cases, peak)
    assert few > 4 * 8 * POINTS, "steps that are differentiated are kept"
    # Nine times as many steps: thrice the memory.
    assert many < 4.5 * few


@pytest.mark.parametrize("cases", [[(FEW, 1), (MANY, 1)], [(1, FEW), (1, MANY)]])
def test_forward_mode_takes_the_same(cases: list[tuple[int, int]], peak: list[float]) -> None:
    few, many = growth("forward", cases, peak)
    # The allocator takes some more; were states kept, it would be one for each of 128 more steps.
    assert many < few + 64 * 8 * POINTS
