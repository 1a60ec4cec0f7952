"""Time Snakemake takes to find that nothing is to be done for many simulations.

    python -m benchmarks.nothing_to_do [COUNT] [FOLDER]

Writes COUNT raw files (default 1 000) of a new data set and an experiment that generates as many
simulations, puts empty files in the place of all results, lets Snakemake accept them (``--touch``),
and times repeated calls.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

from hybrid_pde.config.derived import stages_trained
from hybrid_pde.domain.run_folders import Run
from hybrid_pde.workflow import stage_inputs
from hybrid_pde.workflow.plan import Plan

ROOT = Path(__file__).resolve().parents[1]
TARGET = "results/synthetic_model.pt"
CALLS = 3


def write_experiment(folder: Path, count: int) -> Path:
    """Write 1D raw files, and the experiment on them."""
    raw = folder / "data/many"
    raw.mkdir(parents=True, exist_ok=True)
    x = (np.arange(8) + 0.5) / 8
    for number in range(count):
        u = np.sin(2 * np.pi * (x + number / count)) * np.exp(-np.arange(5))[:, None]
        xr.Dataset(
            {"u": (("time", "x"), u.astype(np.float32))}, {"time": 0.1 * np.arange(5.0), "x": x}
        ).to_netcdf(raw / f"run_{number:06d}.nc")
    held_out = max(1, count // 20)
    experiment = {
        "data": {"dset_name": "many", "fields": ["u"]},
        "model": {
            "physical": {"name": "BurgersPDE"},
            "synthetic": {"name": "UNet", "input_specs": {"u": 1}, "output_specs": {"u": 1}},
        },
        "run_params": {"experiment_name": "many", "model_type": "hybrid"},
        "trainer_params": {
            "train_sim": list(range(count - 2 * held_out)),
            "val_sim": list(range(count - 2 * held_out, count - held_out)),
            "test_sim": list(range(count - held_out, count)),
            "num_predict_steps": 1,
            "physical": {"learnable_parameters": [{"name": "viscosity", "initial_guess": 0.02}]},
        },
        "augmentation": {"num_simulations": count},
    }
    path = folder / "config/many.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return path


def write_empty_results(folder: Path) -> int:
    """Write an empty file in the place of every output of the rules."""
    plan = Plan(Path("config/many.yaml"), claim=True)
    run = Run.parse(plan.name)
    files = {TARGET, f"{plan.results}/report.html"}
    files |= {f"{plan.results}/{stage}/history.csv" for stage in stages_trained(plan.experiment)}
    for stage in (stage_inputs.train_synthetic, stage_inputs.evaluate, stage_inputs.report):
        files |= {name for names in stage(plan, run).values() for name in names}
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return len(files)


def snakemake(folder: Path, *arguments: str) -> str:
    """Output of a Snakemake call on the experiment."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--profile", str(ROOT / "profiles/default"), "--cores", "1"]
    command += [*arguments, "--config", "experiment=many"]
    finished = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode:
        sys.exit(finished.stdout)
    return finished.stdout


def measure(folder: Path, count: int) -> list[float]:
    """Durations of calls with nothing to do [s]."""
    write_experiment(folder, count)
    os.chdir(folder)
    print(f"{write_empty_results(folder)} files of results")
    snakemake(folder, "--touch", TARGET)
    seconds = []
    for _ in range(CALLS):
        start = time.monotonic()
        assert "Nothing to be done" in snakemake(folder, TARGET)
        seconds.append(time.monotonic() - start)
    return seconds


def main(arguments: list[str]) -> None:
    """Measure and print the times."""
    count = int(arguments[0]) if arguments else 1000
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(arguments[1]).resolve() if len(arguments) > 1 else Path(scratch)
        seconds = measure(folder, count)
    calls = ", ".join(f"{each:.1f}" for each in seconds)
    print(f"nothing to do, {count} raw and {count} generated simulations: {calls} s")


if __name__ == "__main__":
    main(sys.argv[1:])
