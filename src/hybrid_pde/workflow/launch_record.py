"""Record of the processes that were started in a folder, which login nodes may share.

A process can be seen only on the machine it runs on, and not always by another user.
"""

import contextlib
import os
import socket
from pathlib import Path

from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.workflow.process_identity import is_alive, start_of

CALLS = "started"  # of Snakemake by a user, from its first job to its end
JOBS = "started_jobs"  # programs of stages
_SNAKEMAKE = ".snakemake"
_MAX_BYTES = 200


class LaunchRecord:
    """One file for each running process, named by machine and process id, holding its start.

    Args:
        folder: The working directory of the workflow.
        kind: ``CALLS`` or ``JOBS``.
    """

    def __init__(self, folder: Path, kind: str = CALLS) -> None:
        self._directory = folder / _SNAKEMAKE / kind
        self._own = self._directory / f"{socket.gethostname()}.{os.getpid()}"

    def begin(self) -> None:
        """Record this process, if Snakemake uses the folder; records of ended ones go."""
        # Snakemake itself reports a folder that cannot be written
        with contextlib.suppress(OSError):
            if self._directory.parent.is_dir():
                self._directory.mkdir(exist_ok=True)
                self._own.write_text(start_of(os.getpid()) or "", "utf-8")
                for path in set(self._here()) - set(self._alive()):
                    path.unlink(missing_ok=True)

    def end(self) -> None:
        """Remove the record of this process."""
        with contextlib.suppress(OSError):
            self._own.unlink(missing_ok=True)

    def other_hosts(self) -> list[str]:
        """Other machines with a process that was started and not ended."""
        hosts = {path.name.rpartition(".")[0] for path in self._files()}
        return sorted(hosts - {socket.gethostname()})

    def alive(self) -> list[int]:
        """Ids of the recorded processes that run on this machine."""
        return sorted(_pid(path) for path in self._alive())

    def clear(self) -> None:
        """Remove the records of all processes."""
        for path in self._files():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _here(self) -> list[Path]:
        """Records of this machine."""
        hosts = {path: path.name.rpartition(".")[0] for path in self._files()}
        return [path for path, host in hosts.items() if host == socket.gethostname()]

    def _alive(self) -> list[Path]:
        found = []
        for path in self._here():
            try:
                start = read_small_text(path, _MAX_BYTES)
            except FileNotFoundError:
                continue  # it has just ended
            except (OSError, UnicodeDecodeError):
                start = ""
            if is_alive(_pid(path), start):
                found.append(path)
        return found

    def _files(self) -> list[Path]:
        try:
            found = list(self._directory.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [path for path in found if path.name.rpartition(".")[2].isdecimal()]


def _pid(path: Path) -> int:
    return int(path.name.rpartition(".")[2])
