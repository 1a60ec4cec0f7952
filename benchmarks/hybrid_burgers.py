"""Hybrid training on Burgers' equation with an unknown force and half of the domain observed.

    python -m benchmarks.hybrid_burgers
    python -m benchmarks.hybrid_burgers --seeds 0 --parametrization fourier

u_t + u u_x = −φ_x with φ = sin(2πx/L), periodic, L = 100, 256 cells, no viscosity. There is one
training simulation of 50 steps of 0.1; its first frame is known, afterwards only its left half. φ
is a learnable potential. The benchmark compares

- the surrogate alone, trained on the observed values,
- the calibrated equation alone,
- both models in hybrid cycles,

by the mean relative L2 error of rollouts over the 50 steps of 5 simulations from other initial
states, and by the relative error of φ_x in the unobserved half. A seed decides initial states and
weights.
"""

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.schema import GaussianRandomField
from hybrid_pde.data.initial_states.random_fields import gaussian_random_state
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.numerics.discretization import Discretization
from hybrid_pde.stages.pipeline import run_experiment

LENGTH, CELLS, STEPS, DT = 100.0, 256, 50, 0.1
FINER = 4  # the data are cell means from a grid finer by this factor
UNSEEN = 5
INITIAL = GaussianRandomField(amplitude=0.5, length_scale=10.0)
LAYOUT = FieldLayout("velocity", ("x",))
PARAMETRIZATIONS: dict[str, dict[str, Any]] = {
    "grid": {"type": "grid", "smoothness": 1e-6},
    "fourier": {"type": "fourier", "modes": 4},
}
# one field of 256 grid values: a Gauss-Newton step takes as many rollouts
PHYSICAL: dict[str, Any] = {"max_iterations": 20, "abs_tol": 1e-3, "check_discretization": False}
ARCHITECTURE: dict[str, Any] = {"hidden_channels": 16, "layers": 3}
CYCLES, EPOCHS, BATCH, WINDOW, SIMULATIONS = 3, 80, 16, 5, 20
WEIGHT = 0.01


def line(cells: int) -> Grid:
    """The periodic domain."""
    return Grid(("x",), (cells,), (0.0,), (LENGTH,), (("periodic", "periodic"),), (False,))


def centres(cells: int) -> np.ndarray:
    """Centres of the cells [length]."""
    return (np.arange(cells) + 0.5) * LENGTH / cells


def force(x: np.ndarray) -> np.ndarray:
    """φ_x."""
    return 2 * np.pi / LENGTH * np.cos(2 * np.pi * x / LENGTH)


def write_data(folder: Path, seed: int) -> None:
    """Write the training simulation and the unseen ones, solved on a finer grid."""
    cells = FINER * CELLS
    config = {
        "run_params": {"model_type": "physical"},
        "model": {"physical": {"name": "BurgersPDE", "pde_params": {"viscosity": 0.0}}},
    }
    model = ModelRegistry(config).get_physical_model()
    model.discretization = Discretization.of("weno", None, 1)
    potential = torch.from_numpy(np.sin(2 * np.pi * centres(cells) / LENGTH))
    model.set_parameters({"potential": potential})
    for number in range(1 + UNSEEN):
        start = gaussian_random_state(line(cells), [LAYOUT], INITIAL, (seed, number))["velocity"]
        state = torch.from_numpy(start)[None]
        rollout = model.rollout(state, line(cells), STEPS, DT)
        frames = torch.cat([state, *rollout]).numpy()
        means = frames.reshape(STEPS + 1, 1, CELLS, FINER).mean(-1)
        write_raw_file(folder / f"{number}.nc", {"velocity": means}, line(CELLS), [LAYOUT], DT, {})


