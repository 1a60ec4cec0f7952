"""Numbers of simulations, which must not shift while a run is under way.

Simulations are counted over the raw files by name, so a file that is added or removed gives others
another number: one for training could become one for testing.
"""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

from hybrid_pde.data.cache.cache_location import digest_of
from hybrid_pde.data.cache.raw_index import RawIndex
from hybrid_pde.errors import RawDataError

# environment variable: the raw files for which a call of Snakemake planned its jobs, which also
# jobs on other machines inherit
PLANNED = "HYBRID_PDE_RAW_FILES"


def note_planned(indices: Iterable[RawIndex]) -> None:
    """Let all jobs of this process know for which raw files they were planned."""
    planned = {
        os.path.abspath(index.raw_dir): _summary(index, index.num_simulations) for index in indices
    }
    os.environ[PLANNED] = json.dumps(planned)


def check_numbers(
    index: RawIndex, simulations: Sequence[int], files: Sequence[str], first_sample: int
) -> None:
    """Check that simulations have the numbers that they had when a job was planned.

    Args:
        index: The raw files of now.
        simulations: Successive simulations.
        files: Names of the files that they were in then.
        first_sample: Place of the first one in its file then.

    Raises:
        RawDataError: if files were added or removed since, other than after all simulations.
    """
    now = index.simulations[simulations[0] : simulations[-1] + 1]
    names = list(dict.fromkeys(path.name for path, _ in now))
    if names == list(files) and now[0][1] == first_sample and _is_as_planned(index):
        return
    changed = sorted(set(names) ^ set(files))
    raise RawDataError(
        f"{index.raw_dir}: raw files were added or removed since this run was planned, so that "
        f"simulations {simulations[0]} to {simulations[-1]} or others have another number by now"
        f"{f' ({changed[0]})' if changed else ''}; call the same command again to plan with the "
        "files that are there"
    )


def _is_as_planned(index: RawIndex) -> bool:
    """True if the planned simulations are as noted; true if there is no note of the files."""
    try:
        planned = json.loads(os.environ.get(PLANNED, "{}")).get(os.path.abspath(index.raw_dir))
        return planned is None or planned == _summary(index, int(planned["simulations"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return True  # a variable of another program


def _summary(index: RawIndex, count: int) -> dict[str, Any]:
    """Number of the first simulations, at most ``count``, and a digest of where they are."""
    first = [[path.name, sample] for path, sample in index.simulations[:count]]
    return {"simulations": len(first), "digest": digest_of({"files": first})}
