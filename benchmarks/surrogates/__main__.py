"""Measures the reading rate of windows, and the gain of surrogates from generated data.

    python -m benchmarks.surrogates [--only reading burgers_1d ...]

Everything is generated here with fixed seeds, except for ``long_rollouts``, which reads results of
the shipped experiments. ``burgers_1d`` and ``burgers_2d`` train six surrogates each, some minutes
for each on one core.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.surrogates import augmented, reading
from benchmarks.surrogates.table import HEADER

PROBLEMS = {
    "reading": reading.reading,
    "burgers_1d": augmented.burgers_1d,
    "burgers_2d": augmented.burgers_2d,
    "long_rollouts": augmented.long_rollouts,
}


def main() -> None:
    """Run the selected problems."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surrogates")
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--scratch", type=Path, help="folder for what is made, kept if named")
    arguments = parser.parse_args()
    print(HEADER)
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.only:
            PROBLEMS[name](arguments.scratch or Path(temporary))


if __name__ == "__main__":
    main()