def epochs_of(kind: str) -> int:
    """Number of epochs that gives the surrogate alone as many updates as all cycles together.

    Alone it has one window, of all 50 steps; else windows of 5 steps, and as many generated ones.
    """
    updates = -(-2 * (STEPS + 1 - WINDOW) // BATCH)
    return EPOCHS if kind == "hybrid" else CYCLES * EPOCHS * updates


def experiment_of(root: Path, kind: str, parametrization: str, seed: int) -> dict[str, Any]:
    """The experiment on the data in ``root``."""
    specs = {"velocity": 1}
    return {
        "run_params": {"model_type": kind, "experiment_name": kind, "seed": seed},
        "project_root": str(root),
        "data": {
            "dset_name": "burgers",
            "fields": ["velocity"],
            "observations": {"region": {"x": [0.0, LENGTH / 2]}},
        },
        "model": {
            "physical": {
                "name": "BurgersPDE",
                "pde_params": {"viscosity": 0.0},
                "numerics": {"scheme": "weno"},
            },
            "synthetic": {
                "name": "ConvNet",
                "input_specs": specs,
                "output_specs": specs,
                "coordinates": 1,
                "architecture": ARCHITECTURE,
            },
        },
        "trainer_params": {
            "train_sim": [0],
            "test_sim": list(range(1, 1 + UNSEEN)),
            "physical": {
                "learnable_parameters": [
                    {
                        "name": "potential",
                        "initial_guess": 0.0,
                        "parametrization": PARAMETRIZATIONS[parametrization],
                        # a force says nothing of the level of its potential
                        "prior": {"mean": 0.0, "std": 1.0},
                    }
                ],
                **PHYSICAL,
            },
            "synthetic": {
                "epochs": epochs_of(kind),
                "batch_size": BATCH,
                "num_predict_steps": WINDOW,
                "learning_rate": 3e-3,
            },
        },
        "augmentation": {
            "num_simulations": SIMULATIONS,
            "alpha": 0.5,
            "initial_condition": INITIAL,
        },
        # The field explains the observed half exactly; predictions of the other compete with it.
        "hybrid": {
            "cycles": CYCLES if kind == "hybrid" else 1,
            "interaction_weight": WEIGHT,
            "revert_if_worse": False,
        },
    }


def force_errors(path: Path) -> dict[str, float]:
    """Relative L2 errors of φ_x in both halves, of a calibrated ``potential.nc``."""
    with xr.open_dataset(path) as dataset:
        potential = dataset["potential"].values
    found = (np.roll(potential, -1) - np.roll(potential, 1)) * CELLS / (2 * LENGTH)
    x = centres(CELLS)
    truth, seen = force(x), x < LENGTH / 2
    return {
        name: float(np.linalg.norm((found - truth)[half]) / np.linalg.norm(truth[half]))
        for name, half in (("seen", seen), ("hidden", ~seen))
    }


def run(root: Path, kind: str, parametrization: str, seed: int) -> dict[str, float]:
    """Relative L2 errors on the unseen simulations, and of the force, after each cycle."""
    begun = time.process_time()
    experiment = parse_experiment(experiment_of(root, kind, parametrization, seed))
    folder = run_experiment(experiment, root / "results", "benchmarks/hybrid_burgers.py")
    metrics = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    found = {
        f"{name} relative L2": metrics[name]["relative_l2"]
        for name in ("synthetic", "physical", "persistence")
        if name in metrics
    }
    for path in sorted(folder.rglob("potential.nc")):
        cycle = path.parents[1].name
        for half, error in force_errors(path).items():
            found[f"force, {half}{', ' + cycle if 'cycle' in cycle else ''}"] = error
    return {**found, "CPU [s]": time.process_time() - begun}


def table(rows: Mapping[str, list[dict[str, float]]]) -> str:
    """Mean over the seeds and the value of each, one line per figure."""
    lines = []
    for kind, results in rows.items():
        for name in results[0]:
            values = [result[name] for result in results]
            each = ", ".join(f"{value:.3g}" for value in values)
            lines.append(f"{kind:10s} {name:34s} {np.mean(values):8.3g}   ({each})")
    return "\n".join(lines)


def main() -> None:
    """Run the comparison and print it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--parametrization", choices=PARAMETRIZATIONS, default="grid")
    options.add_argument("--kinds", nargs="+", default=["synthetic", "physical", "hybrid"])
    arguments = options.parse_args()
    logging.basicConfig(level=logging.WARNING)
    rows: dict[str, list[dict[str, float]]] = {kind: [] for kind in arguments.kinds}
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data" / "burgers"
            data.mkdir(parents=True)
            write_data(data, seed)
            for kind in arguments.kinds:
                rows[kind].append(run(Path(folder), kind, arguments.parametrization, seed))
        print(table(rows), flush=True)


if __name__ == "__main__":
    main()
