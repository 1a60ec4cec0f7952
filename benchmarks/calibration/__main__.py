"""Measures the calibration: accuracy, coverage of the standard deviations, time and memory.

    python -m benchmarks.calibration --data <folder> [--only pdefind heat ...]

The folder holds the public files ``pdefind_burgers.nc``, ``raissi_AC.h5`` and
``2D_diff-react_official_params.h5``; everything else is generated here with fixed seeds.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.calibration import costs, coverage, targets

PROBLEMS = {
    "pdefind": targets.pdefind,
    "allen_cahn": targets.allen_cahn,
    "diffusion_reaction": targets.diffusion_reaction,
    "gray_scott": targets.gray_scott,
    "heat": targets.heat,
    "coverage": coverage.standard_deviation,
    "iteration": costs.iteration,
    "whole": costs.whole,
    "memory": costs.memory,
}


def main() -> None:
    """Run the selected problems."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration")
    parser.add_argument("--data", type=Path, default=Path("data/public"), help="public files")
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--scratch", type=Path, help="folder for what is made, kept if named")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = arguments.scratch or Path(temporary)
        for name in arguments.only:
            PROBLEMS[name](scratch, arguments.data)


if __name__ == "__main__":
    main()
