"""``hybrid-pde sweep``: experiment files for all combinations of some values."""

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="A name in config/, or the path of a YAML file.")
]
Assignments = Annotated[
    list[str],
    typer.Argument(
        metavar="KEY=V1,V2,…", help="A key with its values; several keys make all combinations."
    ),
]
Folder = Annotated[Path, typer.Option(help="Folder of the files; Snakemake finds those in config.")]


def command(experiment: Name, assignments: Assignments, output: Folder = Path("config")) -> None:
    """Write an experiment file for each combination of values.

    It prints the call that runs them. Experiments that differ in the surrogate alone share the
    data, the calibration and the generated simulations of the given one (the key reuse).
    """
    from hybrid_pde.command_line.run_commands import run_command, workflow_options
    from hybrid_pde.command_line.sweeping.sweep_files import write_sweep
    from hybrid_pde.config import load_experiment
    from hybrid_pde.config.loading import CONFIG_DIR

    files = write_sweep(experiment, assignments, output)
    for file in files:
        reused = load_experiment(file)["reuse"]
        print(f"{file}: written{f', reuses {reused}' if reused else ''}")
    if output == Path(CONFIG_DIR):
        targets = " ".join(f"results/{name}/report.html" for name in files.values())
        print(f"run:     snakemake {workflow_options()}--cores 2 {targets}")
    else:
        for file, name in files.items():
            print(f"run:     {run_command(file, name)}")
    results = " ".join(f"results/{name}" for name in files.values())
    print(f"compare: hybrid-pde compare {results} --output compared.html")
