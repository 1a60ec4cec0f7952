"""``hybrid-pde verify``: whether result files have the format that the documentation specifies."""

from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH...",
        help="Cached or generated simulations, their manifests, synthetic_model.pt, "
        "parameters.yaml, or folders of these.",
    ),
]


def command(paths: Paths) -> None:
    """Check all values of files against their format's specification."""
    from hybrid_pde.command_line.file_verification import verify

    for path in paths:
        for line in verify(path):
            print(line)
