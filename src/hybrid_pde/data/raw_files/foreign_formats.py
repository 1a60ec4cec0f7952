"""Advice for files of formats that are not read: why not, and how to convert them."""

import re
from pathlib import Path

_MAT = (
    "xr.Dataset({'u': (('time', 'x'), m['u'])}, {'time': m['t'].ravel(), 'x': m['x'].ravel()})"
    ".to_netcdf('a.nc')"
)
_TABLE = (
    "import pandas as pd; table = pd.read_csv('a.csv'); "
    "table.set_index(['time', 'x']).to_xarray().to_netcdf('a.nc')"
)
_PICKLE = (
    "it may hold Python objects, which can run code when they are loaded; load it where you trust "
    "it, and write its arrays: import numpy as np; np.savez('a.npz', u=u, time=t, x=x)"
)
_VTK = (
    "VTK files hold one frame of an unstructured or image grid; join them: import pyvista, numpy "
    "as np; u = np.stack([pyvista.read(f)['u'].reshape(shape, order='F') for f in files]); "
    "np.savez('a.npz', u=u, time=t, x=x)"
)
ADVICE = {
    ".mat": "MATLAB files are not read; convert it: import scipy.io, xarray as xr; "
    "m = scipy.io.loadmat('a.mat'); " + _MAT + " (with h5py instead of scipy.io for version 7.3)",
    ".grib": "GRIB is not read; convert it: cdo -f nc copy a.grib a.nc, or xarray with cfgrib: "
    "xr.open_dataset('a.grib', engine='cfgrib').to_netcdf('a.nc')",
    ".csv": "tables are not read; convert one with the columns time, x, u: " + _TABLE,
    ".vtk": _VTK,
    ".pkl": "pickled files are not read: " + _PICKLE,
    ".pt": "PyTorch files are not read as data: " + _PICKLE,
    ".tif": "images are not read; write their values: import numpy as np; "
    "np.savez('a.npz', u=np.stack(frames), time=t, x=x, y=y)",
    ".bp": "ADIOS files are not read; convert it: import adios2, numpy as np; read the variables "
    "with adios2.FileReader, and np.savez('a.npz', u=u, time=t, x=x)",
}
_SAME = {
    ".grb": ".grib", ".grib2": ".grib", ".grb2": ".grib",
    ".txt": ".csv", ".dat": ".csv", ".tsv": ".csv", ".parquet": ".csv", ".feather": ".csv",
    ".vtu": ".vtk", ".vti": ".vtk", ".vtr": ".vtk", ".vts": ".vtk", ".pvd": ".vtk", ".pvtu": ".vtk",
    ".xdmf": ".vtk",
    ".pickle": ".pkl", ".joblib": ".pkl", ".dill": ".pkl",
    ".pth": ".pt", ".ckpt": ".pt",
    ".tiff": ".tif", ".png": ".tif", ".jpg": ".tif",
}  # fmt: skip
# first bytes of formats that are read, with the endings of their names
_SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": ("NetCDF 4 or HDF5", ".nc or .h5"),
    b"CDF": ("NetCDF 3", ".nc"),
    b"\x93NUMPY": ("a NumPy array", ".npy"),
}

_SCENE = re.compile(r"sim_\d+")  # the name of a folder


def advice(path: Path) -> str:
    """Advice on a file with the ending of a format that is not read; empty for other endings."""
    suffix = path.suffix.lower()
    return _misnamed(path) or ADVICE.get(_SAME.get(suffix, suffix), "")


def why_unreadable(path: Path, endings: tuple[str, ...]) -> str:
    """Why no reader takes a file, and what would help.

    Args:
        path: The file.
        endings: Endings of the files that are read.
    """
    if not path.exists():
        return "no such file or folder"
    known = f"the files that are read end in {', '.join(endings)}"
    if path.is_dir():
        inside = sorted(each.name for each in path.iterdir() if _holds_a_state(each, endings))
        one = f"name one state in it, e.g. {inside[0]}" if inside else known
        return f"a folder that is neither a Zarr store nor a PhiFlow scene; {one}"
    if found := advice(path):
        return found
    return f"a file of an unknown kind ({path.suffix or 'no ending'}); {known}"


def _holds_a_state(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.endswith(endings) or bool(path.is_dir() and _SCENE.fullmatch(path.name))


def _misnamed(path: Path) -> str:
    """Advice for a file that its first bytes show to be readable; empty for others."""
    if not path.is_file():
        return ""
    with open(path, "rb") as stream:
        first = stream.read(max(map(len, _SIGNATURES)))
    for signature, (kind, endings) in _SIGNATURES.items():
        if first.startswith(signature):
            return f"{kind} by its content; rename the file so that its name ends in {endings}"
    return ""
