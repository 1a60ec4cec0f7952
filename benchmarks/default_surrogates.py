"""Surrogates trained without options: ``python -m benchmarks.default_surrogates [NAMES]``.

Each problem is an experiment of some ten lines, without architecture and training options: 16
simulations to train on, 2 to validate, 4 to test. It is simulated, trained and evaluated here, on
one thread. Rollouts go from the first frame over all steps. ``--share 0.25`` trains with a quarter
of the optimizer steps.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.schema.models import SyntheticModelParams
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.evaluation.number_format import number
from hybrid_pde.models.surrogate_file import load_saved_model
from hybrid_pde.stages.evaluate import evaluate_models
from hybrid_pde.stages.simulate import RawSimulations
from hybrid_pde.stages.surrogate_training import SurrogateFiles, SurrogateTraining
from hybrid_pde.training.synthetic import automatic_settings

TRAIN, VALIDATE, TEST = range(16), range(16, 18), range(18, 22)
GAIN = 5  # times that a surrogate has to be better than persistence
SHARE_OF_TWO_CORES = 1.7  # CPU seconds that two cores take in a second of such a training
LIMIT = 300.0  # of a training on two idle cores [s]


@dataclass(frozen=True)
class Problem:
    """An equation with its data.

    Attributes:
        equation: Value of ``model.physical.name``.
        channels: Channels of each field.
        points: Points along each axis.
        box: Length of each axis.
        steps: Frames after the first.
        dt: Time between frames.
        parameters: True values.
        start: Section ``generation_params.initial_condition``.
        boundary: Section ``data.boundary``.
    """

    equation: str
    channels: dict[str, int]
    points: tuple[int, ...]
    box: tuple[float, ...]
    steps: int
    dt: float
    parameters: dict[str, Any]
    start: dict[str, Any]
    boundary: dict[str, Any] = field(default_factory=dict)

    def experiment(self, name: str, folder: Path, seed: int) -> dict[str, Any]:
        """The experiment as a mapping."""
        axes = "xyz"[: len(self.points)]
        return {
            "project_root": str(folder),
            "run_params": {"experiment_name": name, "model_type": "synthetic", "seed": seed},
            "data": {"dset_name": name, "fields": [*self.channels], **self._boundary()},
            "generation_params": {
                "equation": self.equation,
                "num_simulations": TEST.stop,
                "resolution": dict(zip(axes, self.points, strict=True)),
                "domain": {axis: [0.0, end] for axis, end in zip(axes, self.box, strict=True)},
                "steps": self.steps,
                "dt": self.dt,
                "parameters": self.parameters,
                "initial_condition": self.start,
            },
            "model": {
                "synthetic": {
                    "name": "UNet",
                    "input_specs": self.channels,
                    "output_specs": self.channels,
                }
            },
            "trainer_params": {
                "train_sim": [*TRAIN],
                "val_sim": [*VALIDATE],
                "test_sim": [*TEST],
            },
        }

    def _boundary(self) -> dict[str, Any]:
        return {"boundary": self.boundary} if self.boundary else {}


_TURBULENCE = Problem(
    "VorticityPDE",
    {"vorticity": 1},
    (64, 64),
    (6.283185307179586,) * 2,
    40,
    0.1,
    {"viscosity": 0.01},
    {"amplitude": 3.0, "length_scale": 0.8},
)
PROBLEMS = {
    "burgers_1d": Problem(
        "BurgersPDE",
        {"velocity": 1},
        (128,),
        (1.0,),
        50,
        0.01,
        {"viscosity": 0.005},
        {"amplitude": 0.7, "length_scale": 0.15},
    ),
    "allen_cahn": Problem(
        "AllenCahnPDE",
        {"u": 1},
        (128,),
        (2.0,),
        50,
        0.02,
        {"diffusivity": 1e-3, "reaction_rate": 5.0},
        {"amplitude": 0.5, "length_scale": 0.15},
    ),
    "fisher_kpp": Problem(
        "FisherKPPPDE",
        {"u": 1},
        (128,),
        (20.0,),
        40,
        0.1,
        {"diffusivity": 0.1, "growth_rate": 1.0},
        {"type": "bumps", "count": 3, "width": 1.0, "amplitude": 0.4},
    ),
    "korteweg_de_vries": Problem(
        "KortewegDeVriesPDE",
        {"u": 1},
        (128,),
        (2.0,),
        50,
        0.01,
        {"advection": 1.0, "dispersion": 4.84e-4},
        {"amplitude": 0.7, "length_scale": 0.3},
    ),
    "kuramoto_sivashinsky": Problem(
        "KuramotoSivashinskyPDE",
        {"u": 1},
        (128,),
        (64.0,),
        40,
        0.25,
        {"advection": 1.0, "second_order": 1.0, "fourth_order": 1.0},
        {"amplitude": 1.2, "length_scale": 3.0},
    ),
    "wave_1d": Problem(
        "WavePDE",
        {"u": 1, "v": 1},
        (128,),
        (1.0,),
        50,
        0.02,
        {"speed": 1.0},
        {"type": "bumps", "count": 2, "width": 0.1, "amplitude": {"u": 1.0}},
    ),
    "burgers_2d": Problem(
        "BurgersPDE",
        {"velocity": 2},
        (64, 64),
        (1.0, 1.0),
        40,
        0.01,
        {"viscosity": 0.01},
        {"amplitude": 0.7, "length_scale": 0.15},
    ),
    "advection_diffusion": Problem(
        "AdvectionDiffusionPDE",
        {"concentration": 1},
        (48, 48),
        (10.0, 10.0),
        24,
        0.2,
        {"diffusivity": 0.1, "velocity": [0.8, -0.4]},
        {"type": "bumps", "count": 3, "width": 0.8},
    ),
    "fitzhugh_nagumo": Problem(
        "FitzHughNagumoPDE",
        {"u": 1, "v": 1},
        (48, 48),
        (2.0, 2.0),
        40,
        0.1,
        {"diffusivity_u": 1e-3, "diffusivity_v": 5e-3, "threshold": 5e-3},
        {"amplitude": 1.0, "length_scale": 0.15},
        {"x": "zero-gradient", "y": "zero-gradient"},
    ),
    "gray_scott": Problem(
        "GrayScottPDE",
        {"a": 1, "b": 1},
        (48, 48),
        (1.0, 1.0),
        30,
        5.0,
        {"diffusivity_a": 2e-4, "diffusivity_b": 1e-4, "feed": 0.029, "kill": 0.057},
        {
            "type": "bumps",
            "count": 4,
            "width": 0.1,
            "amplitude": {"a": -0.5, "b": 0.4},
            "background": {"a": 1.0},
        },
    ),
    "shallow_water": Problem(
        "ShallowWaterPDE",
        {"height": 1, "velocity": 2},
        (64, 64),
        (10.0, 10.0),
        40,
        0.05,
        {"gravity": 9.81, "viscosity": 0.02, "drag": 0.1},
        {
            "type": "bumps",
            "count": 2,
            "width": 1.0,
            "amplitude": {"height": 0.1},
            "background": {"height": 1.0},
        },
    ),
    "vorticity": _TURBULENCE,
    "kolmogorov": replace(
        _TURBULENCE,
        parameters={"viscosity": 0.01, "drag": 0.1, "forcing": [1.0, 4.0]},
    ),
    "smoke_plume": Problem(
        "NavierStokesPDE",
        {"velocity": 2, "density": 1},
        (48, 64),
        (0.75, 1.0),
        40,
        0.05,
        {"viscosity": 2e-3, "diffusivity": 1e-3, "buoyancy": [0.0, 0.5]},
        {"type": "bumps", "count": 2, "width": 0.1, "amplitude": {"density": 1.0}},
    ),
}


def main() -> None:
    """Train and evaluate the problems, and print a row of a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAMES", help="problems; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="share of the default budget")
    parser.add_argument("--scratch", type=Path, help="folder for what is made, kept if named")
    asked = parser.parse_args()
    if unknown := {*asked.names} - {*PROBLEMS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PROBLEMS)}")
    torch.set_num_threads(1)
    automatic_settings.BUDGET *= asked.share
    automatic_settings.STEPS_WANTED *= asked.share
    automatic_settings.STEPS = range(60, round(automatic_settings.STEPS[-1] * asked.share) + 1)
    print(
        "| problem | VRMSE | persistence | gain | network | steps | chosen | CPU s | two cores s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        for name in asked.names or PROBLEMS:
            folder = (asked.scratch or Path(temporary)).absolute() / name
            print(_row(name, PROBLEMS[name], folder, asked.seed), flush=True)


def _row(name: str, problem: Problem, folder: Path, seed: int) -> str:
    """Errors of a surrogate and the time of its training."""
    experiment = parse_experiment(problem.experiment(name, folder, seed))
    RawSimulations(experiment, experiment.raw_dir).make(range(TEST.stop))
    store = DataManager.from_experiment(experiment)
    store.cache_shard(range(TEST.stop))
    since = time.process_time()
    training = SurrogateTraining(experiment, store)
    files = SurrogateFiles(folder / "model.pt", folder / "history.csv", folder / "checkpoints", 60)
    training.run(files, {})
    cpu = time.process_time() - since
    metrics = evaluate_models(experiment, store, files.model, None, folder / "evaluation").metrics
    found, persistence = metrics["synthetic"]["vrmse"], metrics["persistence"]["vrmse"]
    saved = load_saved_model(files.model).experiment
    settings, network = saved.trainer_params.synthetic, saved.model.synthetic
    steps = settings.epochs * settings.windows_per_epoch // settings.batch_size
    gain = 0.0 if found is None else persistence / found
    chosen = (
        f"batch {settings.batch_size}, rate {settings.learning_rate:g}, "
        f"{settings.num_predict_steps} ahead"
    )
    cells = [
        name,
        "not finite" if found is None else number(found, 2),
        number(persistence, 2),
        number(gain, 2) + ("" if gain >= GAIN else ", missed"),
        _network_cell(network),
        str(steps),
        chosen,
        f"{cpu:.0f}",
        f"{cpu / SHARE_OF_TWO_CORES:.0f}"
        + ("" if cpu / SHARE_OF_TWO_CORES <= LIMIT else ", missed"),
    ]
    return f"| {' | '.join(cells)} |"


def _network_cell(network: SyntheticModelParams | None) -> str:
    """The network's settings that the search has changed."""
    assert network is not None
    found = [f"{name} {value}" for name, value in network.architecture.items()]
    found += [f"{network.coordinates} harmonics"] if network.coordinates else []
    return ", ".join(found) or "default"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
