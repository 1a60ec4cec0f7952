"""What an experiment of several hybrid cycles leaves in its own folder."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.evaluation.history import read_text_rows, write_history

HISTORIES = ("physical/history.csv", "synthetic/history.csv")


def conclude_cycles(folders: Sequence[Path], results: Path) -> None:
    """Copy the last cycle's models, and join the histories of all cycles.

    The rows of a history get a column ``cycle``, counted from 1; the state that a later cycle
    starts from, which is the last row of the cycle before, is not told again. Each file appears
    whole or not at all.

    Args:
        folders: Those of the cycles, in their order.
        results: The experiment's folder.
    """
    last = folders[-1]
    # fields that are parameters lie beside the file that names them, so they come before it
    for source in [*sorted((last / "physical").glob("*.nc")), last / "physical/parameters.yaml"]:
        _copy(source, results / "physical" / source.name)
    _copy(last / "synthetic_model.pt", results / "synthetic_model.pt")
    for name in HISTORIES:
        rows = [
            {"cycle": number, **row}
            for number, folder in enumerate(folders, 1)
            for row in read_text_rows(folder / name)
            if row.get("train_loss") != ""
        ]
        write_history(results / name, rows)


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
