"""Which machines calls of Snakemake were started on, as login nodes share a folder.

A process can be looked for on its own machine alone.
"""

import contextlib
import os
import socket
from pathlib import Path

_DIRECTORY = ".snakemake/started"


class Started:
    """One empty file a call of Snakemake, from its first job to its end.

    Args:
        folder: The working directory of the workflow.
    """

    def __init__(self, folder: Path) -> None:
        self._directory = folder / _DIRECTORY
        self._own = self._directory / f"{socket.gethostname()}.{os.getpid()}"

    def begin(self) -> None:
        """Note that this process starts jobs."""
        # a folder that cannot be written is told by Snakemake
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True)
            self._own.touch()

    def end(self) -> None:
        """Note that this process has ended its jobs."""
        with contextlib.suppress(OSError):
            self._own.unlink(missing_ok=True)

    def elsewhere(self) -> list[str]:
        """Other machines on which a call was started and not ended."""
        if not self._directory.is_dir():
            return []
        hosts = {path.name.rpartition(".")[0] for path in self._directory.iterdir()}
        return sorted(hosts - {socket.gethostname()})

    def clear(self) -> None:
        """Forget all calls."""
        if self._directory.is_dir():
            for path in self._directory.iterdir():
                path.unlink(missing_ok=True)
