"""The tiny pipeline through ``profiles/slurm``, on the cluster that ``cluster.py`` starts."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hybrid_pde.workflow.live_processes import cancel_slurm_jobs
from tests.slurm.cluster import NODES
from tests.workflow.snakemake_run import TARGET, command
from tests.workflow.tiny import ROOT, tiny_experiment, write_experiment

pytestmark = pytest.mark.slurm

RESULTS = Path("results/burgers_2d")
MODEL = RESULTS / "synthetic_model.pt"
EPOCHS = 40
BATCH = 4
TIMEOUT_S = 600.0
HERE = (  # options that this cluster needs in addition to the profile
    "--slurm-no-account",
    *("--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "10"),
    "--slurm-keep-successful-logs",
    *("--max-threads", "1"),
)


def write(folder: Path, **synthetic: int) -> Path:
    """Write the experiment with other settings for training the surrogate."""
    training = tiny_experiment()["trainer_params"]
    training["synthetic"] |= {"epochs": EPOCHS, "batch_size": BATCH, **synthetic}
    write_experiment(folder / "config/burgers_2d.yaml", trainer_params=training)
    return folder


def start(folder: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command in the folder; its output goes to the file ``output``."""
    with open(folder / "output", "wb") as output:
        return subprocess.Popen(
            arguments,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def start_on_slurm(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    profile = ("--workflow-profile", str(ROOT / "profiles/slurm"))
    snakefile = ("--snakefile", str(ROOT / "Snakefile"))
    python = (sys.executable, "-m", "snakemake")
    return start(folder, [*python, *snakefile, *profile, *HERE, *arguments])


def finish(process: subprocess.Popen[bytes], folder: Path) -> str:
    """Wait for a command to succeed; returns its output."""
    assert process.wait(TIMEOUT_S) == 0, (folder / "output").read_text()
    return (folder / "output").read_text()


def end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End all processes and jobs of a failed test."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        cancel_slurm_jobs(folder, 60.0)


@pytest.fixture(scope="module")
def local(slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the pipeline has run without Slurm."""
    folder = write(tmp_path_factory.mktemp("local"))
    process = start(folder, command("--cores", "1", TARGET))
    finish(process, folder)
    return folder


def wait_for_epoch(folder: Path, epoch: int, process: subprocess.Popen[bytes]) -> None:
    log, deadline = folder / RESULTS / "logs/train_synthetic.log", time.monotonic() + TIMEOUT_S
    while not log.exists() or f"epoch {epoch} of {EPOCHS}" not in log.read_text():
        assert process.poll() is None, (folder / "output").read_text()
        assert time.monotonic() < deadline, "the training does not start"
        time.sleep(0.1)


def slurm_logs(folder: Path, rule: str) -> dict[str, str]:
    """Logs of a rule's jobs by Slurm job id, in the order of submission."""
    paths = (folder / f".snakemake/slurm_logs/rule_{rule}").rglob("*.log")
    return {path.stem: path.read_text() for path in sorted(paths, key=lambda path: int(path.stem))}


def job_record(job: str) -> str:
    """Slurm's record of a job."""
    shown = ("scontrol", "show", "job", "--oneliner", job)
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout


def test_cancelled_training_is_retried_with_more_resources_and_same_results(
    local: Path, tmp_path: Path
) -> None:
    folder = write(tmp_path)
    process = start_on_slurm(folder, "--set-resources", "train_synthetic:gpu=1", "--", TARGET)
    try:
        wait_for_epoch(folder, 2, process)
        (job,) = slurm_logs(folder, "train_synthetic")
        subprocess.run(["scancel", job], check=True)
        output = finish(process, folder)
    finally:
        end(process, folder)
    assert output.count("Trying to restart job") == 1
    assert output.count("submitted with SLURM jobid") == 8  # seven stages, one of them twice
    first, second = slurm_logs(folder, "train_synthetic").items()
    assert "returned non-zero exit status 75" in first[1]
    assert "going on after epoch" in second[1]
    assert "MinMemoryNode=16000M" in job_record(first[0])
    assert "MinMemoryNode=32000M" in job_record(second[0])
    assert "TimeLimit=12:00:00" in job_record(first[0])
    assert "TimeLimit=1-00:00:00" in job_record(second[0])
    assert "TresPerJob=gres:gpu:1" in job_record(second[0])
    for path in (MODEL, RESULTS / "physical/parameters.yaml"):
        assert (folder / path).read_bytes() == (local / path).read_bytes()


def losses(folder: Path) -> list[float]:
    with open(folder / RESULTS / "synthetic/history.csv", newline="") as file:
        return [float(row["train_loss"]) for row in csv.DictReader(file)]


@pytest.mark.nightly
def test_interrupted_training_on_two_nodes_reaches_the_loss_of_one_process(
    local: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "two"
    shutil.copytree(local, folder, copy_function=shutil.copy2)
    write(folder, devices=2, batch_size=BATCH // 2)
    several = {
        "mpi": "srun",
        "nodes": "2",
        "tasks": "2",
        "tasks_per_gpu": "0",
        "gpu": "2",
        "launch": "srun --kill-on-bad-exit --nodes=2 --ntasks-per-node=1 --cpus-per-task=1 "
        "--gpus=2",
    }
    settings = [f"train_synthetic:{name}={value}" for name, value in several.items()]
    (folder / RESULTS / "logs/train_synthetic.log").unlink()
    process = start_on_slurm(folder, "--retries=1", "--set-resources", *settings, "--", str(MODEL))
    try:
        wait_for_epoch(folder, 2, process)
        (job,) = slurm_logs(folder, "train_synthetic")
        subprocess.run(["scancel", job], check=True)
        finish(process, folder)
    finally:
        end(process, folder)
    first, second = slurm_logs(folder, "train_synthetic").items()
    assert "Starting with 2 processes" in first[1]
    assert "going on after epoch" in second[1]
    for each, _ in (first, second):
        assert f"NodeList={','.join(NODES)}" in job_record(each).replace("[", "").replace("]", "")
    # single precision: gradients summed in another order diverge epoch by epoch
    assert losses(folder)[:5] == pytest.approx(losses(local)[:5], rel=1e-4)
    assert losses(folder) == pytest.approx(losses(local), rel=1e-2)
