"""Peak memory of a calibration, measured in a process of its own.

``python -m tests.gradient.calibration_peak POINTS FRAMES SCHEME`` calibrates the
Kuramoto-Sivashinsky equation on one simulation and prints the memory [bytes] that it took beyond
that of the imports.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import peak_memory
from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.training.physical.calibration_setup import (
    calibration_trainer,
    calibration_windows,
)
from tests.physics.periodic_box import coordinates, periodic_grid

NAME, LENGTH, DT = "KuramotoSivashinskyPDE", 32 * torch.pi, 0.4
STATUS = Path("/proc/self/status")
GUESSES = {"advection": 0.8, "second_order": 0.9, "fourth_order": 1.2}


def config(scheme: str) -> dict[str, Any]:
    """Three unknown parameters; ``auto`` compares all schemes."""
    numerics = {} if scheme == "auto" else {"scheme": scheme, "order": 2}
    learnable = [{"name": name, "initial_guess": guess} for name, guess in GUESSES.items()]
    return {
        "run_params": {"model_type": "physical"},
        "model": {"physical": {"name": NAME, "numerics": numerics}},
        "trainer_params": {
            "train_sim": [0],
            "num_predict_steps": 5,
            "physical": {"learnable_parameters": learnable},
        },
    }


def simulate(folder: Path, points: int, frames: int) -> CacheManager:
    """A cached simulation of the equation with its default parameters."""
    settings = config("spectral")
    settings["trainer_params"].pop("physical")
    model: PhysicalModel = ModelRegistry(settings).get_physical_model()
    grid = periodic_grid((points,), (LENGTH,))
    (x,) = coordinates(grid)
    start = (torch.cos(x / 16) * (1 + torch.sin(x / 16)))[None]
    model.precision = "double"
    states = torch.stack([start, *model.rollout(start, grid, frames - 1, DT)])
    store = CacheManager(folder)
    store.write(0, {"u": states.float()}, grid, DT, {})
    return store


def main(points: int, frames: int, scheme: str) -> None:
    """Calibrate and print the growth of the peak."""
    with tempfile.TemporaryDirectory() as folder:
        before = peak_memory()
        store = simulate(Path(folder), points, frames)
        experiment = parse_experiment(config(scheme))
        trainer = calibration_trainer(experiment)
        result = trainer.train(calibration_windows(experiment, store), 1)
        assert all(abs(each["value"] - 1) < 1e-3 for each in result["parameters"].values()), result
        print(peak_memory() - before)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
