"""Resuming a pipeline that was killed while the surrogate was trained."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from hybrid_pde.domain.run_folders import Run
from hybrid_pde.workflow import stage_inputs
from hybrid_pde.workflow.plan import Plan
from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import command, run
from tests.workflow.tiny import settings_path
from workflow.scripts import train_synthetic

RESULTS = Path("results/burgers_2d")
MODEL = str(RESULTS / "synthetic_model.pt")
EPOCHS = 20
CORES = ("--cores", "1")  # gives the rule one thread, which is faster for such small grids


@pytest.fixture
def longer(copy_of_finished: Path) -> Path:
    """The finished pipeline with more epochs for the surrogate."""
    path = copy_of_finished / EXPERIMENT
    experiment = yaml.safe_load(path.read_text())
    experiment["trainer_params"]["synthetic"]["epochs"] = EPOCHS
    experiment["workflow"] = {"checkpoint_every_s": 0}
    path.write_text(yaml.safe_dump(experiment))
    return copy_of_finished


@pytest.fixture
def uninterrupted(longer: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    """The model from uninterrupted training, written next to the pipeline's results."""
    monkeypatch.chdir(longer)
    plan = Plan(Path(EXPERIMENT), claim=False)
    inputs = stage_inputs.train_synthetic(plan, Run.parse(plan.name))
    arguments = train_synthetic.parser().parse_args(
        [
            *("--settings", settings_path(longer, plan.settings("train_synthetic"))),
            *("--code", plan.code("train_synthetic")),
            *("--cache", *inputs["cache"]),
            *("--augmented", *inputs["augmented"]),
            *("--model", "reference/model.pt"),
            *("--history", "reference/history.csv"),
            *("--checkpoints", "reference/checkpoints"),
            *("--threads", "1"),
        ]
    )
    threads = torch.get_num_threads()
    train_synthetic.main(arguments)
    torch.set_num_threads(threads)
    yield Path("reference/model.pt").read_bytes()


def checkpoints(folder: Path) -> list[int]:
    """Modification times of all checkpoints."""
    found = (folder / RESULTS / "checkpoints").glob("*/*_*.pt")
    return [path.stat().st_mtime_ns for path in found]


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start Snakemake in its own process group, as a terminal does; wait for a new checkpoint."""
    before = checkpoints(folder)
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command(MODEL, *CORES),
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while checkpoints(folder) == before:
        assert process.poll() is None, (folder / "output.txt").read_text()
        assert time.monotonic() < deadline, (folder / "output.txt").read_text()
        time.sleep(0.005)
    return process


def resumed_from(folder: Path) -> tuple[int, int]:
    """Number of finished epochs and of finished batches of the next one."""
    log = (folder / RESULTS / "logs/train_synthetic.log").read_text()
    found = re.search(rf"going on after epoch (\d+) of {EPOCHS}(?:, batch (\d+))?\n", log)
    assert found, log
    assert f"epoch {found[1]} of {EPOCHS}:" not in log, "a finished epoch is not repeated"
    return int(found[1]), int(found[2] or 0)


def test_killed_training_resumes_from_the_last_checkpoint(
    longer: Path, uninterrupted: bytes
) -> None:
    killed = start(longer)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (longer / MODEL).exists(), "results are either complete or absent"
    locked = run(longer, MODEL, *CORES)
    assert locked.returncode != 0
    assert "--unlock" in locked.stdout
    assert run(longer, "--unlock", MODEL).returncode == 0

    interrupted = start(longer)
    os.killpg(interrupted.pid, signal.SIGINT)
    assert interrupted.wait(60) != 0
    assert not (longer / MODEL).exists()
    first = resumed_from(longer)

    again = run(longer, MODEL, *CORES)  # this time there is no lock left
    assert again.returncode == 0, again.stdout
    assert (0, 0) < first < resumed_from(longer) < (EPOCHS, 0)
    assert (longer / MODEL).read_bytes() == uninterrupted
    assert not list((longer / RESULTS / "checkpoints").glob("*/*_*.pt"))
    history = (longer / RESULTS / "synthetic/history.csv").read_text().splitlines()
    epochs = [line.partition(",")[0] for line in history[1:]]
    assert epochs == [str(number) for number in range(1, EPOCHS + 1)]
