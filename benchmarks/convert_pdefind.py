"""Converts PySINDy's ``examples/data/burgers.mat`` to a raw NetCDF file.

    python benchmarks/convert_pdefind.py burgers.mat data/pdefind_burgers/burgers.nc

The data are from Rudy, Brunton, Proctor and Kutz (2017), Science Advances 3, e1602614:
u_t + u u_x = 0.1 u_xx, 256 points on the periodic box [-8, 8), 101 frames.
"""

import hashlib
import sys
from pathlib import Path

import scipy.io
import xarray as xr

SHA256 = "a3e94965062ff4fc4b473c0909e0b1fb891dbc740dd7359743f38b351a281b8e"


def main(source: str, target: str) -> None:
    """Convert one file."""
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()
    if digest != SHA256:
        print(f"note: {source} has the digest {digest}, the figures are for {SHA256}")
    content = scipy.io.loadmat(source)
    solution = xr.DataArray(
        content["usol"].real.T,
        coords={"time": content["t"].ravel(), "x": content["x"].ravel()},
        dims=("time", "x"),
    )
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    solution.to_dataset(name="u").to_netcdf(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
