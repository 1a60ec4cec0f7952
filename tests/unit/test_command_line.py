"""The command ``hybrid-pde``: exit codes, help, and where messages go."""

import os
import subprocess
import sys

import pytest

from hybrid_pde.command_line import app
from hybrid_pde.command_line.commands import inspect
from hybrid_pde.interruption import Interrupted

BROKEN = {
    "a bug": (RuntimeError("an oversight"), app.BUG, "this is a bug of hybrid-pde"),
    "a full disk": (OSError(28, "No space left on device", "a.nc"), app.MENDABLE, "a.nc"),
    "interrupted": (Interrupted(15), app.INTERRUPTED, "ended by SIGTERM; run the same command"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_exit_code_and_message_of_a_failure(name, monkeypatch, capsys):
    error, code, message = BROKEN[name]

    def command(path: str) -> None:
        """Fail."""
        raise error

    monkeypatch.setattr(inspect, "command", command)
    assert app.run(["inspect", "a.nc"]) == code
    shown = capsys.readouterr()
    assert message in shown.err and not shown.out
    assert ("Traceback" in shown.err) == (code == app.BUG)


def test_wrong_usage_exits_with_2(capsys):
    assert app.run(["inspekt", "a.nc"]) == app.USAGE
    assert app.run(["inspect"]) == app.USAGE
    assert "inspekt" in capsys.readouterr().err


def test_error_that_the_user_can_mend_is_one_line(tmp_path, capsys):
    assert app.run(["inspect", str(tmp_path / "absent.nc")]) == app.MENDABLE
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1 and "absent.nc" in shown.err and not shown.out


def test_help_and_version_load_no_library():
    code = (
        "import sys\nfrom hybrid_pde.command_line import app\n"
        "assert app.run(['--help']) == app.run(['--version']) == 0\n"
        "print(sorted({'torch', 'phi', 'numpy', 'xarray', 'pydantic'} & {*sys.modules}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"
    assert "inspect" in ended.stdout and "hybrid-pde 1." in ended.stdout
    assert ended.stdout.count("...") == 1, "after ARGS: no description is cut short"


def test_a_signal_during_an_import_ends_the_process_at_once(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    os.abort()  # as the initialization of a C++ library\n"
    )
    code = (
        "from hybrid_pde.interruption import interruptible\nwith interruptible():\n    import slow"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )  # fmt: skip
    assert ended.returncode == app.INTERRUPTED
    assert ended.stderr == "ERROR: ended by SIGINT; run the same command again to continue\n"
