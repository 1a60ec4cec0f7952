"""The stage ``cache``: raw files to one memory-mapped file a simulation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.config.loading import parse_experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.cache.announcements import ASSUMED_PERIODIC, warn_of_conversions
from hybrid_pde.data.cache.data_manager import DataManager
from hybrid_pde.data.cache.manifests import raw_files_of, warnings_of
from hybrid_pde.data.cache.numbering import check_numbers
from hybrid_pde.data.inspection.box_ends import axes_with_open_ends
from hybrid_pde.data.inspection.notes import not_periodic
from hybrid_pde.data.raw_files.unit_conversion import is_rate_in_other_lengths
from hybrid_pde.result_warnings import recorded_warnings, warn_of_result

MANIFEST_SUFFIX = ".json"


def cache_shard(
    settings: dict[str, Any],
    shard: Sequence[int],
    raw: Sequence[Path],
    manifest: Path,
    first_sample: int = 0,
) -> None:
    """Cache some simulations of a data set and write their manifest.

    Args:
        settings: Section ``data`` of the experiment.
        shard: The simulations.
        raw: The raw files of these simulations, or manifests of simulated ones, in the order of
            the simulations; their folder names the data set.
        manifest: JSON file to write, beside the cached simulations.
        first_sample: Place of the first simulation in the first raw file.

    Raises:
        UserError: if the simulations have other numbers by now, or naming those that cannot be
            cached, after all others have been.
    """
    # the cache of a data set that is a single file is named like the file
    is_single = raw[0].name in (manifest.parent.name, manifest.parent.parent.name)
    raw_dir = raw[0] if is_single else raw[0].parent
    data = {**settings["data"], "dset_name": raw_dir.name}
    experiment = parse_experiment({**settings, "data": data})
    with recorded_warnings() as found:
        store = DataManager(raw_dir, manifest.parent, experiment)
        if store.index is not None:
            manifests = [path for path in raw if path.suffix == MANIFEST_SUFFIX]
            simulated = raw_files_of(manifests, shard)
            files = [path.name for path in raw if path not in manifests]
            check_numbers(store.index, shard, simulated or files, first_sample)
        made = store.cache_shard(shard)
        warn_of_assumptions(store)
        warn_of_open_ends(store, shard)
    # without the folder, so that data that were only moved give the same manifest
    texts = [text.replace(f"{raw_dir}/", "") for text in found]
    simulated = warnings_of([path for path in raw if path.suffix == MANIFEST_SUFFIX])
    write_json(manifest, {**made, "warnings": [*simulated, *texts]})


def warn_of_assumptions(store: DataManager) -> None:
    """Warn of what neither the experiment nor the raw files state, and of converted numbers."""
    if store.index is None:
        return
    warn_of_conversions(store.index.units, store.index.grid, store.experiment)
    for line in store.index.units.likely_ends:
        warn_of_result(
            "the points are taken for cell centres, but the values at the ends fit points on the "
            f"boundary far better. If the points include both ends of the domain, set {line}"
        )
    units = store.index.units
    for name, unit in () if units.length else units.variables:
        if is_rate_in_other_lengths(unit):
            warn_of_result(
                f"{name} is in {unit!r}, and the axes state no unit: they are taken to be in the "
                "unit of length of that. If they are in another one, add the attribute units to "
                "their coordinate variables"
            )
    if not store.index.boundary_stated:
        warn_of_result(ASSUMED_PERIODIC)


def warn_of_open_ends(store: DataManager, shard: Sequence[int]) -> None:
    """Warn of axes that are taken as periodic, stated or not, while the values say otherwise."""
    axes = axes_with_open_ends(store, shard)
    if axes:
        warn_of_result(
            f"{not_periodic(axes)}. Taken as periodic, it gives wrong parameters. Ignore this if a "
            "front lies exactly at the ends of a periodic box"
        )
