"""The command ``hybrid-pde``: its commands, its exit codes, and how errors are reported."""

import functools
import importlib
import importlib.util
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from hybrid_pde import __version__
from hybrid_pde.errors import UserError, error_of_own_model, make_log_printable, printable
from hybrid_pde.interruption import EXIT_CODE, Interrupted, interruptible
from hybrid_pde.result_warnings import show_as_messages

PROGRAM = "hybrid-pde"
COMMANDS = (
    "inspect",
    "new",
    "check",
    "sweep",
    "predict",
    "export",
    "compare",
    "convert",
    "verify",
)  # as in the help
DONE, MENDABLE, USAGE, BUG, INTERRUPTED = 0, 1, 2, os.EX_SOFTWARE, EXIT_CODE
_EPILOG = (
    "Exit codes: 0 done, 1 an error that you can mend, 2 wrong usage, 70 a bug, 75 interrupted "
    "(call again)."
)


def application() -> typer.Typer:
    """The application with all commands."""
    app = typer.Typer(
        name=PROGRAM,
        help="Calibrated physical models and neural surrogates from ensembles of PDE simulations.",
        epilog=_EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in COMMANDS:
        module = f"{__package__}.commands.{name}"
        if importlib.util.find_spec(module) is not None:
            app.command(name)(_stoppable(importlib.import_module(module).command))
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with its code.

    Args:
        arguments: The command line without the program's name; by default that of the process.
    """
    make_log_printable()
    show_as_messages()
    logging.basicConfig(format=f"{PROGRAM}: %(levelname)s: %(message)s", level=logging.WARNING)
    logging.captureWarnings(True)
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code.

    An error that the user can mend is one message on the error stream. A bug is a traceback.
    """
    try:
        with interruptible():
            command = typer.main.get_command(application())
            # `main` itself reports wrong usage and ends with its code
            command.main(args=arguments and list(arguments), prog_name=PROGRAM)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else DONE
    except _StoppedError as stopped:
        return _failed(f"{stopped}; run the same command again", INTERRUPTED)
    except UserError as error:
        return _failed(str(error), MENDABLE)
    except OSError as error:
        # imports libraries that are needed for nothing else
        from hybrid_pde.data.atomic import disk_reason

        if (reason := disk_reason(error)) is not None:
            return _failed(f"{error.filename or 'a file'}: {reason}", MENDABLE)
        return _bug()
    except Exception as error:
        if (own := error_of_own_model(error)) is not None:
            return _failed(str(own), MENDABLE)
        return _bug()
    return DONE


class _StoppedError(Exception):
    """A signal ended the command; typer has an exit code of its own for ``KeyboardInterrupt``."""


def _stoppable(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the same arguments; a signal ends it by an error of this module."""

    @functools.wraps(command)
    def stoppable(*values: Any, **named: Any) -> None:
        try:
            command(*values, **named)
        except Interrupted as ended:
            raise _StoppedError(str(ended)) from ended

    return stoppable


def _bug() -> int:
    traceback.print_exc()
    return _failed(
        f"this is a bug of {PROGRAM} {__version__}, not of your call; please report it with the "
        "traceback above",
        BUG,
    )


def _failed(message: str, code: int) -> int:
    print(f"{PROGRAM}: {printable(message)}", file=sys.stderr)
    return code


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version.")
    ] = False,
) -> None:
    pass
