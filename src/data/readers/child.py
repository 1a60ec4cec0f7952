"""The process of :mod:`src.data.readers.apart`: a task a line comes in, its answer goes out."""

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from src.config.schema import DataParams
from src.data.readers import netcdf
from src.data.readers.base import open_raw
from src.data.readers.memory import physical_memory
from src.errors import UserError


def main() -> None:
    """Work on the tasks of the standard input until it is closed."""
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, signal.SIG_IGN)  # the parent closes the input when it ends
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # C libraries may print
    _limit_memory()
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    path = Path(task["path"])
    os.chdir(task["folder"])
    # without a handler the signal ends the process, in the midst of a C library too
    alive = lambda: signal.alarm(task["limit_s"])  # noqa: E731
    try:
        alive()
        if task["data"] is None:
            netcdf.read_all(path, alive)
            return {}
        with open_raw(path, DataParams.model_validate(task["data"])) as raw:
            if task["sample"] is not None:
                raw.known(task["sample"])
                raw.static(task["sample"])
                for _ in raw.frames(task["sample"]):
                    alive()
            return {"info": raw.info.to_dict()}
    except UserError as error:
        return {"error": type(error).__name__, "message": str(error)}
    finally:
        signal.alarm(0)


def _limit_memory() -> None:
    """What a damaged file makes a library ask for is refused before the system kills processes."""
    limit = physical_memory()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    main()
