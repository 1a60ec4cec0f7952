"""Trainings interrupted within an epoch, resumed bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from hybrid_pde.errors import CheckpointError
from hybrid_pde.evaluation.history import read_rows
from hybrid_pde.interruption import Interrupted, StopRequest, interruptible
from hybrid_pde.training.finished_checkpoints import remove_finished_checkpoints
from tests.learning.surrogate_cases import files_in, settings, simulated, training_in
from tests.learning.test_synthetic_resume import Noisy, assert_same_training
from tests.workflow.snakemake_run import PYTHONPATH


class _EndedError(Exception):
    pass


def ending_after(step: int, action):
    """A callback that acts after a number of calls and then ends the training."""
    count = 0

    def on_progress(trainer) -> None:
        nonlocal count
        count += 1
        if count == step:
            action(trainer)
            raise _EndedError

    return on_progress


@pytest.mark.parametrize("kind", ["sampler", "shuffle", "noisy", "workers"])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_resume_within_an_epoch_is_bit_for_bit(
    tmp_path, make_trainer, advected_sines, make_loader, kind, step
):
    loader = make_loader(advected_sines(1, 0))  # 3 batches, 2 optimizer steps
    if kind == "shuffle":
        loader = DataLoader(loader.dataset, batch_size=8, shuffle=True)
    elif kind == "noisy":
        loader = DataLoader(Noisy(loader.dataset), batch_size=8, sampler=loader.sampler)
    elif kind == "workers":
        loader = DataLoader(loader.dataset, batch_size=8, sampler=loader.sampler, num_workers=1)
    options = {"accumulate": 2, "input_noise": 0.1, "pushforward": 1}
    path = tmp_path / "checkpoint.pt"

    def seeded(trainer, epochs, **callbacks):
        random.seed(0), np.random.seed(0), torch.manual_seed(0)
        return trainer.train(loader, epochs, **callbacks)

    uninterrupted = make_trainer(**options)
    seeded(uninterrupted, 4)
    interrupted = make_trainer(**options)
    with pytest.raises(_EndedError):
        seeded(
            interrupted, 4, on_progress=ending_after(step, lambda each: each.save_checkpoint(path))
        )
    resumed = make_trainer(**options)
    torch.rand(7)
    resumed.load_checkpoint(path)
    # the callback is called after the first step and after the epoch
    assert (resumed.epoch, resumed.within_epoch.batches) == (step // 2, 2 * (step % 2))
    result = resumed.train(loader, 4 - resumed.epoch)
    assert result["num_epochs"] == 4 - step // 2
    assert_same_training(resumed, uninterrupted)


def test_completed_batches_are_not_read_again(tmp_path, make_trainer, advected_sines, make_loader):
    loader = make_loader(advected_sines(1, 0), batch_size=4)
    path = tmp_path / "checkpoint.pt"
    trainer = make_trainer()
    with pytest.raises(_EndedError):
        trainer.train(
            loader, 1, on_progress=ending_after(4, lambda each: each.save_checkpoint(path))
        )
    read = []
    get = loader.dataset.__class__.__getitem__

    class Counted(loader.dataset.__class__):
        def __getitem__(self, index):
            read.append(index)
            return get(self, index)

    counted = Counted(loader.dataset.trajectories, 2)
    resumed = make_trainer()
    resumed.load_checkpoint(path)
    resumed.train(DataLoader(counted, batch_size=4, sampler=loader.sampler), 2)
    assert len(read) == 23 - 16 + 23
    assert sorted(read[7:]) == list(range(23))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("interrupted"))


OPTIONS = {"epochs": 3, "batch_size": 2, "input_noise": 0.05, "windows_per_epoch": 10}


@pytest.fixture(scope="module")
def reference(store, tmp_path_factory):
    files = files_in(tmp_path_factory.mktemp("reference"))
    training_in(store, settings(**OPTIONS)).run(files, {})
    return files


@pytest.fixture
def default_sighup():
    """Default handling of SIGHUP, as in a terminal; ``nohup`` ignores the signal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def interrupted_by(number: int, store, files, after: int) -> None:
    """Train until a signal arrives within an epoch."""
    training = training_in(store, settings(**OPTIONS))
    clip, count = training.trainer._clip_gradient, 0

    def counted():
        nonlocal count
        count += 1
        if count == after:
            os.kill(os.getpid(), number)
        return clip()

    training.trainer._clip_gradient = counted
    with interruptible(), pytest.raises(Interrupted, match=signal.Signals(number).name):
        training.run(files, {})
    assert count == after  # the step is finished, and no other has begun
    assert not files.model.exists()


