"""The stage ``cache``: raw files to one memory-mapped file a simulation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.result_warnings import recorded_warnings, warn_of_result


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
    with recorded_warnings() as found:
        store = DataManager(raw_dir, manifest.parent, experiment)
        made = store.cache_shard(shard)
        warn_of_assumptions(store)
    # without the folder, so that data that were only moved give the same manifest
    texts = [text.replace(f"{raw_dir}/", "") for text in found]
    write_json(manifest, {**made, "warnings": texts})


def warn_of_assumptions(store: DataManager) -> None:
    """Warn of what neither the experiment nor the raw files state."""
    if store.index is not None and not store.index.boundary_stated:
        warn_of_result(
            "neither data.boundary nor the raw files state the boundary; it is taken as periodic. "
            "State it in data.boundary"
        )
