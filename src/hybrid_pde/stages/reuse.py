"""The stage ``reuse``: another experiment's calibration, taken over."""

from pathlib import Path

from hybrid_pde.data.atomic import copy_file


def take_over_calibration(source: Path, target: Path) -> None:
    """Copy the results of a calibration, each file atomically.

    Args:
        source: Folder ``physical`` of the experiment that has them.
        target: Folder ``physical`` of the experiment that takes them over.
    """
    last = source / "parameters.yaml"  # it refers to the others
    others = (path for path in sorted(source.glob("*")) if path.suffix in (".nc", ".csv"))
    for path in [*others, last]:
        copy_file(path, target / path.name)
