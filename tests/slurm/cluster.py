"""A Slurm cluster of two nodes on one machine, without systemd, accounting or real GPUs.

    apt-get install slurm-wlm munge
    python3 tests/slurm/cluster.py start     # as root; some seconds
    snakemake --workflow-profile profiles/slurm --slurm-no-account … results/synthetic_model.pt
    python3 tests/slurm/cluster.py status    # exits with 0 if it is up
    python3 tests/slurm/cluster.py stop      # cancels all jobs, ends all daemons, removes the files

Each node has as many CPUs as the machine, ``/dev/null`` as its GPU, and an unchecked amount of
memory. Logs and state of the daemons are in ``/run/hybrid-pde-slurm``. ``/etc/slurm/slurm.conf`` is
written, because jobs and Snakemake look for it there; another cluster's is never changed.
The module needs only Python's standard library.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

STATE = Path("/run/hybrid-pde-slurm")
ETC = Path("/etc/slurm")
MARK = "# written by tests/slurm/cluster.py, which removes it again\n"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
HOST = socket.gethostname().split(".")[0]
# the first node is named like the host: processes of a distributed training resolve its name
NODES = (HOST, f"{HOST}-2")
START_TIMEOUT_S, STOP_TIMEOUT_S = 30, 15
CONFIGURATION = """
ClusterName=hybrid-pde-test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={state}/munge.socket
SlurmctldPort=6917
StateSaveLocation={state}/slurmctld
SlurmdSpoolDir={state}/%n
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/%n.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
# finished jobs stay visible to squeue, by which Snakemake asks where nothing keeps accounts
MinJobAge=300
# seconds between a job's SIGTERM and its SIGKILL
KillWait=10
GresTypes=gpu
# the memory below need not be there
SlurmdParameters=config_overrides
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class ClusterError(Exception):
    """The cluster cannot be started or stopped."""


def start() -> None:
    """Start the cluster and wait until it takes jobs; do nothing if it is up.

    Raises:
        ClusterError: without root's rights or the programs, next to another Slurm, or after
            a daemon's failure.
    """
    _check()
    if is_up():
        return
    stop()
    for folder in (STATE, STATE / "slurmctld"):
        folder.mkdir(mode=0o755)
    (STATE / "munge.key").write_bytes(os.urandom(128))
    (STATE / "munge.key").chmod(0o400)
    ETC.mkdir(exist_ok=True)
    node = (
        "NodeName={} NodeHostname={} NodeAddr=127.0.0.1 Port={} CPUs={} RealMemory=64000 Gres=gpu:1"
    )
    nodes = [node.format(name, HOST, 6921 + i, os.cpu_count()) for i, name in enumerate(NODES)]
    text = CONFIGURATION.format(host=HOST, state=STATE, nodes="\n".join(nodes))
    (ETC / "slurm.conf").write_text(MARK + text)
    (ETC / "gres.conf").write_text(MARK + "Name=gpu File=/dev/null\n")
    _run(
        "munged",
        *(f"--key-file={STATE}/munge.key", f"--socket={STATE}/munge.socket"),
        *(f"--pid-file={STATE}/munged.pid", f"--log-file={STATE}/munged.log"),
        f"--seed-file={STATE}/munged.seed",
    )
    _run("slurmctld", "-c")
    for name in NODES:
        _run("slurmd", "-N", name)
    if not _wait(is_up, START_TIMEOUT_S):
        raise ClusterError(f"no node is ready after {START_TIMEOUT_S} s; see {STATE}/*.log")


def stop() -> None:
    """Cancel all jobs, stop the daemons and remove their files.

    Raises:
        ClusterError: if a daemon does not end.
    """
    _check()
    if not STATE.exists():
        return
    if is_up():
        # cancel waiting jobs and kill running ones, as their processes would outlive the daemons
        _run("scancel", "--partition=main", "--state=PENDING")
        _run("scancel", "--partition=main", "--full", "--signal=KILL")
        _wait(lambda: not _ask("squeue", "--noheader"), STOP_TIMEOUT_S)
    # the controller first, so that it starts nothing more; munged last, as the others need it
    for name in ("slurmctld", *NODES, "munged"):
        _end(STATE / f"{name}.pid")
    for name in ("slurm.conf", "gres.conf"):
        (ETC / name).unlink(missing_ok=True)
    shutil.rmtree(STATE)


def is_up() -> bool:
    """True if all nodes of this cluster take jobs."""
    if not (ETC / "slurm.conf").exists() or not (STATE / "munge.socket").exists():
        return False
    states = "idle,mixed,allocated,completing"
    return set(_ask("sinfo", "--noheader", "--Node", f"--states={states}", "--format=%N")) == {
        *NODES
    }


def _ask(*command: str) -> list[str]:
    """The words of the answer; an empty list if there is no answer."""
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.split()


def _check() -> None:
    if os.geteuid() != 0:
        raise ClusterError("the daemons of Slurm need root's rights: use sudo")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise ClusterError(f"{', '.join(missing)}: not found; apt-get install slurm-wlm munge")
    for name in ("slurm.conf", "gres.conf"):
        path = ETC / name
        if path.exists() and not path.read_text().startswith(MARK):
            raise ClusterError(
                f"{path}: is another cluster's; this machine takes no test cluster beside it"
            )


def _run(*command: str) -> None:
    # the daemons keep running: their output goes to their logs, so that nothing waits for it
    with open(STATE / "start.log", "ab") as log:
        finished = subprocess.run(command, stdout=log, stderr=log, check=False)
    if finished.returncode != 0:
        raise ClusterError(f"{command[0]}: exit code {finished.returncode}; see {STATE}/*.log")


def _end(pid_file: Path) -> None:
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if _wait(lambda: not Path(f"/proc/{pid}").exists(), STOP_TIMEOUT_S):
            return
    raise ClusterError(f"{pid_file}: process {pid} does not end")


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


if __name__ == "__main__":
    actions = {"start": start, "stop": stop, "status": lambda: sys.exit(not is_up())}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit(f"usage: {sys.argv[0]} start|stop|status")
    try:
        actions[sys.argv[1]]()
    except ClusterError as error:
        sys.exit(str(error))
