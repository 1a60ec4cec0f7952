"""Identity of a process beyond its id, which the system gives to another one after its end."""

import os
from pathlib import Path

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_ZOMBIE = "Z"
_ENDED = "ended"  # but not yet waited for by its parent


def start_of(pid: int) -> str | None:
    """When a process was started, as text to compare; ``None`` if that cannot be read.

    On Linux the ticks from the boot of the machine to the start (proc(5), ``/proc/<pid>/stat``,
    field 22) and the id of the boot, which no change of the clock moves.
    """
    try:
        state, ticks = _state_and_ticks(pid)
        return f"{_BOOT.read_text('ascii').strip()} {ticks}" if state != _ZOMBIE else _ENDED
    except (OSError, ValueError, IndexError):
        pass
    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def is_alive(pid: int, start: str) -> bool:
    """True if the process that was started then still runs; true if that cannot be read.

    Args:
        pid: Its id on this machine.
        start: Result of :func:`start_of` while it ran; empty if that is not known.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it belongs to another user
    found = start_of(pid)
    return found is None or (found != _ENDED and found == (start or found))


def _state_and_ticks(pid: int) -> tuple[str, str]:
    text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    fields = text.rpartition(")")[2].split()  # the program's name may contain anything
    return fields[0], fields[19]
