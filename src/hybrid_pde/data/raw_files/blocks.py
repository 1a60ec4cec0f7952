"""Blocks of field values in the native layout, decoded from a raw file.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space in ascending order.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from hybrid_pde.data.raw_files.dimension_roles import FieldSource
from hybrid_pde.data.raw_files.space_axes import Axis
from hybrid_pde.data.raw_files.time_axis import Frames
from hybrid_pde.data.raw_files.value_maps import ValueMap
from hybrid_pde.errors import RawDataError

MASKS = ("_FillValue", "missing_value")
RANGES = ("valid_range", "valid_min", "valid_max")
PACKING = ("scale_factor", "add_offset", "_Unsigned")
SINGLE_BYTES = 4
WHOLE_BYTES = 2  # the widest whole numbers that single precision holds exactly
LARGEST = 1e150


@dataclass(frozen=True)
class BlockReader:
    """Reads frames of the fields of an open file.

    Attributes:
        dataset: The file, undecoded.
        roles: Role of each dimension that has one.
        frames: The selected frames.
        axes: The spatial axes in ascending order.
        masked: Fields that may have missing values, which stay NaN.
        maps: Change of unit and direction of the variables that have one.
    """

    dataset: xr.Dataset
    roles: dict[str, str]
    frames: Frames
    axes: list[Axis]
    masked: frozenset[str] = frozenset()
    maps: Mapping[str, ValueMap] = field(default_factory=dict)

    def read(self, source: FieldSource, sample: int, first: int, last: int) -> np.ndarray:
        """Frames ``first`` to ``last`` of a field, ``[T, C, *space]``.

        A static field is returned as a single frame. Values are in single precision if the file's
        are, else in double.

        Raises:
            RawDataError: naming the variable and the place of a value that is missing.
        """
        parts = []
        for variable in source.variables:
            part = self._native(self.load(variable, sample, first, last), variable, source)
            self._check_finite(part, variable, source, sample, first)
            parts.append(part)
        values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if values.dtype.itemsize > SINGLE_BYTES and (np.abs(values) > LARGEST).any():
            raise RawDataError(
                f"{source.layout.name}: a value is far beyond single precision, {LARGEST:g} is the "
                "largest whose square double precision holds; fill it, or use another unit"
            )
        return _coarsen(values, self.axes).astype(_precision(values.dtype), copy=False)

    def load(self, variable: str, sample: int, first: int, last: int) -> xr.Variable:
        """The selected part of a variable, decoded, with roles as names of its dimensions.

        Args:
            variable: Its name.
            sample: The simulation.
            first: First selected frame.
            last: One past the last selected frame.
        """
        array = self.dataset[variable].variable
        step = self.frames.indices.step
        begin = self.frames.indices.start + first * step
        selected: dict[str, slice | int] = {
            "time": slice(begin, begin + (last - first - 1) * step + 1, step),
            "vector": slice(None),
            "sample": sample,
            **{axis.name: axis.in_file for axis in self.axes},
        }
        # A dimension without a role, or an axis that the grid lacks, has one point.
        role_of = {str(dim): self.roles.get(str(dim), "") for dim in array.dims}
        block = array.isel({dim: selected.get(role, 0) for dim, role in role_of.items()}).load()
        dims = [role_of[str(dim)] for dim in block.dims]
        try:
            values = decode(block)
        except ValueError as error:
            raise RawDataError(f"{variable}: {error}") from None
        if variable in self.maps:
            component = dims.index("vector") if "vector" in dims else None
            values = self.maps[variable].apply(values, component)
        return xr.Variable(dims, values)

    def _native(self, values: xr.Variable, variable: str, source: FieldSource) -> np.ndarray:
        """Values with dimensions ``[T, C, *space]``, axes and components ascending."""
        wanted = ["time", "vector", *(axis.name for axis in self.axes)]
        optional = {"vector", "time"} if source.layout.static else {"vector"}
        absent = [role for role in wanted if role not in values.dims]
        for role in absent:
            if role not in optional:
                raise RawDataError(f"{variable}: has no {role} axis, which other variables have")
        if set(values.dims) - set(wanted) or (source.layout.static and "time" in values.dims):
            raise RawDataError(f"{variable}: has the axes {values.dims}, other variables have not")
        native = values.transpose(*(role for role in wanted if role not in absent)).values
        native = np.expand_dims(native, [wanted.index(role) for role in absent])
        if source.order and source.order != tuple(
            range(native.shape[1])
        ):  # else a copy for nothing
            native = native[:, list(source.order)]
        flips = tuple(2 + place for place, axis in enumerate(self.axes) if axis.descending)
        return np.flip(native, flips)

    def _check_finite(
        self, native: np.ndarray, variable: str, source: FieldSource, sample: int, first: int
    ) -> None:
        # NaN is the smallest and the largest of values that it is among
        if math.isfinite(native.min()) and math.isfinite(native.max()):
            return
        is_masked = source.layout.name in self.masked
        wrong = np.isinf(native) if is_masked else ~np.isfinite(native)
        if not wrong.any():
            return
        frame, channel, *place = (int(index) for index in np.argwhere(wrong)[0])
        where = [f"sample {sample}"] if "sample" in self.roles.values() else []
        if not source.layout.static:
            index = self.frames.indices.start + (first + frame) * self.frames.indices.step
            where.append(f"time index {index} (t = {self.frames.times[first + frame]:.9g})")
        if native.shape[1] > 1:
            where.append(f"component {source.layout.components[channel]}")
        for axis, index in zip(self.axes, place, strict=True):
            at = axis.coordinates[axis.start + index]
            where.append(f"{axis.name} index {axis.file_index(index)} ({axis.name} = {at:.9g})")
        if is_masked:
            raise RawDataError(f"{variable}: infinite value at {', '.join(where)}; fill it")
        raise RawDataError(
            f"{variable}: missing or infinite value at {', '.join(where)}; fill it, exclude "
            "the region with data.select, or calibrate without missing values: "
            "data.observations: {missing: mask}"
        )


def _precision(dtype: np.dtype) -> type[np.floating]:
    """Single precision if it holds all numbers of a type, else double."""
    is_single = dtype.itemsize <= (SINGLE_BYTES if dtype.kind == "f" else WHOLE_BYTES)
    return np.float32 if is_single else np.float64


def _coarsen(native: np.ndarray, axes: list[Axis]) -> np.ndarray:
    """Means over blocks of neighbouring cells."""
    for place, axis in enumerate(axes):
        if axis.coarsen > 1:
            shape = native.shape
            split = (shape[2 + place] // axis.coarsen, axis.coarsen)
            blocks = native.reshape(*shape[: 2 + place], *split, *shape[3 + place :])
            native = blocks.mean(axis=3 + place, dtype=np.float64)
    return native


def decode(variable: xr.Variable) -> np.ndarray:
    """The unpacked values of a block of a variable; NaN where one is missing.

    A value is missing if it equals ``_FillValue`` or ``missing_value``, lies outside
    ``valid_range``, or, in a variable without its own fill value, was never written.

    Args:
        variable: A block in memory with all of the variable's attributes.

    Raises:
        ValueError: if the variable does not hold real numbers.
    """
    raw = variable.values
    if raw.dtype.kind not in "iuf":
        raise ValueError(f"holds {raw.dtype}, not real numbers")
    missing = _never_written(raw, variable.attrs)
    if raw.dtype.isnative and not _changes(variable.attrs) and not missing.any():
        return raw
    missing |= _outside(raw, variable.attrs)
    attrs = {key: value for key, value in variable.attrs.items() if key not in RANGES}
    packed = xr.Dataset({"values": (variable.dims, raw, _scalar_fills(attrs))})
    values = xr.decode_cf(packed, decode_times=False, decode_coords=False)["values"].values
    if missing.any():
        values = values.astype(np.result_type(values.dtype, np.float32))
        values[missing] = np.nan
    return values


def _changes(attrs: dict[str, Any]) -> bool:
    """True if attributes say that some values mean others than they are."""
    return any(
        key in attrs and not (key in MASKS and _is_nan(attrs[key]))
        for key in (*MASKS, *RANGES, *PACKING)
    )


def _is_nan(fill: Any) -> bool:
    return isinstance(fill, float | np.floating) and math.isnan(fill)


def _scalar_fills(attrs: dict[str, Any]) -> dict[str, Any]:
    """The attributes needed for decoding; others could make it fail."""
    wanted = (*MASKS, *PACKING)
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
    """Where values equal the library's default fill value; bytes have none."""
    fill = netCDF4.default_fillvals.get(raw.dtype.str[1:])
    if raw.itemsize == 1 or fill is None or any(key in attrs for key in MASKS):
        return np.zeros(raw.shape, bool)
    return raw == raw.dtype.type(fill)
