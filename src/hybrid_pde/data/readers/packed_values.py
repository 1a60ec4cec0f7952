"""Packed and masked numbers of a NetCDF variable, decoded."""

from typing import Any

import netCDF4
import numpy as np
import xarray as xr

MASKS = ("_FillValue", "missing_value")
RANGES = ("valid_range", "valid_min", "valid_max")


def decode(variable: xr.Variable) -> np.ndarray:
    """The values that a block of a variable stands for; NaN where one is missing.

    Missing is what equals ``_FillValue`` or ``missing_value``, lies outside ``valid_range``, or,
    in a variable without a fill value of its own, was never written.

    Args:
        variable: A block in memory with all of the variable's attributes.

    Raises:
        ValueError: if the variable does not hold real numbers.
    """
    raw = variable.values
    if raw.dtype.kind not in "iuf":
        raise ValueError(f"holds {raw.dtype}, not real numbers")
    missing = _outside(raw, variable.attrs) | _never_written(raw, variable.attrs)
    attrs = {key: value for key, value in variable.attrs.items() if key not in RANGES}
    packed = xr.Dataset({"values": (variable.dims, raw, _scalar_fills(attrs))})
    values = xr.decode_cf(packed, decode_times=False, decode_coords=False)["values"].values
    if missing.any():
        values = values.astype(np.result_type(values.dtype, np.float32))
        values[missing] = np.nan
    return values


def _scalar_fills(attrs: dict[str, Any]) -> dict[str, Any]:
    """Only what decoding needs, so that no other attribute can disturb it."""
    wanted = (*MASKS, "scale_factor", "add_offset", "_Unsigned")
    return {key: attrs[key] for key in wanted if key in attrs}


def _outside(raw: np.ndarray, attrs: dict[str, Any]) -> np.ndarray:
    """Where the packed values are not valid (CF conventions, section 2.5.1)."""
    outside = np.zeros(raw.shape, bool)
    lower, upper = attrs.get("valid_min"), attrs.get("valid_max")
    if "valid_range" in attrs:
        lower, upper = np.ravel(attrs["valid_range"])[:2]
    unsigned = str(attrs.get("_Unsigned", "")).lower() == "true"
    packed = raw.view(f"u{raw.itemsize}") if unsigned and raw.dtype.kind == "i" else raw
    if lower is not None:
        outside |= packed < np.ravel(lower)[0]
    if upper is not None:
        outside |= packed > np.ravel(upper)[0]
    return outside


def _never_written(raw: np.ndarray, attrs: dict[str, Any]) -> np.ndarray:
    """Where the library's default fill value stands; bytes have none."""
    fill = netCDF4.default_fillvals.get(raw.dtype.str[1:])
    if raw.itemsize == 1 or fill is None or any(key in attrs for key in MASKS):
        return np.zeros(raw.shape, bool)
    return raw == raw.dtype.type(fill)
