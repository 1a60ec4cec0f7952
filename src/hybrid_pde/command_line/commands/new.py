"""``hybrid-pde new``: a commented experiment file for given raw files."""

from pathlib import Path
from typing import Annotated

import typer

RawPath = Annotated[Path, typer.Argument(metavar="PATH", help="A raw file, or a folder of them.")]
Equation = Annotated[
    str | None, typer.Option(help="Value of model.physical.name, e.g. BurgersPDE.")
]
Output = Annotated[
    Path | None, typer.Option(help="File to write; by default config/NAME.yaml, or NAME.yaml.")
]


def command(path: RawPath, equation: Equation = None, output: Output = None) -> None:
    """Write a commented experiment file for raw files, ready to run.

    The simulations are split into training, validation and test. Without --equation the built-in
    equations that fit the fields are compared with the data, and the one that explains them is
    taken, if it is only one.
    """
    from hybrid_pde.command_line.draft.new_experiment import write_experiment

    print(write_experiment(path, equation, output))
