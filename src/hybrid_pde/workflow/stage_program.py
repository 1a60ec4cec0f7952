"""Options, logging, errors and locks that all stages' programs share."""

import argparse
import copy
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hybrid_pde import __version__
from hybrid_pde.data.atomic import disk_reason
from hybrid_pde.errors import (
    ConfigError,
    UserError,
    error_of_own_model,
    make_log_printable,
    printable,
)
from hybrid_pde.interruption import EXIT_CODE, Interrupted, interruptible
from hybrid_pde.progress import MessageHandler
from hybrid_pde.result_warnings import show_as_messages
from hybrid_pde.workflow.job_lock import is_first_process, job_lock
from hybrid_pde.workflow.library_versions import record_versions
from hybrid_pde.workflow.settings_file import read_settings

Main = Callable[[argparse.Namespace], None]


def stage_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all stages have.

    Args:
        description: The program's docstring.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--settings", type=_settings, required=True, help="JSON file with part of an experiment"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the numerical libraries")
    parser.add_argument("--log", type=Path, help="file for messages and tracebacks")
    return parser


def add_compile_option(options: argparse.ArgumentParser) -> None:
    """The option of the stages that solve equations; no result depends on it."""
    options.add_argument(
        "--compile",
        choices=("auto", "always", "never"),
        default="auto",
        help="whether time steps of finite differences are compiled; auto: if it saves time",
    )


def let_waiting_threads_sleep() -> None:
    """Let threads of the numerical libraries sleep while they wait, before these are loaded.

    Threads that spin take the cores from other jobs, and each waits for the slowest.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run_stage(main: Main, parser: argparse.ArgumentParser) -> None:
    """Run a stage's program: messages go to the terminal and the log, tracebacks only to the log.

    Exits with 1 after an error that the user can correct, which is one message; with 2 after an
    unexpected error; with 75 (temporary failure: the same call continues) after a signal.
    """
    open_standard_streams()
    let_waiting_threads_sleep()
    arguments = parser.parse_args()
    _log_to(None)
    logger = logging.getLogger("stage")
    try:
        with interruptible(), job_lock(arguments.log):
            _log_to(arguments.log)
            main(arguments)
            if is_first_process():
                record_versions(arguments.log)
    except Interrupted as ended:
        logger.error("%s; run the same command again to continue", ended)
        sys.exit(EXIT_CODE)
    except UserError as error:
        if error.__cause__ is not None:  # e.g. an exception in a user's own module
            logger.debug("cause", exc_info=error.__cause__)
        logger.error("%s", error)
        sys.exit(1)
    except Exception as error:
        reason = disk_reason(error)
        if reason is not None:
            logger.error("%s: %s", getattr(error, "filename", None) or "a file", reason)
            sys.exit(1)
        if (own := error_of_own_model(error)) is not None:
            logger.debug("cause", exc_info=error)
            logger.error("%s", own)
            sys.exit(1)
        logger.exception(
            "%s: %s: this is a bug of hybrid_pde %s, not of your experiment; please report it with "
            "the traceback in %s",
            type(error).__name__,
            printable(str(error)),
            __version__,
            arguments.log,
        )
        sys.exit(2)


def open_standard_streams() -> None:
    """Open the null device in place of standard streams that the caller has closed.

    Otherwise the next file that is opened gets the number of the error stream, and libraries in C
    write their messages into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            assert opened == number, f"{opened} for {name}"
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _settings(path: str) -> dict[str, Any]:
    try:
        return read_settings(Path(path))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _log_to(path: Path | None) -> None:
    terminal: logging.Handler = MessageHandler()
    terminal.setLevel(logging.INFO)
    terminal.setFormatter(_WithoutTraceback("%(levelname)s: %(message)s"))
    handlers: list[logging.Handler] = [terminal]
    if path is not None and is_first_process():
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(file)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.getLogger("stage").setLevel(logging.DEBUG)
    logging.captureWarnings(True)
    make_log_printable()
    show_as_messages()
    logging.raiseExceptions = False  # report a full disk once, not for every line of the log


class _WithoutTraceback(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if not record.exc_info:
            return super().format(record)
        short = copy.copy(record)
        short.exc_info, short.exc_text = None, None
        return super().format(short)
