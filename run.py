"""All stages of an experiment in one process, without Snakemake.

    python run.py --config-name=burgers_experiment trainer_params.epochs=200

Without ``--config-name`` the default experiment runs. Any key can be overridden. Results go to
``results/<experiment_name>/``. Raw files are simulated first if there are ``generation_params``.
The same call after an interruption resumes the run. With ``--multirun`` each combination of values
has its own experiment, named after the values, e.g. ``burgers_2d-learning_rate-0.001``.
"""

import hashlib
import logging
import re
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))  # without an installation

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.config.loading import default_experiment, find_experiment
from hybrid_pde.errors import PinnedError, UserError
from hybrid_pde.interruption import EXIT_CODE, Interrupted, interruptible
from hybrid_pde.result_warnings import show_as_messages
from hybrid_pde.workflow.pin import pinned_names

PLAIN = re.compile(r"[A-Za-z_][\w.]*=")  # no `hydra.…`, and no +, ++ or ~ before it
NAME = "run_params.experiment_name"
MAX_NAME = 80  # characters; names of folders have at most 255 bytes
QUIET = ("hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout")


@hydra.main(config_path="config", config_name="config", version_base="1.3")
def main(_: DictConfig) -> None:
    """Train the models of the experiment's ``run_params.model_type``."""
    chosen = HydraConfig.get()
    logging.captureWarnings(True)
    show_as_messages()
    try:
        path = _path(chosen)
        experiment = parse_experiment(load_experiment(path, _overrides(path, chosen)))
        if experiment.name in pinned_names():
            raise PinnedError(
                f"results/{experiment.name}: pinned; `make unpin EXPERIMENT={experiment.name}` "
                "frees it, run_params.experiment_name=… takes another folder"
            )
        # loads PyTorch, which takes seconds; errors of the experiment are reported before
        from hybrid_pde.stages.pipeline import run_experiment

        with interruptible():
            run_experiment(experiment, Path("results"), str(path))
    except Interrupted as ended:
        logging.getLogger("run").error("%s; run the same command again to continue", ended)
        sys.exit(EXIT_CODE)
    except UserError as error:
        logging.getLogger("run").error("%s", error)
        sys.exit(1)


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


def _path(chosen: DictConfig) -> Path:
    """The experiment's file, in the folder where Hydra found it."""
    name = str(chosen.job.config_name).removesuffix(".yaml")
    if name == "config":
        return find_experiment(default_experiment())
    folders = [Path(s.path) for s in chosen.runtime.config_sources if s.schema == "file"]
    return next(path for folder in folders if (path := folder / f"{name}.yaml").is_file())


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
    sys.argv[1:] = _for_hydra(sys.argv[1:])
    main()
