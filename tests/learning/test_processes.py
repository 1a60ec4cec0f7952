"""Data-parallel training in several processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from hybrid_pde.errors import DivergenceError, MachineError
from hybrid_pde.evaluation.history import read_rows
from hybrid_pde.models import load_synthetic_model
from hybrid_pde.training.synthetic.processes import num_processes, run_together
from tests.learning.surrogate_cases import (
    files_in,
    in_double_precision,
    settings,
    simulated,
    training_in,
)

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.device_count() < 2,
    reason="two processes need two GPUs, or a machine without any",
)
OPTIONS = {"epochs": 2, "pushforward": 1, "accumulate": 2}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("processes"))


@pytest.fixture(scope="module")
def one_process(store, tmp_path_factory):
    """Training in one process with batches twice as large; 12 of 14 windows, so all divide."""
    files = files_in(tmp_path_factory.mktemp("one_process"))
    mapping = settings(**OPTIONS, batch_size=4, windows_per_epoch=12)
    in_double_precision(store, mapping).run(files, {})
    return files


def assert_same(found, expected):
    rows = [read_rows(files.history) for files in (found, expected)]
    assert len(rows[0]) == len(rows[1]) == 2
    for ours, theirs in zip(*rows, strict=True):
        for column in ("train_loss", "val_vrmse"):
            assert ours[column] == pytest.approx(theirs[column], rel=1e-8)
    weights = [load_synthetic_model(files.model).state_dict() for files in (found, expected)]
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], rtol=1e-6, atol=1e-7), name


def test_two_processes_train_as_one_with_batches_twice_as_large(store, one_process, tmp_path):
    mapping = settings(**OPTIONS, batch_size=2, windows_per_epoch=12, devices=2)
    training = in_double_precision(store, mapping)
    files = files_in(tmp_path)
    rows = training.run(files, {})
    assert_same(files, one_process)
    assert rows == read_rows(files.history)
    for name, value in load_synthetic_model(files.model).state_dict().items():
        assert torch.equal(training.model.state_dict()[name].float(), value), name


@pytest.mark.nightly
def test_torchrun_starts_the_processes(store, one_process, tmp_path):
    mapping = settings(**OPTIONS, batch_size=2, windows_per_epoch=12)
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    torchrun += ["--standalone", "--nproc-per-node=2"]
    program = ["-m", "tests.learning.surrogate_cases"]
    program += [str(store.directory), str(tmp_path), json.dumps(mapping)]
    log = tmp_path / "log"
    with log.open("w") as file:
        started = subprocess.Popen(
            [*torchrun, *program], stdout=file, stderr=file, start_new_session=True
        )
    try:
        code = started.wait(timeout=300)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)  # no process outlives the test
    assert code == 0, log.read_text()[-3000:]
    assert_same(files_in(tmp_path), one_process)


def test_a_trainer_for_several_devices_needs_torchrun(store):
    with pytest.raises(MachineError, match=r"devices: 2: .* torchrun --nproc-per-node 2"):
        _ = training_in(store, settings(devices=2)).trainer


def fail(where: str) -> None:
    rank = int(os.environ["RANK"])
    torch.distributed.init_process_group("gloo")
    if rank == 1:
        raise DivergenceError(f"{where}, {os.environ['WORLD_SIZE']} processes")
    torch.distributed.barrier()


def test_an_error_in_one_process_ends_all_and_is_reported():
    with pytest.raises(DivergenceError, match="batch 3, 2 processes"):
        run_together(fail, ("batch 3",), 2)


def test_a_batch_job_is_not_mistaken_for_one_process_of_many(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")  # set for the allocation
    assert num_processes(devices=4) == 1
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")  # set for a job step started by srun
    assert num_processes(devices=4) == 4
    assert num_processes(devices=1) == 1
