"""Run folders: an experiment's results, one of its hybrid cycles, or a replicate of its surrogate.

``results/<experiment>``, ``results/<experiment>/cycle_02``, ``results/<experiment>/replicate_01``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

# folder of the estimates of single simulations, in ``physical``
ESTIMATES = "per_simulation"
# file of maps of a calibration's residuals, in ``physical``
RESIDUALS = "residuals.json"
# regular expression of what follows the experiment's name
RUN_FOLDERS = r"(?:/(?:cycle|replicate)_\d\d)?"
_RUN = re.compile(r"(?P<experiment>[^/]+)(?:/(?P<kind>cycle|replicate)_(?P<number>\d\d))?")


def cycle_folder(results: Path, cycle: int) -> Path:
    """Folder of a hybrid cycle, counted from 1."""
    return results / f"cycle_{cycle:02d}"


def replicate_folder(results: Path, replicate: int) -> Path:
    """Folder of a surrogate trained with another seed, counted from 1.

    The surrogate with the experiment's own seed lies in the experiment's folder.
    """
    return results / f"replicate_{replicate:02d}"


@dataclass(frozen=True)
class Run:
    """One folder of trained models.

    Attributes:
        experiment: Name of the experiment.
        cycle: Number of the hybrid cycle, from 1.
        replicate: Number of the surrogate, from 0; it is added to the seed.
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
