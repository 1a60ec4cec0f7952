"""Prints the figures of finished experiments: parameters, errors, and the time of each stage.

    python benchmarks/summary.py burgers_2d viscosity=0.01
    python benchmarks/summary.py pdefind_burgers viscosity=0.1

The true values, where they are known, follow the experiment's name. Run it in the folder that holds
``results/``.
"""

import csv
import json
import sys
from pathlib import Path

import yaml


def parameter_lines(folder: Path, truth: dict[str, float]) -> list[str]:
    """Each calibrated parameter with its standard deviation, and its error if truth is known."""
    path = folder / "physical" / "parameters.yaml"
    if not path.exists():
        return []
    calibrated = yaml.safe_load(path.read_text(encoding="utf-8"))
    lines = []
    for name, found in calibrated["parameters"].items():
        line = f"{name}: {found['value']} ± {found['std']:.2g} {found['unit']}"
        line += f", from {found['initial_guess']}"
        if name in truth:
            line += f", {100 * abs(found['value'] / truth[name] - 1):.2g} % off {truth[name]}"
        lines.append(line)
    used = calibrated["numerics"]
    return [*lines, f"numerics: {used['scheme']}, order {used['order']}"]


def error_lines(folder: Path) -> list[str]:
    """Mean VRMSE of each predictor, and its ratio to persistence's."""
    metrics = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    described = metrics["evaluated_on"]
    reference = metrics["persistence"]["vrmse"]
    lines = [
        f"{described['num_steps']}-step rollouts on {len(described['simulations'])} "
        f"{described['split']} simulation(s)"
    ]
    for name in ("synthetic", "physical", "persistence"):
        if name in metrics:
            error = metrics[name]["vrmse"]
            lines.append(f"VRMSE {name}: {error:.3g} ({reference / error:.3g} × persistence)")
    return lines


def time_lines(folder: Path) -> list[str]:
    """Wall-clock time and memory of the experiment's stages."""
    lines = []
    for path in sorted((folder / "benchmarks").glob("*.tsv")):
        with path.open(encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        lines.append(f"{path.stem}: {float(row['s']):.1f} s, {row['max_rss']} MB")
    return lines


def main(name: str, *known: str) -> None:
    """Print the figures of one experiment."""
    folder = Path("results") / name
    truth = {key: float(value) for key, value in (item.split("=") for item in known)}
    for line in [*parameter_lines(folder, truth), *error_lines(folder), *time_lines(folder)]:
        print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
