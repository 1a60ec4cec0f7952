"""Calibrates the physical model: estimates its learnable parameters from the training simulations.

Writes ``parameters.yaml`` (values with standard deviations, status, numerics) and ``history.csv``
(one row an iteration). A calibration that diverges writes nothing, unless
``suppress_convergence_errors`` asks for the best estimate so far. An interrupted calibration
resumes from the evaluations that it has saved. In a later hybrid cycle the calibration also sees
the synthetic model's predictions of values that are not observed.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.workflow.stage_program import add_compile_option, run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    add_compile_option(options)
    options.add_argument("--code", required=True, help="digest of the code, part of checkpoints")
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--previous", type=Path, nargs="*", default=[], help="of the cycle before")
    options.add_argument("--guidance", type=Path, nargs="*", default=[], help="its predictions")
    options.add_argument("--parameters", type=Path, required=True, help="YAML file to write")
    options.add_argument("--history", type=Path, required=True, help="CSV file to write")
    options.add_argument("--checkpoints", type=Path, required=True, help="folder of checkpoints")
    options.add_argument("--checkpoint-every-s", type=float, default=60.0)
    return options


def main(arguments: argparse.Namespace) -> None:
    """Calibrate on the training simulations."""
    from hybrid_pde.stages import train_physical as stage

    stage.train_physical(
        arguments.settings,
        stage.CalibrationInputs(arguments.cache, arguments.previous, arguments.guidance),
        stage.CalibrationFiles(
            arguments.parameters,
            arguments.history,
            arguments.checkpoints,
            arguments.checkpoint_every_s,
        ),
        code=arguments.code,
        threads=arguments.threads,
        compile=arguments.compile,
    )


if __name__ == "__main__":
    run_stage(main, parser())