@pytest.mark.usefixtures("default_sighup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_saves_a_checkpoint_and_the_same_call_resumes(
    store, reference, tmp_path, number, caplog
):
    caplog.set_level("INFO")
    files = files_in(tmp_path)
    interrupted_by(number, store, files, after=7)
    assert "saved after epoch 1, batch 2" in caplog.text
    training_in(store, settings(**OPTIONS)).run(files, {})
    assert "going on after epoch 1 of 3, batch 2" in caplog.text
    assert files.model.read_bytes() == reference.model.read_bytes()
    assert [row["train_loss"] for row in read_rows(files.history)] == [
        row["train_loss"] for row in read_rows(reference.history)
    ]
    remove_finished_checkpoints(tmp_path)
    assert not list(files.checkpoints.glob("*/*"))


def test_a_job_killed_after_writing_its_result_repeats_no_epoch(store, reference, tmp_path, caplog):
    caplog.set_level("INFO")
    files = files_in(tmp_path)
    training_in(store, settings(**OPTIONS)).run(files, {})
    for path in (files.model, files.history):
        path.unlink()  # as Snakemake deletes the output of a failed job
    training_in(store, settings(**OPTIONS)).run(files, {})
    assert "going on after epoch 3 of 3" in caplog.text
    assert files.model.read_bytes() == reference.model.read_bytes()


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_the_checkpoint_before_a_damaged_one_is_used(store, reference, tmp_path, damage, caplog):
    files = files_in(tmp_path)
    interrupted_by(signal.SIGTERM, store, files, after=7)
    saved = sorted(files.checkpoints.glob("*/*_*.pt"))
    assert len(saved) == 2
    content = bytearray(saved[-1].read_bytes())
    content[len(content) // 2] ^= 1
    damaged = {"flipped": content, "truncated": content[:-50], "empty": b""}[damage]
    saved[-1].write_bytes(damaged)
    training_in(store, settings(**OPTIONS)).run(files, {})
    assert "resuming from the previous checkpoint" in caplog.text
    assert files.model.read_bytes() == reference.model.read_bytes()


def test_a_second_signal_does_not_wait():
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # within a second, so it counts as the same signal
        assert stop.number == signal.SIGTERM
        time.sleep(1.05)
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop, interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.number is None
    finally:
        signal.signal(signal.SIGHUP, before)


PROGRAM = """
import json, sys
from pathlib import Path
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.interruption import Interrupted, interruptible
from tests.learning.surrogate_cases import files_in, training_in
if __name__ == "__main__":
    cache, folder, mapping = sys.argv[1:]
    training = training_in(SimulationStore(cache), json.loads(mapping))
    try:
        with interruptible():
            training.run(files_in(Path(folder)), {})
    except Interrupted:
        sys.exit(75)
"""


needs_two = pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.device_count() < 2,
    reason="two processes need two GPUs, or a machine without any",
)


def train_in_two_processes(store, folder, signal_at_start: bool) -> int:
    """Exit code of a training that gets a signal after its first checkpoint, or none."""
    mapping = settings(**OPTIONS | {"devices": 2, "epochs": 20, "keep": "last"})
    mapping["trainer_params"]["val_sim"] = []
    folder.mkdir(exist_ok=True)
    script = folder / "program.py"
    script.write_text(PROGRAM)
    call = [sys.executable, str(script), str(store.directory), str(folder), json.dumps(mapping)]
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1"}
    started = subprocess.Popen(call, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while signal_at_start and not list(folder.glob("checkpoints/*/*_*.pt")):
            assert started.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        if signal_at_start:
            os.kill(started.pid, signal.SIGTERM)
        return started.wait(120)
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)


@pytest.mark.nightly
@needs_two
def test_two_processes_save_after_the_same_step(store, tmp_path):
    assert train_in_two_processes(store, tmp_path / "broken", signal_at_start=True) == 75
    files = files_in(tmp_path / "broken")
    assert not files.model.exists()
    content = torch.load(max(files.checkpoints.glob("*/*_*.pt")), weights_only=True)["content"]
    processes = content["trainer"]["training"]["processes"]
    assert len(processes) == 2
    batches = [(each["within"] or {}).get("batches") for each in processes]
    assert batches[0] == batches[1]
    alone = training_in(store, settings(**OPTIONS))
    with pytest.raises(CheckpointError, match=r"processes: 2 in the checkpoint, 1 in this"):
        alone.trainer.load_state(content["trainer"], "there")


# of six more processes, each of which imports for seconds
@pytest.mark.nightly
@needs_two
def test_two_processes_resume_bit_for_bit(store, tmp_path):
    assert train_in_two_processes(store, tmp_path / "broken", signal_at_start=True) == 75
    assert train_in_two_processes(store, tmp_path / "broken", signal_at_start=False) == 0
    assert train_in_two_processes(store, tmp_path / "reference", signal_at_start=False) == 0
    files, reference = (files_in(tmp_path / name) for name in ("broken", "reference"))
    assert files.model.read_bytes() == reference.model.read_bytes()
