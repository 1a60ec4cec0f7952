"""Concurrent and killed calls of Snakemake in one folder, and ``make resume``."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hybrid_pde.errors import RunningError
from hybrid_pde.workflow.job_lock import job_lock
from hybrid_pde.workflow.launch_record import LaunchRecord
from hybrid_pde.workflow.live_processes import (
    end_processes,
    slurm_jobs,
    snakemake_calls,
    stage_processes,
)
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
    (started / f"{socket.gethostname()}.4").touch()
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
    stage = [sys.executable, "-c", sleep, "/a/workflow/scripts/augment.py", "--settings", "{}"]
    programs = [
        (here, stage),
        (there, stage),
        (here, [sys.executable, "-c", sleep]),
        (there, [sys.executable, "-c", sleep, "results/snakemake"]),
        (here, [sys.executable, "-c", sleep, "workflow/scripts/cache.py"]),  # e.g. an editor
        (here, ["bash", "-c", "sleep 60; echo '/b c/workflow/scripts'/cache.py --shard 0"]),
    ]
    running = [subprocess.Popen(words, cwd=folder) for folder, words in programs]
    try:
        wait_for(lambda: len(stage_processes(here)) == 3)  # the third one is the shell's sleep
        found = {process.pid for process in stage_processes(here)}
        assert running[0].pid in found
        assert running[5].pid in found
        assert end_processes(stage_processes(here), 10.0) == 0
        assert running[0].poll() is not None
        assert [process.poll() for process in running[1:5]] == [None] * 4
        assert not snakemake_calls(there)
    finally:
        for process in running:
            process.kill()
            process.wait()


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
