"""The stage ``cache``: raw files to one memory-mapped file a simulation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager


def cache_shard(
    settings: dict[str, Any], shard: Sequence[int], raw: Sequence[Path], manifest: Path
) -> None:
    """Cache some simulations of a data set and write their manifest.

    Args:
        settings: Section ``data`` of the experiment.
        shard: The simulations.
        raw: Files in the folder of the raw files, which names the data set.
        manifest: JSON file to write, beside the cached simulations.

    Raises:
        UserError: naming the simulations that cannot be cached, after all others have been.
    """
    raw_dir = raw[0].parent
    data = {**settings["data"], "dset_name": raw_dir.name}
    experiment = parse_experiment({**settings, "data": data})
    DataManager(raw_dir, manifest.parent, experiment).write_manifest(shard, manifest)
