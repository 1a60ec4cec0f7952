"""``hybrid-pde inspect``: what is in raw files, as the pipeline reads them."""

from typing import Annotated

import typer

Paths = Annotated[
    list[str], typer.Argument(metavar="PATH…", help="Files, folders, or patterns ('runs/*.nc').")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def command(paths: Paths, as_json: AsJson = False) -> None:
    """Show what is in raw files, as the pipeline would read them.

    Reads all values. The files count as one data set: units and grid are those of the first one.
    """
    import json

    from hybrid_pde.command_line.inspection_table import table_of
    from hybrid_pde.data.inspection.description import inspect

    found = inspect(paths)
    if as_json:
        print(json.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print(table_of(found))
