"""Concurrent and killed calls of Snakemake in one folder, and ``make resume``."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hybrid_pde.errors import RunningError
from hybrid_pde.workflow import process_identity
from hybrid_pde.workflow.job_lock import job_lock
from hybrid_pde.workflow.launch_record import CALLS, JOBS, LaunchRecord
from hybrid_pde.workflow.live_processes import (
    SHELL_PREFIX,
    end_processes,
    slurm_jobs,
    snakemake_calls,
    stage_processes,
)
from hybrid_pde.workflow.process_identity import is_alive, start_of
from hybrid_pde.workflow.resume import end_jobs
from tests.workflow.conftest import EXPERIMENT
from tests.workflow.snakemake_run import PYTHONPATH, command, run
from tests.workflow.tiny import write_experiment

TARGET = "results/burgers_2d/physical/parameters.yaml"


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Snakemake in ``tmp_path`` with its first stage running but halted."""
    write_experiment(tmp_path / EXPERIMENT)
    with (tmp_path / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command(TARGET),
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    wait_for(lambda: stage_processes(tmp_path))
    for stage in stage_processes(tmp_path):
        stage.suspend()
    yield process
    process.kill()
    process.wait()
    end_processes(stage_processes(tmp_path), 0.0)


def resume(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hybrid_pde.workflow.resume", "--grace-s", "1", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        check=False,
    )


def test_second_call_names_the_process_of_the_first(
    tmp_path: Path, started: subprocess.Popen[bytes]
) -> None:
    second = run(tmp_path, TARGET)
    assert second.returncode != 0
    assert f"another Snakemake is writing there (process {started.pid})" in second.stdout
    assert "Traceback" not in second.stdout
    refused = resume(tmp_path)
    assert refused.returncode == 1
    assert f"process {started.pid}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert run(tmp_path, "--dry-run", TARGET).returncode == 0, "a dry run is allowed"
    assert started.poll() is None


def test_resume_ends_orphans_and_unlocks_after_a_kill(
    tmp_path: Path, started: subprocess.Popen[bytes]
) -> None:
    started.kill()
    started.wait()
    orphans = stage_processes(tmp_path)
    assert orphans, "the job outlives Snakemake"
    locked = run(tmp_path, TARGET)
    assert locked.returncode != 0
    assert "`make resume`" in locked.stdout
    assert "Traceback" not in locked.stdout

    freed = resume(tmp_path, TARGET)
    assert freed.returncode == 0, freed.stderr
    assert "by force" in freed.stdout
    assert not any(orphan.is_running() for orphan in orphans)
    again = run(tmp_path, TARGET, "--until", "simulate")
    assert again.returncode == 0, again.stdout
    assert (
        not (tmp_path / ".snakemake/started").exists() or not LaunchRecord(tmp_path).other_hosts()
    )


def test_resume_is_harmless_if_nothing_is_wrong(tmp_path: Path) -> None:
    write_experiment(tmp_path / EXPERIMENT)
    assert end_jobs(tmp_path, 1.0) == []
    freed = resume(tmp_path, TARGET)
    assert freed.returncode == 0, freed.stderr


def test_call_on_another_login_node_needs_confirmation(tmp_path: Path) -> None:
    started = tmp_path / ".snakemake/started"
    started.mkdir(parents=True)
    (started / "login2.cluster.999").touch()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (started / f"{socket.gethostname()}.{ended.pid}").touch()
    assert LaunchRecord(tmp_path).other_hosts() == ["login2.cluster"]
    with pytest.raises(RunningError, match="last called here on login2.cluster.*--gone"):
        end_jobs(tmp_path, 1.0)
    assert end_jobs(tmp_path, 1.0, gone=True) == []
    assert not list(started.iterdir())


def test_processes_of_other_folders_and_programs_are_not_ended(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    sleep = "import time; time.sleep(60)"
    for folder in (here, there):
        folder.mkdir()
    program = tmp_path / "a/workflow/scripts/augment.py"
    for path in (
        program,
        tmp_path / "a/src/hybrid_pde/x.py",
        tmp_path / "b/workflow/scripts/cache.py",
    ):
        path.parent.mkdir(parents=True)
        path.write_text(sleep)
    stage = [sys.executable, "-u", str(program), "--settings", "{}"]
    programs = [
        (here, stage),
        (here, ["bash", "-c", f"{SHELL_PREFIX}sleep 60; echo"]),
        (there, stage),
        (here, [sys.executable, "-c", sleep]),
        (there, [sys.executable, "-c", sleep, "results/snakemake"]),
        (here, [sys.executable, "-c", sleep, str(program), "--settings"]),  # e.g. an editor
        (here, ["bash", "-c", f"sleep 60; echo '{program}' --shard 0"]),
        (here, [sys.executable, "../b/workflow/scripts/cache.py", "--shard"]),  # another workflow
        (here, [sys.executable, "-c", sleep, "-m", "workflow.scripts.cache"]),
    ]
    running = [subprocess.Popen(words, cwd=folder) for folder, words in programs]
    try:
        wait_for(lambda: len(stage_processes(here)) == 3)  # the third one is the shell's sleep
        found = {process.pid for process in stage_processes(here)}
        assert {process.pid for process in running[:2]} < found
        assert end_processes(stage_processes(here), 10.0) <= 2, "the shell waits for its sleep"
        assert running[0].wait(10) is not None
        assert [process.poll() for process in running[2:]] == [None] * 7
        assert not snakemake_calls(there)
    finally:
        for process in running:
            process.kill()
            process.wait()


SLEEPING = "import time; time.sleep(60)"


@pytest.mark.parametrize("options", ["-m", "-u -m", "-W ignore -Bm"])
def test_snakemake_is_known_by_the_position_of_its_name(tmp_path: Path, options: str) -> None:
    (tmp_path / "snakemake.py").write_text(SLEEPING)
    words = [sys.executable, *options.split(), "snakemake", "--cores", "1"]
    with subprocess.Popen(words, cwd=tmp_path) as process:
        try:
            wait_for(lambda: snakemake_calls(tmp_path) == [process.pid])
            with pytest.raises(RunningError, match=f"process {process.pid}"):
                end_jobs(tmp_path, 1.0)
        finally:
            process.kill()


def recorded(folder: Path, kind: str) -> subprocess.Popen[bytes]:
    """A process that records itself in a folder, whatever its arguments and its own folder are."""
    (folder / ".snakemake").mkdir(exist_ok=True)
    program = (
        "import time; from pathlib import Path\n"
        "from hybrid_pde.workflow.launch_record import LaunchRecord\n"
        f"LaunchRecord(Path({str(folder)!r}), {kind!r}).begin(); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd="/", env={**os.environ, "PYTHONPATH": PYTHONPATH}
    )
    wait_for(lambda: LaunchRecord(folder, kind).alive() == [process.pid])
    return process


def test_recorded_processes_are_known_by_id_and_start(tmp_path: Path) -> None:
    call, job = recorded(tmp_path, CALLS), recorded(tmp_path, JOBS)
    try:
        with pytest.raises(RunningError, match=f"Snakemake runs here .process {call.pid}"):
            end_jobs(tmp_path, 1.0)
        assert job.poll() is None
        call.kill()
        call.wait()
        stale = tmp_path / ".snakemake" / CALLS / f"{socket.gethostname()}.{os.getppid()}"
        stale.write_text("another-boot 1")  # its id has gone to another process
        assert end_jobs(tmp_path, 10.0) == [f"ended processes {job.pid}"]
        assert not psutil.pid_exists(job.pid)
        assert not list(tmp_path.glob(".snakemake/*/*"))
    finally:
        for process in (call, job):
            process.kill()
            process.wait()


def test_what_cannot_be_read_counts_as_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = subprocess.Popen([sys.executable, "-c", SLEEPING])
    try:
        start = start_of(other.pid)
        assert start and is_alive(other.pid, start) and not is_alive(other.pid, f"{start}0")
        monkeypatch.setattr(process_identity, "start_of", lambda pid: None)
        assert is_alive(other.pid, f"{start}0")

        def hidden(process: psutil.Process) -> str:
            raise psutil.AccessDenied(process.pid)

        monkeypatch.setattr(psutil.Process, "cwd", hidden)
        monkeypatch.setattr(psutil.Process, "cmdline", lambda process: ["snakemake", "--cores"])
        assert not snakemake_calls(tmp_path), "its user has locked nothing here"
        lock = tmp_path / ".snakemake/locks/0.output.lock"
        lock.parent.mkdir(parents=True)
        lock.touch()
        assert other.pid in snakemake_calls(tmp_path)
    finally:
        other.kill()
        other.wait()
    monkeypatch.undo()
    assert not is_alive(other.pid, start)


def test_a_job_is_recorded_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    killed = tmp_path / ".snakemake" / JOBS / f"{socket.gethostname()}.{os.getppid()}"
    killed.parent.mkdir()
    killed.write_text("another-boot 1")
    with job_lock(tmp_path / "logs/cache.log"):
        assert LaunchRecord(tmp_path, JOBS).alive() == [os.getpid()]
        assert not killed.exists()
    assert not list(killed.parent.iterdir())


QUEUE = """#!/bin/sh
cat {queue} 2>/dev/null
"""
CANCEL = """#!/bin/sh
echo "$@" > {cancelled}
rm -f {queue}
"""
NAME = "4d2f7ff6-3d38-4a3c-9a2e-0f6f6b1d2c3e"


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fake Slurm programs with a queue of six jobs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    places = {"queue": tmp_path / "queue", "cancelled": tmp_path / "cancelled"}
    for name, text in (("squeue", QUEUE), ("scancel", CANCEL)):
        (programs / name).write_text(text.format(**places))
        (programs / name).chmod(0o755)
    lines = [
        f"11|{NAME}|{tmp_path}",
        f"12|mine_{NAME}|{tmp_path}",
        f"13|{NAME}|{tmp_path}/elsewhere",
        f"14|interactive|{tmp_path}",
        f"15_2|{NAME}|{tmp_path}",
        f"16|{NAME}|{tmp_path}",
    ]
    places["queue"].write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "16")
    return tmp_path


def test_resume_cancels_the_slurm_jobs_of_this_folder(slurm: Path) -> None:
    assert slurm_jobs(slurm) == ["11", "12", "15_2"], "neither its own job nor those of others"
    assert end_jobs(slurm, 5.0) == ["cancelled Slurm jobs 11, 12, 15_2"]
    assert (slurm / "cancelled").read_text().split() == ["11", "12", "15_2"]


def test_jobs_that_remain_in_the_queue_are_reported(slurm: Path) -> None:
    (slurm / "bin/scancel").write_text("#!/bin/sh\n")
    with pytest.raises(RunningError, match="11, 12, 15_2 remain in the queue; call again"):
        end_jobs(slurm, 0.1)


def test_unreachable_slurm_is_an_error_only_if_it_was_used(slurm: Path) -> None:
    (slurm / "bin/squeue").write_text("#!/bin/sh\necho no controller >&2\nexit 1\n")
    assert slurm_jobs(slurm) == []
    (slurm / ".snakemake/slurm_logs").mkdir(parents=True)
    with pytest.raises(RunningError, match="squeue: no controller: .* call again when Slurm"):
        slurm_jobs(slurm)


def test_a_second_process_of_the_same_job_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid_pde.workflow.job_lock.WAIT_S", 0.1)
    log = tmp_path / "logs/augment.log"
    with job_lock(log):
        with pytest.raises(
            RunningError, match=r"augment\.log: another process is still running this job"
        ):
            job_lock(log).__enter__()
        with job_lock(tmp_path / "logs/other.log"):
            pass
        monkeypatch.setenv("RANK", "1")
        with job_lock(log):  # the first process of a group holds the lock for all
            pass
        monkeypatch.delenv("RANK")
    with job_lock(log):
        pass
