"""All stages of an experiment in one process, without Snakemake.

    python run.py --config-name=burgers_experiment trainer_params.epochs=200

Without ``--config-name`` the default experiment runs. Any key can be overridden. Results go to
``results/<experiment_name>/``. Raw files are simulated first if there are ``generation_params``.
The same call after an interruption resumes the run.
"""

import logging
import re
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))  # without an installation

from hybrid_pde.config import load_experiment, parse_experiment
from hybrid_pde.config.loading import default_experiment, find_experiment
from hybrid_pde.errors import PinnedError, UserError
from hybrid_pde.interruption import EXIT_CODE, Interrupted, interruptible
from hybrid_pde.result_warnings import show_as_messages
from hybrid_pde.workflow.pin import pinned_names

PLAIN = re.compile(r"[A-Za-z_][\w.]*=")  # no `hydra.…`, and no +, ++ or ~ before it
QUIET = ("hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout")


@hydra.main(config_path="config", config_name="config", version_base="1.3")
def main(_: DictConfig) -> None:
    """Train the models of the experiment's ``run_params.model_type``."""
    chosen = HydraConfig.get()
    logging.captureWarnings(True)
    show_as_messages()
    try:
        path = _path(chosen)
        experiment = parse_experiment(load_experiment(path, chosen.overrides.task))
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
