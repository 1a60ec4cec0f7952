"""Memory use of forward- and reverse-mode differentiation, measured by the operating system."""

import ctypes
import os
from pathlib import Path

import pytest
import torch

from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.models.physical.steps import Steps
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.observed_fields import observed_fields
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from tests.gradient.calibration_case import Windows
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

POINTS = 2**15  # a state takes a quarter of a megabyte, much more than anything else
LINE = periodic_grid((POINTS,), (0.05 * POINTS,))
FEW, MANY = 16, 144
BLOCKS = 48  # frames; from there, the blocks that are computed ahead have their full size
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
    return Objective(model, Observations(observed_fields(data, model.spec)), vector, dt)


@pytest.fixture
def peak(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Peak memory [bytes], sampled at the end of every segment of steps, where it is largest."""
    largest = [0.0]
    advance = Steps._advance

    def watched(*args, **kwargs):
        after = advance(*args, **kwargs)
        largest[0] = max(largest[0], in_use())
        return after

    monkeypatch.setattr(Steps, "_advance", watched)
    return largest


def in_use() -> float:
    return float(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Return free memory to the system, so that it does not count as in use."""
    ctypes.CDLL(None).malloc_trim(0)


def growth(mode: str, cases: list[tuple[int, int]], peak: list[float]) -> list[float]:
    """Memory that each case adds to the memory in use before the first one."""
    tasks = [objective(*case) for case in cases]
    evaluate = {"reverse": Objective.loss_and_gradient, "forward": Objective.linearize}[mode]
    evaluate(objective(1, 1), tasks[0].vector.start)  # loads what is needed only once
    give_back()
    before, taken = in_use(), []
    for task in tasks:
        give_back()
        peak[0] = 0.0
        evaluate(task, task.vector.start)
        taken.append(peak[0] - before)
    return taken


@pytest.mark.parametrize("cases", [[(FEW, 1), (MANY, 1)], [(1, FEW), (1, MANY)]])
def test_reverse_mode_memory_grows_with_the_root_of_the_steps(
    cases: list[tuple[int, int]], peak: list[float]
) -> None:
    few, many = growth("reverse", cases, peak)
    assert few > 4 * 8 * POINTS, "steps are stored for differentiation"
    # Nine times as many steps need three times the memory.
    assert many < 4.5 * few


@pytest.mark.parametrize("cases", [[(BLOCKS, 1), (MANY, 1)], [(1, BLOCKS), (1, MANY)]])
def test_forward_mode_memory_is_constant(cases: list[tuple[int, int]], peak: list[float]) -> None:
    few, many = growth("forward", cases, peak)
    # The allocator needs some more memory; stored states would add one for each of 96 more steps.
    assert many < few + 64 * 8 * POINTS
