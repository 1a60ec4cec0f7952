"""Folders of an experiment's hybrid cycles and of its replicates, surrogates with other seeds."""

import re
from dataclasses import dataclass
from pathlib import Path

from hybrid_pde.domain.run_folders import cycle_folder

_RUN = re.compile(r"(?P<experiment>[^/]+)(?:/(?P<kind>cycle|replicate)_(?P<number>\d\d))?")
RUN_FOLDERS = r"(?:/(?:cycle|replicate)_\d\d)?"


@dataclass(frozen=True)
class Run:
    """One folder of trained models: an experiment, a hybrid cycle or a replicate.

    Attributes:
        experiment: Name of the experiment.
        cycle: Number of the hybrid cycle, from 1.
        replicate: Number of the replicate, from 0; it is added to the seed.
        folder: The folder, ``results/<experiment>`` or one below it.
    """

    experiment: str
    cycle: int
    replicate: int
    folder: str

    @classmethod
    def parse(cls, text: str) -> "Run":
        """The run of ``<name>``, ``<name>/cycle_02`` or ``<name>/replicate_01``."""
        match = _RUN.fullmatch(text)
        assert match is not None, text
        number = int(match["number"] or 0)
        return cls(
            experiment=match["experiment"],
            cycle=number if match["kind"] == "cycle" else 1,
            replicate=number if match["kind"] == "replicate" else 0,
            folder=f"results/{text}",
        )

    @property
    def before(self) -> str:
        """Folder of the previous cycle."""
        assert self.cycle > 1
        return str(cycle_folder(Path("results") / self.experiment, self.cycle - 1))
