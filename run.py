"""All stages of an experiment in one process, without Snakemake.

    python run.py --config-name=burgers_experiment trainer_params.epochs=200

Without ``--config-name`` the default experiment runs. Any key can be overridden. Results go to
``results/<experiment_name>/``. Raw files are simulated first if there are ``generation_params``.
The same call after an interruption resumes the run. With ``--multirun`` each combination of values
has its own experiment, named after the values, e.g. ``burgers_2d-learning_rate-0.001``.
"""

import argparse
import hashlib
import logging
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))  # without an installation

from hybrid_pde.interruption import EXIT_CODE, Interrupted, end_without_traceback, interruptible

if __name__ == "__main__":
    end_without_traceback()

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.config.loading import (
    CONFIG_DIR,
    default_experiment,
    find_experiment,
    keys_written,
)
from hybrid_pde.config.safe_names import shortened
from hybrid_pde.config.written_keys import keys_as_written
from hybrid_pde.config.yaml_file import MAX_DIGITS
from hybrid_pde.data.atomic import disk_reason
from hybrid_pde.errors import ConfigError, PinnedError, UserError, make_log_printable
from hybrid_pde.result_warnings import show_as_messages
from hybrid_pde.workflow.pin import pinned_names
from hybrid_pde.workflow.stage_program import let_waiting_threads_sleep, open_standard_streams

ROOT = Path(__file__).resolve().parent
PLAIN = re.compile(r"[A-Za-z_][\w.]*=")  # no `hydra.…`, and no +, ++ or ~ before it
NAME = "run_params.experiment_name"
MAX_NAME = 80  # characters; names of folders have at most 255 bytes
QUIET = ("hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout")


def main(arguments: list[str]) -> None:
    """Run the experiment that the command line names.

    Hydra reads the overrides and sweeps of the command line only. The experiment file and its
    folder would be instructions to Hydra, which calls what they name.
    """
    open_standard_streams()
    let_waiting_threads_sleep()
    options, others = _file_options().parse_known_args(arguments)
    for text in others:  # Python, and so Hydra, converts no longer ones
        if re.search(rf"\d{{{MAX_DIGITS + 1}}}", text):
            sys.exit(f"{shortened(text)}: an integer may have at most {MAX_DIGITS} digits")
    sys.argv[1:] = _for_hydra(others)

    @hydra.main(config_path=None, version_base="1.3")
    def run(_: object) -> None:
        _run_experiment(options)

    run()


def _run_experiment(options: argparse.Namespace) -> None:
    """Train the models of the experiment's ``run_params.model_type``."""
    make_log_printable()
    logging.captureWarnings(True)
    show_as_messages()
    chosen = HydraConfig.get()
    try:
        path = _path(options)
        overrides = _overrides(path, chosen)
        experiment = parse_experiment(load_experiment(path, overrides))
        if experiment.name in pinned_names():
            raise PinnedError(
                f"results/{experiment.name}: pinned; `make unpin EXPERIMENT={experiment.name}` "
                "frees it, run_params.experiment_name=… takes another folder"
            )
        with interruptible(), keys_as_written(lambda: keys_written(path, overrides)):
            # loads PyTorch, which takes seconds; errors of the experiment are reported before
            from hybrid_pde.stages.pipeline import run_experiment

            run_experiment(experiment, Path("results"), str(path))
    except Interrupted as ended:
        logging.getLogger("run").error("%s; run the same command again to continue", ended)
        sys.exit(EXIT_CODE)
    except UserError as error:
        logging.getLogger("run").error("%s", error)
        sys.exit(1)
    except OSError as error:
        if (reason := disk_reason(error)) is None:
            raise
        logging.getLogger("run").error("%s: %s", error.filename or "a file", reason)
        sys.exit(1)


def _file_options() -> argparse.ArgumentParser:
    """Options that name the experiment file, as Hydra calls them."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-name", "-cn", default="config")
    parser.add_argument("--config-path", "-cp", default=CONFIG_DIR)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--experimental-rerun")
    return parser


def _overrides(path: Path, chosen: DictConfig) -> list[str]:
    """The call's overrides; in a multirun with a name for the experiment, unless they have one.

    Without it, every job of the multirun would write to the same folder.
    """
    given = list(chosen.overrides.task)
    keys = {text.lstrip("+").partition("=")[0] for text in given}
    if chosen.mode != RunMode.MULTIRUN or NAME in keys:
        return given
    name = parse_experiment(load_experiment(path, given)).name
    return [*given, f"{NAME}='{name}-{_name_of_values(given)}'"]


def _name_of_values(overrides: list[str]) -> str:
    """Part of an experiment's name for its overrides, e.g. ``epochs-5-learning_rate-0.001``.

    A digest is added where other values could have the same name.
    """
    full = sorted(text.lstrip("+") for text in overrides)
    pairs = [text.partition("=") for text in full]
    keys = [key.rpartition(".")[2] for key, _, _ in pairs]
    plain = "-".join(f"{key}-{value}" for key, (_, _, value) in zip(keys, pairs, strict=True))
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", plain)
    if name == plain and len(name) <= MAX_NAME and len({*keys}) == len(keys):
        return name
    return f"{name[:MAX_NAME]}-{hashlib.sha256(repr(full).encode()).hexdigest()[:8]}"


def _path(options: argparse.Namespace) -> Path:
    """The experiment's file, in the project's ``config``, then in ``--config-dir``."""
    if options.experimental_rerun is not None:
        raise ConfigError(
            f"--experimental-rerun: {options.experimental_rerun!r}: a pickled file can run "
            "anything, so none is read; call with --config-name"
        )
    name = options.config_name.removesuffix(".yaml")
    if name == "config":
        return find_experiment(default_experiment())
    folders = [ROOT / options.config_path]
    if options.config_dir is not None:
        folders.append(Path(options.config_dir))
    for path in (folder / f"{name}.yaml" for folder in folders):
        if path.is_file():
            return path
    return find_experiment(str(folders[-1] / f"{name}.yaml"))


def _for_hydra(arguments: list[str]) -> list[str]:
    """Arguments for Hydra: options, then overrides with the prefix ``++``.

    The prefix allows keys that the file leaves out; unknown keys are rejected by the schema.
    """
    overrides = [text for text in arguments if "=" in text and not text.startswith("-")]
    options = [text for text in arguments if text not in overrides]
    quiet = [text for text in QUIET if not any(o.startswith(text.split("=")[0]) for o in overrides)]
    additions = [
        f"++{text}" if PLAIN.match(text) and not text.startswith("hydra.") else text
        for text in overrides
    ]
    return [*options, *quiet, *additions]


if __name__ == "__main__":
    main(sys.argv[1:])
