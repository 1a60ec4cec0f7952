"""Predicts values that are not observed with the synthetic model, to guide the next calibration.

Writes simulations in the format of the cache, and their manifest.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # finds the repository without an installation
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import workflow.scripts  # noqa: F401

from hybrid_pde.workflow.stage_program import run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--model", type=Path, required=True, help="synthetic_model.pt")
    options.add_argument("--output", type=Path, required=True, help="manifest, beside the files")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Predict, and write the manifest."""
    from hybrid_pde.stages.guide import write_guidance

    write_guidance(
        arguments.settings,
        arguments.cache,
        arguments.model,
        arguments.output,
        threads=arguments.threads,
    )


if __name__ == "__main__":
    run_stage(main, parser())
