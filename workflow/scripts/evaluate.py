"""Rolls out both models on held-out simulations, and measures their errors and persistence's.

Writes ``metrics.json``, ``timing.json``, ``rollouts.nc``, ``frames.json`` (pictures for the
report), the error over the lead time, diagnostics (correlation, spectra, conserved quantities, long
rollouts), a figure of truth, prediction and error, and an animation. Several models are surrogates
of different seeds.
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
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument(
        "--model", type=Path, nargs="*", default=[], help="synthetic_model.pt of each replicate"
    )
    options.add_argument("--parameters", type=Path, nargs="*", default=[], help="parameters.yaml")
    options.add_argument("--output", type=Path, required=True, help="folder to write to")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Evaluate the experiment's models."""
    from hybrid_pde.stages.evaluate import evaluate_held_out

    evaluate_held_out(
        arguments.settings,
        arguments.cache,
        arguments.model,
        arguments.parameters,
        arguments.output,
        threads=arguments.threads,
        compile=arguments.compile,
    )


if __name__ == "__main__":
    run_stage(main, parser())
