"""Cost of a calibration: time of one iteration, time of the whole, peak memory."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.calibration import cases, peers
from benchmarks.calibration.fit import fit
from benchmarks.calibration.memory_probe import STEPS
from benchmarks.calibration.targets import percent, say
from hybrid_pde.data.field_conversion import to_field
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector

SUBSTEPS = 5
DT = 0.01
_REPEATS = 5
_PEERS = 2  # trajectories that the slow method is timed on
_VISCOSITY: dict[str, Any] = {"name": "viscosity", "initial_guess": 0.02, "bounds": [1e-4, 1.0]}


def iteration(scratch: Path, data: Path) -> None:
    """One Gauss-Newton iteration against the same arithmetic written by hand in plain torch."""
    frames = torch.from_numpy(cases.burgers_set())
    objective = _objective(frames)
    z = objective.vector.read()

    def ours() -> float:
        objective._last = None
        return objective.linearize(z).loss

    dx = 1.0 / frames.shape[-1]
    compiled = peers.compiled_step(frames[:, 0], DT / SUBSTEPS, dx)

    def plain() -> peers.GaussNewtonTerms:
        return peers.plain_torch_burgers_iteration(frames, DT, 1.0, 0.02, SUBSTEPS)

    def traced() -> peers.GaussNewtonTerms:
        return peers.plain_torch_burgers_iteration(frames, DT, 1.0, 0.02, SUBSTEPS, compiled)

    seconds = _fastest([ours, plain, traced])
    say(
        "one Gauss-Newton iteration, 16 x 20 frames on 64², times as long as plain torch",
        seconds[0] / seconds[1],
        1.5,
        f"ours {seconds[0]:.2f} s, plain torch {seconds[1]:.2f} s, traced {seconds[2]:.2f} s",
        f"{torch.get_num_threads()} threads",
    )


def whole(scratch: Path, data: Path) -> None:
    """Calibration of 16 trajectories against L-BFGS-B on uncompiled PhiFlow for each."""
    velocity = cases.burgers_set()
    raw = scratch / "burgers"
    cases.write_burgers(raw / "burgers.nc", velocity)
    found = fit(
        raw,
        {"fields": ["velocity"], "domain": {"x": [0.0, 1.0], "y": [0.0, 1.0]}},
        {"name": "BurgersPDE"},
        {
            "train_sim": list(range(len(velocity))),
            "num_predict_steps": velocity.shape[1] - 1,
            "learnable_parameters": [_VISCOSITY],
            "check_discretization": False,
        },
    )
    estimates = [
        peers.unjitted_phiflow_lbfgs(torch.from_numpy(each), DT, 1.0, 0.02)
        for each in velocity[:_PEERS]
    ]
    theirs = np.mean([each.seconds for each in estimates]) * len(velocity)
    value = float(np.mean([each.viscosity for each in estimates]))
    say(
        "whole calibration of 16 trajectories, share of the time of L-BFGS-B on uncompiled PhiFlow",
        found.seconds / theirs,
        1 / 50,
        f"{theirs / found.seconds:.0f} times faster",
        f"ours {found.seconds:.1f} s, {percent(found.value('viscosity'), 0.01):.2g} % off "
        f"({found.scheme})",
        f"theirs {theirs:.0f} s ({_PEERS} of {len(velocity)} timed), {percent(value, 0.01):.2g} % "
        "off",
    )


def memory(scratch: Path, data: Path) -> None:
    """Peak memory of a linearization over 20 and over 2 000 steps."""
    peaks = [_peak(steps) for steps in STEPS]
    growth = 100 * (peaks[-1] / peaks[0] - 1)
    described = ", ".join(
        f"{steps} steps {peak:.0f} MiB" for steps, peak in zip(STEPS, peaks, strict=True)
    )
    say("growth of peak memory from 20 to 2 000 steps in %", growth, 10, described)


def _peak(steps: int) -> float:
    """Peak memory of a separate process [MiB]."""
    command = [sys.executable, "-m", "benchmarks.calibration.memory_probe", str(steps)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(finished.stdout)


def _objective(frames: torch.Tensor) -> Objective:
    points = frames.shape[-1]
    grid = Grid(
        ("x", "y"), (points,) * 2, (0.0, 0.0), (1.0, 1.0), ((PERIODIC,) * 2,) * 2, (False,) * 2
    )
    layout = FieldLayout("velocity", ("x", "y"))
    numerics = {"scheme": "finite_difference", "order": 4, "substeps": SUBSTEPS}
    model = BurgersPDE(
        {
            "run_params": {"model_type": "physical"},
            "model": {"physical": {"name": "BurgersPDE", "numerics": numerics}},
            "trainer_params": {"learnable_parameters": [_VISCOSITY]},
        }
    )
    samples = [
        (
            {"velocity": to_field(each[0], grid, layout)},
            {"velocity": [to_field(frame, grid, layout) for frame in each[1:]]},
        )
        for each in frames
    ]
    observations = Observations(samples, model)
    learnable = {"viscosity": model.experiment.trainer_params.physical.learnable_parameters[0]}
    return Objective(model, observations, ParameterVector(model, learnable, grid), DT)


def _fastest(functions: list[Callable[[], Any]]) -> list[float]:
    """Shortest time of each, measured in turn so that other load affects all alike."""
    for function in functions:
        function()
    seconds = [float("inf")] * len(functions)
    for _ in range(_REPEATS):
        for number, function in enumerate(functions):
            begin = time.perf_counter()
            function()
            seconds[number] = min(seconds[number], time.perf_counter() - begin)
    return seconds
