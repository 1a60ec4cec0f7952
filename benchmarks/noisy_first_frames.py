"""Calibration with noise on every frame, the first included: time, memory and error bars.

    python -m benchmarks.noisy_first_frames [--points 64] [--frames 101] [--simulations 3]

Burgers' equation in two dimensions, random smooth initial states, the spectral scheme. The noise is
2 % of the standard deviation. For ``initial_state: known`` and ``estimate`` it prints the
estimates, how many ``uncertainty`` they are off, and the parts of the uncertainty.
"""

import argparse
import time
import warnings
from typing import Any

import torch

from benchmarks.environment import peak_memory
from hybrid_pde.data.observations.observed_simulation import ObservedSimulation
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.models import ModelRegistry
from hybrid_pde.training.physical import PhysicalTrainer
from hybrid_pde.training.physical.observation_window import ObservationWindow, ObservedData

_TRUTH = {"viscosity": 0.005, "advection": 1.0}
_GUESS = {"viscosity": 0.01, "advection": 0.8}
_NOISE, _DT, _STEPS, _WAVES = 0.02, 0.02, 8, 3


def experiment(initial_state: str) -> dict[str, Any]:
    """The experiment with these initial states."""
    learned = [{"name": name, "initial_guess": guess} for name, guess in _GUESS.items()]
    numerics = {"scheme": "spectral", "order": 4}
    return {
        "run_params": {"model_type": "physical"},
        "model": {"physical": {"name": "BurgersPDE", "numerics": numerics}},
        "trainer_params": {"learnable_parameters": learned, "initial_state": initial_state},
    }


def observed(points: int, num_frames: int, simulations: int) -> ObservedData:
    """Simulations with noise, in windows of eight steps."""
    model = ModelRegistry(experiment("known")).get_physical_model()
    model.precision = "double"
    ends = ((PERIODIC, PERIODIC),) * 2
    grid = Grid(("x", "y"), (points, points), (0.0, 0.0), (1.0, 1.0), ends, (False, False))
    lines = [2 * torch.pi * (torch.arange(points).double() + 0.5) / points] * 2
    x, y = torch.meshgrid(*lines, indexing="ij")
    random = torch.Generator().manual_seed(0)
    truth = {name: torch.tensor(value).double() for name, value in _TRUTH.items()}
    recordings, windows = [], []
    for number in range(simulations):
        state = torch.zeros(2, points, points, dtype=torch.float64)
        for kx in range(-_WAVES, _WAVES + 1):
            for ky in range(_WAVES + 1):
                for component in state:
                    size, phase = torch.randn(2, generator=random).double()
                    wave = torch.cos(kx * x + ky * y + 6 * phase)
                    component += 0.15 * size / (1 + kx**2 + ky**2) ** 0.5 * wave
        with torch.no_grad():
            frames = torch.stack([state, *model.rollout(state, grid, num_frames - 1, _DT, truth)])
        frames += _NOISE * frames.std() * torch.randn(frames.shape, generator=random).double()
        recordings.append(ObservedSimulation({"velocity": frames}, {}))
        windows += [
            ObservationWindow(number, range(first, first + _STEPS + 1), simulation=number)
            for first in range(0, num_frames - _STEPS, _STEPS)
        ]
    return ObservedData(grid, [FieldLayout("velocity", ("x", "y"))], recordings, windows, _DT)


def main() -> None:
    """Calibrate with known and with estimated initial states, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=64)
    parser.add_argument("--frames", type=int, default=101)
    parser.add_argument("--simulations", type=int, default=3)
    options = parser.parse_args()
    data = observed(options.points, options.frames, options.simulations)
    for initial_state in ("known", "estimate"):
        config, begun = experiment(initial_state), time.process_time()
        guesses = [torch.tensor(guess) for guess in _GUESS.values()]
        trainer = PhysicalTrainer(config, ModelRegistry(config).get_physical_model(), guesses)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = trainer.train(data, 1)
        peak = peak_memory() / 1e9
        seconds = time.process_time() - begun
        print(f"{initial_state}: {result['status']}, {seconds:.0f} CPU s, peak {peak:.2f} GB")
        for name, truth in _TRUTH.items():
            found = result["parameters"][name]
            off = (found["value"] - truth) / found["uncertainty"]
            parts = {n: f"{p:.2g}" for n, p in found["uncertainty_parts"].items() if p is not None}
            print(f"  {name} {found['value']:.7g}, off by {off:+.2f} uncertainty, {parts}")
        for message in result["warnings"]:
            print(f"  {message}")


if __name__ == "__main__":
    main()
