"""Record of the machines on which Snakemake was started in a folder that login nodes share.

A process can be seen only on the machine it runs on.
"""

import contextlib
import os
import socket
from pathlib import Path

_DIRECTORY = ".snakemake/started"


class LaunchRecord:
    """One empty file for each call of Snakemake, from its first job to its end.

    Args:
        folder: The working directory of the workflow.
    """

    def __init__(self, folder: Path) -> None:
        self._directory = folder / _DIRECTORY
        self._own = self._directory / f"{socket.gethostname()}.{os.getpid()}"

    def begin(self) -> None:
        """Record that this process starts jobs."""
        # Snakemake itself reports a folder that cannot be written
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True)
            self._own.touch()

    def end(self) -> None:
        """Remove the record of this process."""
        with contextlib.suppress(OSError):
            self._own.unlink(missing_ok=True)

    def other_hosts(self) -> list[str]:
        """Other machines with a call that was started and not ended."""
        if not self._directory.is_dir():
            return []
        hosts = {path.name.rpartition(".")[0] for path in self._directory.iterdir()}
        return sorted(hosts - {socket.gethostname()})

    def clear(self) -> None:
        """Remove the records of all calls."""
        if self._directory.is_dir():
            for path in self._directory.iterdir():
                path.unlink(missing_ok=True)
