"""Effect of each training option on a surrogate's rollouts.

    python -m benchmarks.training_options
    python -m benchmarks.training_options --epochs 5 --seeds 1     # a quick try

1D Burgers' equation on 128 periodic points, ν = 0.005, simulated by the project's solver: 4
training simulations of 50 steps, 8 others for rollouts from their first frame. Each row of the
table is the baseline with one option changed; the figures are the mean over seeds of the VRMSE over
50 steps, the standard deviation over seeds (of the initial weights and the order of the windows),
and the processor time of a training.
"""

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.evaluation.predictors import persistence
from hybrid_pde.evaluation.synthetic_predictor import SyntheticPredictor
from hybrid_pde.evaluation.validation import Validation
from hybrid_pde.stages.simulate import RawSimulations
from hybrid_pde.stages.surrogate_training import SurrogateFiles, SurrogateTraining

TRAINED_ON, ROLLED_OUT_ON = range(4), range(4, 12)
# changes from the baseline in `trainer_params` and in `model.synthetic`
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "baseline": ({}, {}),
    "curriculum: {first_steps: 1, share: 0.5}": (
        {"curriculum": {"first_steps": 1, "share": 0.5}},
        {},
    ),
    "pushforward: 2": ({"pushforward": 2}, {}),
    "input_noise: 0.1": ({"input_noise": 0.1}, {}),
    "bundle: 2": ({}, {"bundle": 2}),
    "num_predict_steps: 1": ({"num_predict_steps": 1}, {}),
    "scheduler: constant": ({"scheduler": "constant"}, {}),
    "scheduler: exponential": ({"scheduler": "exponential"}, {}),
    "scheduler: one_cycle": ({"scheduler": "one_cycle"}, {}),
}


def experiment_of(root: Path, epochs: int, seed: int, option: str) -> dict[str, Any]:
    """The experiment of one training."""
    training, model = OPTIONS[option]
    return {
        "run_params": {"experiment_name": "options", "model_type": "synthetic", "seed": seed},
        "project_root": str(root),
        "data": {"dset_name": "burgers_1d", "fields": ["velocity"]},
        "generation_params": {
            "num_simulations": len(TRAINED_ON) + len(ROLLED_OUT_ON),
            "steps": 50,
            "dt": 0.02,
            "resolution": {"x": 128},
            "parameters": {"viscosity": 0.005},
            "initial_condition": {
                "type": "gaussian_random_field",
                "amplitude": 0.5,
                "length_scale": 0.15,
            },
            "seed": 0,
        },
        "model": {
            "physical": {"name": "BurgersPDE"},
            "synthetic": {
                "name": "DilatedResNet",
                "input_specs": {"velocity": 1},
                "output_specs": {"velocity": 1},
                "architecture": {"hidden_channels": 16, "blocks": 1},
                **model,
            },
        },
        "trainer_params": {
            "train_sim": list(TRAINED_ON),
            "num_predict_steps": 4,
            "synthetic": {
                "epochs": epochs,
                "batch_size": 16,
                "learning_rate": 3e-3,
                "keep": "last",
                **training,
            },
        },
    }


def simulated(root: Path) -> DataManager:
    """The data set, cached."""
    experiment = parse_experiment(experiment_of(root, 1, 0, "baseline"))
    everything = [*TRAINED_ON, *ROLLED_OUT_ON]
    RawSimulations(experiment, experiment.raw_dir).make(everything)
    manager = DataManager(experiment.raw_dir, experiment.cache_root, experiment)
    manager.cache_shard(everything)
    return manager


def error_of(store: DataManager, mapping: dict[str, Any], folder: Path) -> tuple[float, float]:
    """VRMSE of the rollouts after a training, and its processor time [s]."""
    training = SurrogateTraining(parse_experiment(mapping), store)
    files = SurrogateFiles(folder / "model.pt", folder / "history.csv", folder, 1e9)
    start = time.process_time()
    training.run(files, {})
    seconds = time.process_time() - start
    held_out = Validation(store, ROLLED_OUT_ON, len(ROLLED_OUT_ON))
    with torch.no_grad():
        error = held_out.vrmse(SyntheticPredictor(training.model.eval()))
    assert error is not None  # the truth has a variance
    return error, seconds


def main() -> None:
    """Train with every option, and print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--epochs", type=int, default=60)
    options.add_argument("--seeds", type=int, default=3)
    arguments = options.parse_args()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        store = simulated(root)
        held_out = Validation(store, ROLLED_OUT_ON, len(ROLLED_OUT_ON))
        print(f"{arguments.epochs} epochs, {arguments.seeds} seeds", end="; ")
        print(f"persistence: VRMSE {held_out.vrmse(persistence):.3g}\n")
        print("| Option | VRMSE | ± | CPU s |\n| --- | --- | --- | --- |")
        for option in OPTIONS:
            mappings = [
                experiment_of(root, arguments.epochs, seed, option)
                for seed in range(arguments.seeds)
            ]
            found = [error_of(store, mapping, root / "training") for mapping in mappings]
            errors = [error for error, _ in found]
            spread = statistics.stdev(errors) if len(errors) > 1 else float("nan")
            seconds = statistics.mean(seconds for _, seconds in found)
            mean = statistics.mean(errors)
            print(f"| `{option}` | {mean:.4f} | {spread:.4f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
