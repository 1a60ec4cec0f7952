"""The stage ``hybrid``: results of an experiment of several cycles, from its cycles' folders."""

from collections.abc import Sequence
from pathlib import Path

from hybrid_pde.data.atomic import copy_file
from hybrid_pde.domain.run_folders import RESIDUALS
from hybrid_pde.evaluation.history import read_text_rows, write_history

HISTORIES = ("physical/history.csv", "synthetic/history.csv")


def collect_cycles(folders: Sequence[Path], results: Path) -> None:
    """Copy the last cycle's models, and join the histories of all cycles.

    The rows of a history get a column ``cycle``, counted from 1. The first row of a later cycle,
    which repeats the last row of the cycle before, is left out. Each file is written atomically.

    Args:
        folders: Folders of the cycles, in their order.
        results: The experiment's folder.
    """
    last = folders[-1]
    # files of field parameters first, since parameters.yaml refers to them
    beside = [*sorted((last / "physical").glob("*.nc")), *(last / "physical").glob(RESIDUALS)]
    for source in [*beside, last / "physical/parameters.yaml"]:
        copy_file(source, results / "physical" / source.name)
    copy_file(last / "synthetic_model.pt", results / "synthetic_model.pt")
    for name in HISTORIES:
        rows = [
            {"cycle": number, **row}
            for number, folder in enumerate(folders, 1)
            for row in read_text_rows(folder / name)
            if row.get("train_loss") != ""
        ]
        write_history(results / name, rows)
