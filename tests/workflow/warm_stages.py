"""A server process with the libraries of the stages imported, which forks for every stage.

``python -m tests.workflow.warm_stages FOLDER`` writes the program ``FOLDER/python`` once it is
ready. Used in place of the interpreter, that hands a stage's program to the server with its working
directory, environment and standard streams, and exits with its code; other calls go to the
interpreter. A stage is spared the seconds that imports take; the script itself and ``workflow`` are
imported by the stage.
"""

import array
import json
import os
import runpy
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

CLIENT = """\
#!{interpreter} -SE
import array, json, os, signal, socket, sys
if len(sys.argv) < 2 or not sys.argv[1].startswith({scripts!r}):
    os.execv({interpreter!r}, [{interpreter!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    streams = array.array("i", (0, 1, 2)).tobytes()
    server.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    with server.makefile("rw") as file:
        file.write(json.dumps(call) + "\\n")
        file.flush()
        stage = int(file.readline())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: os.kill(stage, number))
        sys.exit(int(file.readline()))
"""


def main() -> None:
    """Serve the stages until standard input is closed."""
    folder = Path(sys.argv[1])
    address = folder / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen()
        import_libraries()
        write_client(folder / "python", address)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # handlers leave no zombies
        while server in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            if not os.fork():
                server.close()
                if handle(connection):
                    return
                os._exit(0)
            connection.close()


def import_libraries() -> None:
    """Import what the stages need, without starting threads."""
    import matplotlib.backends.backend_pdf
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401
    import scipy.stats  # noqa: F401
    import torch  # noqa: F401
    import xarray  # noqa: F401

    from hybrid_pde.stages import (  # noqa: F401
        augment,
        cache,
        evaluate,
        guide,
        report,
        simulate,
        train_physical,
        train_synthetic,
    )


def write_client(path: Path, address: Path) -> None:
    """Write the program that stands for the interpreter."""
    from tests.workflow.tiny import ROOT

    interpreter, scripts = sys.executable, f"{ROOT / 'workflow/scripts'}/"
    path.write_text(CLIENT.format(interpreter=interpreter, scripts=scripts, address=str(address)))
    path.chmod(0o755)


def handle(connection: socket.socket) -> bool:
    """Run one stage in a new process, and send its exit code; true in that process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    streams = array.array("i")
    _, ancillary, *_ = connection.recvmsg(1, socket.CMSG_SPACE(3 * streams.itemsize))
    streams.frombytes(ancillary[0][2])
    file = connection.makefile("rw")
    call = json.loads(file.readline())
    stage = os.fork()
    if not stage:
        become(call, streams.tolist())
        return True
    file.write(f"{stage}\n")
    file.flush()
    _, status = os.waitpid(stage, 0)
    code = os.waitstatus_to_exitcode(status)
    file.write(f"{code if code >= 0 else 128 - code}\n")
    file.flush()
    return False


def become(call: dict[str, Any], streams: list[int]) -> None:
    """Turn this process into the stage, and run its program."""
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.argv = call["arguments"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
