"""Table of the hybrid cycles: parameters and validation error of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_pde.config import Experiment
from hybrid_pde.config.result_file import read_result_file
from hybrid_pde.evaluation.history import History, read_columns
from hybrid_pde.evaluation.number_format import MISSING, number
from hybrid_pde.evaluation.report.parameter_tables import parameter_rows


@dataclass(frozen=True)
class Cycle:
    """One hybrid cycle.

    Attributes:
        number: Number of the cycle, from 1.
        parameters: Content of its ``parameters.yaml``.
        history: Columns of its ``synthetic/history.csv``.
    """

    number: int
    parameters: Mapping[str, Any]
    history: History


def read_cycles(folder: Path) -> list[Cycle]:
    """Read the completed cycles ``cycle_01``, ``cycle_02``, … of an experiment.

    A cycle is completed if it has ``physical/parameters.yaml`` and ``synthetic/history.csv``.

    Args:
        folder: Results of the experiment.
    """
    found = []
    for path in sorted(folder.glob("cycle_[0-9][0-9]")):
        parameters, history = path / "physical/parameters.yaml", path / "synthetic/history.csv"
        if parameters.exists() and history.exists():
            content = read_result_file(parameters)
            found.append(Cycle(int(path.name[-2:]), content, read_columns(history)))
    return found


def cycle_rows(experiment: Experiment, cycles: Sequence[Cycle]) -> list[dict[str, Any]]:
    """One row per cycle: parameters, smallest validation VRMSE, and a note if reverted.

    Args:
        experiment: The experiment.
        cycles: Result of :func:`read_cycles`.
    """
    rows = []
    for cycle in cycles:
        validation = np.array(cycle.history.get("val_vrmse", []), dtype=float)
        measured = validation[np.isfinite(validation)]
        rows.append(
            {
                "number": cycle.number,
                "estimates": {
                    row["name"]: row["estimate"]
                    for row in parameter_rows(experiment, cycle.parameters)
                },
                "val_vrmse": number(float(measured.min()), 3) if len(measured) else MISSING,
                "note": "parameters of the previous cycle kept"
                if cycle.parameters.get("reverted")
                else "",
            }
        )
    return rows
