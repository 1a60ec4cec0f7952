"""Times one calibration in a process of its own; prints a JSON line for each run that is asked for.

    python -P benchmarks/speed/calibration_probe.py CASE.json

The file holds the folder of the raw data and the sections ``data``, ``model.physical`` and
``trainer_params``. A line on standard input asks for a run. Which revision of the library is timed
is decided by PYTHONPATH, so this program imports nothing else of this package.
"""

import json
import sys
from pathlib import Path

from benchmarks.calibration.fit import fit


def main(path: str) -> None:
    """Answer requests until standard input ends."""
    case = json.loads(Path(path).read_text(encoding="utf-8"))
    answers, sys.stdout = sys.stdout, sys.stderr
    for _ in sys.stdin:
        found = fit(Path(case["raw"]), case["data"], case["physical"], case["training"])
        answer = {
            "seconds": found.seconds,
            "values": {name: found.value(name) for name in case["parameters"]},
            "std": {name: found.std(name) for name in case["parameters"]},
            "uncertainty": {
                name: found.result["parameters"][name].get("uncertainty")
                for name in case["parameters"]
            },
            "cpu_seconds": found.cpu_seconds,
            "peak_mib": _peak_mib(),
        }
        print(json.dumps(answer), file=answers, flush=True)


def _peak_mib() -> float:
    """Largest resident memory so far; ``ru_maxrss`` begins with that of the parent."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
