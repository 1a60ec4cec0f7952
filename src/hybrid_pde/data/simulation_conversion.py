"""Simulations of a cache, generated ones, and rollouts, as datasets by the CF conventions.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from hybrid_pde.data.cache.cache_file import CachedSimulation, open_simulation
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.cf_dataset import CONVENTIONS, cf_dataset
from hybrid_pde.data.dataset_file import NETCDF, write_datasets
from hybrid_pde.data.raw_files.subprocess_reader import check_readable
from hybrid_pde.errors import ExportError

TITLE = "Simulation of a cache"


def convert(source: Path, output: Path, simulation: int | None = None) -> list[int]:
    """Write simulations as NetCDF or Zarr, by the ending of the file's name.

    Args:
        source: A cached or generated simulation, a folder of them, or a NetCDF file of this
            program: ``rollouts.nc``, or a raw file of ``generation_params``.
        output: File or store to write.
        simulation: The only simulation to take from a folder; by default all of them, along the
            dimension ``sample``.

    Returns:
        The simulations of a folder, by number.

    Raises:
        ExportError: if the source is something else, or its simulations have different times.
        CacheError: if a simulation is damaged.
    """
    if source.suffix.lower() in NETCDF and source.is_file():
        check_readable(source)
        with xr.open_dataset(source, engine="netcdf4", decode_cf=False) as dataset:
            write_datasets(output, [_as_cf(dataset)])
        return []
    if source.suffix == ".safetensors":
        write_datasets(output, [simulation_dataset(open_simulation(source))])
        return []
    store = SimulationStore(source)
    numbers = store.indices()
    if not numbers:
        raise ExportError(
            f"{source}: no simulations to convert; a source is a folder of simulations "
            "(sim_000000.safetensors, …), one of them, or a NetCDF file like rollouts.nc"
        )
    if simulation is not None:
        write_datasets(output, [simulation_dataset(store.load(simulation))])
        return [simulation]
    store.validate(numbers)
    write_datasets(output, _samples(store, numbers))
    return numbers


def simulation_dataset(simulation: CachedSimulation) -> xr.Dataset:
    """A cached simulation with its known parameters; values are those of the file, unchanged."""
    header = simulation.header
    fields = {name: tensor.numpy() for name, tensor in simulation.fields.items()}
    layouts = list(header.layouts)
    for parameter in header.known:
        if parameter.is_field:
            layouts.append(replace(parameter.layout, name=parameter.name))
            fields[parameter.name] = simulation.known[parameter.name].numpy()
    attributes = {"title": TITLE, "source": json.dumps(header.source), "dt": header.dt}
    times = np.array(header.times)
    dataset = cf_dataset(fields, header.grid, layouts, times, header.units, attributes)
    for parameter in header.known:
        if parameter.is_field:
            continue
        dims = [] if parameter.static else ["time"]
        dims += [f"axis_of_{parameter.name}"] if parameter.components else []
        attrs = {"long_name": f"known parameter {parameter.name}"}
        if unit := header.units.of(parameter.name):
            attrs["units"] = unit
        values = simulation.known[parameter.name].numpy()
        dataset[parameter.name] = xr.DataArray(values, dims=dims, attrs=attrs)
    return dataset


def _samples(store: SimulationStore, numbers: list[int]) -> Iterator[xr.Dataset]:
    """The simulations, each with the dimension ``sample`` of one entry."""
    times: np.ndarray | None = None
    for number in numbers:
        dataset = simulation_dataset(store.load(number))
        own = dataset["time"].values
        times = own if times is None else times
        if own.shape != times.shape or not np.allclose(own, times):
            raise ExportError(
                f"{store.path(number)}: {len(own)} frames from time {own[0]:.6g}, {len(times)} "
                f"from {times[0]:.6g} in simulation {numbers[0]}; a file has one time axis, so "
                "convert them one by one with --simulation"
            )
        label = xr.DataArray([number], dims="sample", attrs={"long_name": "number of simulation"})
        dataset = dataset.expand_dims(sample=label)
        dataset.attrs.pop("source")  # of each simulation another one
        yield dataset


def _as_cf(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with the attributes that the conventions ask for."""
    attrs = {**dataset.attrs}
    attrs.setdefault("Conventions", CONVENTIONS)
    dataset = dataset.assign_attrs(attrs)
    for variable in dataset.variables.values():
        variable.encoding = {}
    if "time" in dataset.coords:
        dataset["time"].attrs.setdefault("axis", "T")
        dataset["time"].attrs.setdefault("standard_name", "time")
    return dataset
