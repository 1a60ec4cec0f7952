"""Writing of ``rollouts.nc``: truth and predictions of held-out simulations.

Dimensions are ``time`` (lead time), ``sample``, then space with x last, the order of the CF
conventions. ParaView uses the dimension marked as time for its time steps and supports at most
three more, so in 3D there is no ``sample`` dimension and a single simulation is kept. The spatial
coordinates have no ``axis`` attribute, because ParaView interprets ``X`` and ``Y`` as longitude and
latitude and wraps the fields around a sphere. Variables
and coordinates have the units that the data state.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hybrid_pde.data.atomic import atomic_path
from hybrid_pde.domain.grid import FieldLayout, Grid, axis_points
from hybrid_pde.evaluation.rollout_samples import RolloutSample

LONG_NAMES = {
    "truth": "truth",
    "synthetic": "prediction of the synthetic model",
    "physical": "prediction of the calibrated physical model",
}


def write_rollouts(
    path: str | Path, samples: Sequence[RolloutSample], attributes: Mapping[str, Any] | None = None
) -> None:
    """Write the rollouts of ``samples`` as a compressed netCDF-4 file, atomically.

    Variables are ``<field>_<source>``, for vectors ``<field>_<component>_<source>``, with the
    sources ``truth``, ``synthetic`` and ``physical``; NaN after a divergence. Persistence equals
    the first frame of the truth and is omitted.

    Args:
        path: File to write.
        samples: Simulations on one grid; shorter ones are padded with NaN.
        attributes: Global attributes to add, e.g. the experiment's name.
    """
    dataset = rollout_dataset(samples)
    dataset.attrs |= dict(attributes or {})
    encoding = {name: {"zlib": True, "complevel": 4, "shuffle": True} for name in dataset.data_vars}
    with atomic_path(Path(path)) as sibling:
        dataset.to_netcdf(sibling, engine="netcdf4", format="NETCDF4", encoding=encoding)


def rollout_dataset(samples: Sequence[RolloutSample]) -> xr.Dataset:
    """Combine the rollouts to a dataset with coordinates."""
    first = samples[0]
    grid = first.grid
    kept = samples if len(grid.axes) < 3 else samples[:1]
    steps = max(len(values) for sample in kept for values in sample.truth.values())
    variables: dict[str, xr.DataArray] = {}
    for source in ("truth", *first.predictions):
        for layout in first.layouts:
            rollouts = [_source(sample, source).get(layout.name) for sample in kept]
            present = [rollout for rollout in rollouts if rollout is not None]
            if len(present) == len(kept):
                variables |= _variables(source, layout, grid, _padded(present, steps))
                for name in _names(source, layout):
                    variables[name].attrs |= _units(first.units.of(layout.name))
    dataset = xr.Dataset(variables, coords=_coordinates(first, kept, steps))
    dataset = dataset if len(grid.axes) < 3 else dataset.isel(sample=0)
    dataset.attrs = {
        "Conventions": "CF-1.11",
        "title": "Held-out simulations and their predictions",
        "dt": first.dt,
        "boundary": ", ".join(
            f"{axis}: {lower} / {upper}"
            for axis, (lower, upper) in zip(grid.axes, grid.boundary, strict=True)
        ),
    }
    return dataset


def _source(sample: RolloutSample, source: str) -> Mapping[str, NDArray[Any]]:
    return sample.truth if source == "truth" else sample.predictions[source]


def _padded(rollouts: Sequence[NDArray[Any]], steps: int) -> NDArray[Any]:
    """``[T, S, C, *space]`` with shorter rollouts padded with NaN."""
    shape = (steps, len(rollouts), *rollouts[0].shape[1:])
    stacked = np.full(shape, np.nan, dtype=np.result_type(*rollouts))
    for index, rollout in enumerate(rollouts):
        stacked[: len(rollout), index] = rollout
    return stacked


def _variables(
    source: str, layout: FieldLayout, grid: Grid, values: NDArray[Any]
) -> dict[str, xr.DataArray]:
    dims = ("time", "sample", *grid.axes)
    variables = {}
    for channel, name in enumerate(_names(source, layout)):
        component = layout.components[channel] if layout.components else None
        described = f"{component}-component of {layout.name}" if component else layout.name
        variables[name] = xr.DataArray(
            values[:, :, channel],
            dims=dims,
            attrs={"long_name": f"{described}, {LONG_NAMES[source]}", "source": source},
        ).transpose("time", "sample", *reversed(grid.axes))
    return variables


def _names(source: str, layout: FieldLayout) -> list[str]:
    """Name of the variable of each channel."""
    parts = [(layout.name, each, source) for each in layout.components or ("",)]
    return ["_".join(filter(None, each)) for each in parts]


def _units(unit: str) -> dict[str, str]:
    """The attribute ``units`` of a quantity whose unit is known."""
    return {"units": unit} if unit else {}


def _coordinates(
    first: RolloutSample, samples: Sequence[RolloutSample], steps: int
) -> dict[str, xr.DataArray]:
    coordinates = {
        "time": xr.DataArray(
            first.dt * np.arange(steps),
            dims="time",
            attrs={"axis": "T", "long_name": "lead time", **_units(first.units.time)},
        ),
        "sample": xr.DataArray(
            np.array([sample.index for sample in samples], dtype=np.int32),
            dims="sample",
            attrs={"long_name": "index of the simulation"},
        ),
    }
    for axis, points in axis_points(first.grid).items():
        attributes = {"long_name": f"position {axis}", **_units(first.units.length)}
        coordinates[axis] = xr.DataArray(points, dims=axis, attrs=attributes)
    return coordinates
