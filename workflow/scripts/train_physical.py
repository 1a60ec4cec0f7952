"""Calibrates the physical model: estimates its learnable parameters from the training simulations.

Writes ``parameters.yaml`` (values with standard deviations, status, numerics) and ``history.csv``
(one row an iteration). A calibration that diverges writes nothing, unless
``suppress_convergence_errors`` asks for the best estimate so far. In a later hybrid cycle it also
sees what the synthetic model predicts where nothing is seen.
"""

import argparse
from pathlib import Path

from src.config import parse_experiment
from src.data.cache_manager import CacheManager
from src.data.simulation_store import SimulationStore
from src.factories.calibration import Guide, calibrate
from workflow.stage import limit_threads, run_stage, stage_parser


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    options = stage_parser(__doc__)
    options.add_argument("--cache", type=Path, nargs="+", required=True, help="cache manifests")
    options.add_argument("--previous", type=Path, nargs="*", default=[], help="of the cycle before")
    options.add_argument("--guidance", type=Path, nargs="*", default=[], help="its predictions")
    options.add_argument("--parameters", type=Path, required=True, help="YAML file to write")
    options.add_argument("--history", type=Path, required=True, help="CSV file to write")
    return options


def main(arguments: argparse.Namespace) -> None:
    """Calibrate on the training simulations."""
    limit_threads(arguments.threads)
    experiment = parse_experiment(arguments.settings)
    store = SimulationStore(arguments.cache[0].parent)
    guide = None
    if arguments.guidance:
        guide = Guide(CacheManager(arguments.guidance[0].parent), arguments.previous[0])
    calibrate(experiment, store, arguments.parameters, arguments.history, guide=guide)


if __name__ == "__main__":
    run_stage(main, parser())
