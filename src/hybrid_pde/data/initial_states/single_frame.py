"""Files of initial states with one frame or no time axis, read as files of two equal frames.

Readers of raw files need two frames, for a time step; a file of states needs only one.
"""

import tempfile
from pathlib import Path

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.subprocess_reader import check_readable
from hybrid_pde.data.readers.netcdf import SUFFIXES


def with_two_frames(path: Path, data: DataParams) -> Path | None:
    """A copy of the file in which the only frame is repeated, in a temporary folder of its own.

    Args:
        path: A file of initial states.
        data: Section ``data`` as it applies to the file.

    Returns:
        The copy; ``None`` if the file is not NetCDF, or has several frames. The caller removes
        its folder.

    Raises:
        RawDataError: if the file cannot be read.
    """
    if path.suffix.lower() not in SUFFIXES:
        return None
    import xarray as xr

    from hybrid_pde.data.raw_files.dimension_roles import dimension_roles, field_variables
    from hybrid_pde.data.raw_files.guards import errors_name_file
    from hybrid_pde.data.raw_files.netcdf_file import open_dataset

    check_readable(path)
    with open_dataset(path) as dataset, errors_name_file(path):
        roles = dimension_roles(dataset, data.dims)
        names = [each for field in data.fields for each in field_variables(dataset, field, data)]
        used = {str(dim) for name in names for dim in dataset[name].dims}
        times = [dim for dim in used if roles.get(dim) == "time"]
        if any(dataset.sizes[dim] > 1 for dim in times):
            return None
        axis = times[0] if times else data.dims.get("time", "time")
        single = dataset.drop_vars(axis, errors="ignore").load()
        if not times:
            single = single.assign({name: single[name].expand_dims(axis) for name in names})
        repeated = xr.concat([single, single], axis, data_vars="minimal", coords="minimal")
        repeated = repeated.assign_coords({axis: [0.0, 1.0]})
    copy = Path(tempfile.mkdtemp(prefix="initial-states-")) / path.name
    repeated.to_netcdf(copy, engine="netcdf4")
    return copy
