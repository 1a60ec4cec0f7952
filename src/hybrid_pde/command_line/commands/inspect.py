"""``hybrid-pde inspect``: what is in raw files, as the pipeline reads them."""

from pathlib import Path


def command(paths: list[Path]) -> None:
    """Show what is in raw files, as the pipeline would read them."""
    from hybrid_pde.errors import RawDataError

    raise RawDataError(f"{paths[0]}: no such file")
