"""The option ``--module``: the Python file of a user's own model."""

from pathlib import Path
from typing import Annotated

import typer

OwnModule = Annotated[
    Path | None,
    typer.Option("--module", help="Python file of a model of your own, which is run."),
]


def import_own_module(module: Path | None) -> None:
    """Run the file that the option names, if any.

    Raises:
        ConfigError: if there is no such file, or it fails.
    """
    if module is None:
        return
    from hybrid_pde.models.registry import import_user_file  # imports PyTorch

    import_user_file(module, "--module")
