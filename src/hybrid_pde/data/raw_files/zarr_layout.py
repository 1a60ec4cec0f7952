"""Zarr stores as labelled variables, undecoded."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from hybrid_pde.data.raw_files.guards import errors_name_file
from hybrid_pde.data.raw_files.lazy_arrays import lazy
from hybrid_pde.data.raw_files.zarr_metadata import check_store
from hybrid_pde.errors import RawDataError

DIMENSIONS = ("_ARRAY_DIMENSIONS", "dimensions", "dims")  # attributes with the names of the axes
FILL = "_FillValue"
_NUMBERS = "iuf"


@contextlib.contextmanager
def open_store(path: Path) -> Iterator[xr.Dataset]:
    """Open a store; values are read where they are indexed.

    A chunk that is not stored has the array's fill value, as Zarr defines it.

    Raises:
        RawDataError: naming the store, if it is none, is damaged, or cannot be read safely.
    """
    with errors_name_file(path):
        check_store(path)
        store = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path.resolve()
        root = zarr.open(store, mode="r")
        if not isinstance(root, zarr.Group):
            raise RawDataError(
                "a single array without axes; write it into a group: xr.Dataset("
                "{'u': (('time', 'x'), array[:])}, {'time': t, 'x': x}).to_zarr('b.zarr')"
            )
        dataset = _contents(root)
    try:
        yield dataset
    finally:
        if isinstance(store, zarr.storage.ZipStore):
            store.close()


def _contents(group: zarr.Group) -> xr.Dataset:
    arrays = dict(group.arrays())
    if not arrays:
        inside = sorted(name for name, _ in group.groups())
        raise RawDataError(
            f"no arrays at its root; it holds the groups {', '.join(inside) or 'none'}; name the "
            "folder of one of them, which is a store of its own"
        )
    numbers = {name: each for name, each in arrays.items() if _is_numeric(each)}
    named = {name: _dimensions(each) for name, each in numbers.items()}
    lacking = [name for name, dims in named.items() if dims is None]
    variables: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for name, dims in named.items():
        if dims is None:
            continue
        array = numbers[name]
        if len(dims) != array.ndim or len(set(dims)) != len(dims):
            raise RawDataError(f"{name}: its axes are called {dims}, its shape is {array.shape}")
        for dim, size in zip(dims, array.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise RawDataError(f"{name}: {size} points along {dim!r}, others have {sizes[dim]}")
        attrs = _attributes(array)
        variables[name] = (dims, _lazy(array), attrs, {"chunksizes": array.chunks})
    if not any(array.ndim > 1 for name, array in numbers.items() if name in variables):
        raise RawDataError(_nameless(numbers, lacking))
    labels = {n: each for n, each in arrays.items() if n not in numbers and n in sizes}
    for name, each in labels.items():  # names of components
        if each.ndim == 1 and each.size <= 3 and each.dtype.kind in "USOT":
            variables[name] = ((name,), np.asarray(each[:]).astype(str))
    return xr.Dataset(variables, attrs=dict(group.attrs))


def _nameless(arrays: Mapping[str, zarr.Array], lacking: list[str]) -> str:
    shapes = ", ".join(f"{name}{list(each.shape)}" for name, each in arrays.items()) or "no numbers"
    name = lacking[0] if lacking else "u"
    return (
        f"the axes of its arrays have no names; it holds {shapes}. Name them: import zarr; "
        f"g = zarr.open_group('a.zarr'); g['{name}'].attrs['_ARRAY_DIMENSIONS'] = "
        "['time', 'x', 'y']"
    )


def _is_numeric(array: zarr.Array) -> bool:
    try:
        return np.dtype(array.dtype).kind in _NUMBERS
    except TypeError:
        return False


def _dimensions(array: zarr.Array) -> tuple[str, ...] | None:
    """Names of an array's axes; ``None`` if they are not stated; a single number has none."""
    stated = getattr(array.metadata, "dimension_names", None)
    if stated is not None and all(isinstance(each, str) for each in stated):
        return tuple(stated)
    for key in DIMENSIONS:
        names = array.attrs.get(key)
        if isinstance(names, list) and all(isinstance(each, str) for each in names):
            return tuple(map(str, names))
    return () if array.ndim == 0 else None


def _attributes(array: zarr.Array) -> dict[str, Any]:
    """Attributes of an array; a fill value that marks missing numbers is ``_FillValue``.

    In version 2, xarray stores ``_FillValue`` as the fill value of the array. Zarr's own default,
    0, marks nothing in an array of unpacked floats.
    """
    attrs: dict[str, Any] = {
        name: each for name, each in array.attrs.items() if name not in DIMENSIONS
    }
    if array.metadata.zarr_format == 3:
        if isinstance(attrs.get(FILL), str):
            attrs[FILL] = _encoded_fill(attrs[FILL], array)
        return attrs
    fill = array.fill_value
    is_default = (
        fill == 0 and array.dtype.kind == "f" and not {"scale_factor", "add_offset"} & {*attrs}
    )
    is_xarrays = "_ARRAY_DIMENSIONS" in array.attrs
    if FILL not in attrs and fill is not None and is_xarrays and not is_default:
        attrs[FILL] = np.asarray(fill, array.dtype)[()]
    return attrs


def _encoded_fill(text: str, array: zarr.Array) -> Any:
    """A fill value as xarray encodes it in version 3: the bytes of a float in base 64."""
    from xarray.backends.zarr import FillValueCoder

    try:
        return np.asarray(FillValueCoder.decode(text, np.dtype(array.dtype)), array.dtype)[()]
    except (ValueError, TypeError, AssertionError):
        raise RawDataError(f"{array.name}: {FILL} is {text!r:.80}, no number") from None


def _lazy(array: zarr.Array) -> Any:
    return lazy(lambda place: np.asarray(array[place]), array.shape, np.dtype(array.dtype))
