"""``hybrid-pde compare``: results of several experiments on one page."""

from pathlib import Path
from typing import Annotated

import typer

Results = Annotated[
    list[Path], typer.Argument(metavar="RESULTS…", help="Folders results/<experiment>.")
]
Output = Annotated[Path, typer.Option(help="The HTML page to write.")]


def command(results: Results, output: Output) -> None:
    """Write a page that compares the results of experiments.

    It shows their parameters, errors, times and warnings side by side.
    """
    from hybrid_pde.evaluation.report.comparison import write_comparison

    write_comparison(output, results)
    print(f"{output}: written, {len(results)} experiments")
