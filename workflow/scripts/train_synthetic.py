"""Trains the synthetic model on real windows, and on generated ones if there are any.

Writes ``synthetic_model.pt``, which can be loaded without any other file, and ``history.csv`` (one
row an epoch). An interrupted training resumes from its last checkpoint. The training of a later
hybrid cycle starts with the model of the cycle before.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.domain.run_folders import Run
from hybrid_pde.workflow.stage_program import run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--code", required=True, help="digest of the code, part of checkpoints")
    options.add_argument(
        "--run", type=Run.parse, default="experiment", help="e.g. burgers/cycle_02"
    )
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--augmented", type=Path, nargs="*", default=[], help="manifests")
    options.add_argument("--parameters", type=Path, nargs="*", default=[], help="parameters.yaml")
    options.add_argument("--warm-start", type=Path, nargs="*", default=[], help="an earlier model")
    options.add_argument("--model", type=Path, required=True, help="file to write")
    options.add_argument("--history", type=Path, required=True, help="CSV file to write")
    options.add_argument("--checkpoints", type=Path, required=True, help="folder of checkpoints")
    options.add_argument("--checkpoint-every-s", type=float, default=60.0)
    options.add_argument("--scratch", default="", help="folder that simulations are copied to")
    options.add_argument("--tensorboard", type=int, default=0, help="1 writes scalars")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Train the surrogate."""
    from hybrid_pde.stages import train_synthetic as stage

    stage.train_synthetic(
        arguments.settings,
        stage.SurrogateInputs(
            arguments.cache, arguments.augmented, arguments.parameters, arguments.warm_start
        ),
        stage.SurrogateFiles(
            arguments.model,
            arguments.history,
            arguments.checkpoints,
            arguments.checkpoint_every_s,
            arguments.history.parents[1] / "tensorboard" if arguments.tensorboard else None,
        ),
        code=arguments.code,
        cycle=arguments.run.cycle,
        threads=arguments.threads,
        scratch=Path(arguments.scratch) if arguments.scratch else None,
    )


if __name__ == "__main__":
    run_stage(main, parser())
