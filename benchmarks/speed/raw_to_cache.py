"""Reading a raw file into the cache, against one read with netCDF4 and one write."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import netCDF4
import numpy as np

from benchmarks.speed.ratios import Pair, Ratio, timed
from hybrid_pde.config import parse_experiment
from hybrid_pde.data.cache.data_manager import DataManager

_FRAMES, _POINTS = 954, 256  # 1 GB of single precision with two simulations of two components


def raw_to_cache(scratch: Path, frames: int = _FRAMES, rounds: int = 3) -> Iterator[Ratio]:
    """One file of 1 GB, in the system's memory when it is read."""
    raw, cache, copy = scratch / "large", scratch / "large_cache", scratch / "large.npy"
    raw.mkdir()
    source = raw / "large.nc"
    _write(source, frames)

    def ours() -> None:
        shutil.rmtree(cache, ignore_errors=True)
        experiment = parse_experiment(
            {
                "run_params": {"model_type": "physical"},
                "data": {
                    "data_dir": str(scratch),
                    "dset_name": raw.name,
                    "cache_dir": str(cache),
                    "fields": ["velocity"],
                },
                "model": {"physical": {"name": "BurgersPDE", "pde_params": {"viscosity": 0.1}}},
                "trainer_params": {"train_sim": [0, 1]},
            }
        )
        store = DataManager.from_experiment(experiment)
        for index in range(2):
            store.load(index)

    def theirs() -> None:
        with netCDF4.Dataset(source) as file:
            file.set_auto_maskandscale(False)
            np.save(copy, file["velocity"][:])

    yield Pair(
        f"raw NetCDF to cache, {source.stat().st_size / 1e9:.2g} GB",
        "one read with netCDF4 and one write",
        timed(ours),
        timed(theirs),
        least=1 / 1.3,
        rounds=rounds,
    ).measure()
    for path in (raw, cache):
        shutil.rmtree(path)
    copy.unlink()


def _write(path: Path, frames: int) -> None:
    values = np.random.default_rng(0).standard_normal((frames, _POINTS, _POINTS), dtype=np.float32)
    centres = (np.arange(_POINTS) + 0.5) / _POINTS
    dims = {"sample": 2, "time": frames, "vector": 2, "x": _POINTS, "y": _POINTS}
    with netCDF4.Dataset(path, "w") as file:
        for name, size in dims.items():
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))[:] = 0.1 * np.arange(frames)
        for axis in ("x", "y"):
            file.createVariable(axis, "f8", (axis,))[:] = centres
        velocity = file.createVariable("velocity", "f4", tuple(dims))
        file.boundary = "periodic"
        for sample in range(2):
            for component in range(2):
                velocity[sample, :, component] = np.roll(values, sample + component, axis=-1)
