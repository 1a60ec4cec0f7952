"""PhiFlow scenes as labelled variables.

Layout: ``T`` frame, ``C`` component, ``X Y Z`` space.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.face_matrices import periodic_matrices, walled_matrices
from hybrid_pde.data.raw_files.array_layout import SHARED, ArrayLayout, read_layout
from hybrid_pde.data.raw_files.dimension_roles import variables_named
from hybrid_pde.data.raw_files.folder_files import files_in
from hybrid_pde.data.raw_files.guards import errors_name_file
from hybrid_pde.data.raw_files.lazy_arrays import Place, lazy_stack
from hybrid_pde.data.raw_files.numpy_files import NumpyFile
from hybrid_pde.data.raw_files.single_frames import single_frames_allowed
from hybrid_pde.domain.boundary import BoundaryError, parse_boundary
from hybrid_pde.domain.grid import PERIODIC, Side
from hybrid_pde.domain.small_file import read_small_text
from hybrid_pde.errors import ConfigError, RawDataError

DESCRIPTION = "description.json"
KINDS = ("CenteredGrid", "StaggeredGrid")
_FRAME = re.compile(r"(.+)_(\d{6,})\.npz")
# flow through a wall that counts as rounding in single precision, relative to the largest velocity
_ROUNDING = 1e-5
_TOLERANCE = 1e-6  # relative difference of two boxes that are the same


@dataclass(frozen=True)
class _Frame:
    """Metadata of the file of a frame.

    Attributes:
        dims: Names of the axes of ``data``, in its order.
        space: The spatial ones among them.
        ends: Lower and upper end of the box along each.
        components: Axis of each component; empty for a scalar.
        shape: Shape of ``data``.
        dtype: Type of the numbers.
        is_staggered: Whether the components are on the lower faces of the cells.
    """

    dims: tuple[str, ...]
    space: tuple[str, ...]
    ends: dict[str, tuple[float, float]]
    components: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    is_staggered: bool

    @property
    def cells(self) -> dict[str, int]:
        """Number of cells along each axis."""
        lengths = dict(zip(self.dims, self.shape, strict=True))
        return {axis: lengths[axis] - self.is_staggered for axis in self.space}

    def agrees_with(self, other: "_Frame") -> bool:
        """True if two fields, or two frames of one, are on the same box."""
        return self.cells == other.cells and all(
            np.allclose(self.ends[axis], other.ends[axis], rtol=_TOLERANCE) for axis in self.space
        )


def labelled_contents(path: Path, data: DataParams) -> xr.Dataset:
    """A scene as variables of named dimensions.

    Args:
        path: The folder.
        data: The experiment's ``data`` section, for its boundary.

    Raises:
        RawDataError: if a frame is damaged or of another shape, or the time step is not stated;
            without the folder's name.
        ConfigError: if ``data.boundary`` is none.
    """
    files = _files(path)
    layout = read_layout(path) or ArrayLayout()
    stated = _description(path)
    numbers = max(files.values(), key=len)
    boundary = layout.boundary if data.boundary is None else data.boundary
    variables: dict[str, Any] = {}
    described = {name: _frame(frames[min(frames)]) for name, frames in files.items()}
    first = next(iter(described.values()))
    used = variables_named(data)
    for name, frames in files.items():
        opened = described[name]
        if opened.is_staggered and boundary is None and name not in used:
            continue  # it cannot be interpolated, and need not
        if not opened.agrees_with(first):
            raise RawDataError(f"{name}: on another grid than {next(iter(files))}")
        if frames.keys() == numbers.keys():
            variables[name] = _field([frames[n] for n in sorted(frames)], opened, boundary)
        elif len(frames) == 1:  # written once: constant in time
            dims, array, *rest = _field([*frames.values()], opened, boundary)
            still = xr.Variable(dims, array).isel(time=0)
            variables[name] = (still.dims, still.values, *rest)
    for axis, count in first.cells.items():
        lower, upper = first.ends[axis]
        centres = lower + (np.arange(count) + 0.5) * ((upper - lower) / count)
        variables[axis] = ((axis,), centres)
    orders = {each.components for each in described.values() if each.components}
    if len(orders) > 1:
        raise RawDataError(f"its fields order their components differently: {sorted(orders)}")
    variables["vector"] = (("vector",), np.array(orders.pop() if orders else first.space))
    variables["time"] = (("time",), _times(sorted(numbers), layout, stated))
    for name, unit in layout.units.items():
        if name in variables:
            variables[name] = (*variables[name][:2], {"units": unit})
    attrs: dict[str, Any] = {
        n: v for n, v in stated.items() if isinstance(v, int | float | str) and n != "dt"
    }
    return xr.Dataset(variables, attrs=attrs | layout.attributes)


def _files(path: Path) -> dict[str, dict[int, Path]]:
    """Files of each field by the number of the frame."""
    if not path.is_dir():
        raise RawDataError("not a folder; a scene is a folder sim_000000, …")
    found: dict[str, dict[int, Path]] = {}
    for each in files_in(path):
        match = _FRAME.fullmatch(each.name)
        if match and each.parent == path:
            found.setdefault(match[1], {})[int(match[2])] = each
    if not found:
        raise RawDataError("no frames; a scene has files <name>_000000.npz, <name>_000001.npz, …")
    return found


def _description(path: Path) -> dict[str, Any]:
    """Properties of the scene, if it has any."""
    file = path / DESCRIPTION
    if not file.is_file():
        return {}
    try:
        stated = json.loads(read_small_text(file))
    except (OSError, ValueError, RecursionError) as error:
        raise RawDataError(f"{DESCRIPTION}: cannot be read: {error}") from None
    return stated if isinstance(stated, dict) else {}


def _times(numbers: Sequence[int], layout: ArrayLayout, stated: dict[str, Any]) -> np.ndarray:
    """Time of each frame; a frame's number counts time steps."""
    dt: Any = stated.get("dt") if layout.dt is None else layout.dt
    if single_frames_allowed() and len(numbers) == 1:
        dt = dt or 1.0
    is_number = isinstance(dt, int | float) and not isinstance(dt, bool)
    if not is_number or not np.isfinite(float(dt)) or float(dt) <= 0:
        raise RawDataError(
            "the time between frames is not stated: write it with scene.put_property('dt', 0.1), "
            f"or in a file {SHARED} beside the scenes, with the line dt: 0.1"
        )
    return layout.start + float(dt) * np.asarray(numbers, np.float64)


def _field(files: list[Path], first: _Frame, boundary: Any) -> Any:
    """A field's frames as a variable with dimensions, lazily read values and attributes."""
    others = [each for each in first.dims if each not in (*first.space, "vector")]
    if any(first.shape[first.dims.index(each)] > 1 for each in others):
        raise RawDataError(
            f"{files[0].name}: has the axis {others[0]!r} besides space and vector; write one "
            "scene for each of its entries, or its channels as separate fields"
        )
    drop = tuple(0 if each in others else slice(None) for each in first.dims)
    dims = tuple(each for each in first.dims if each not in others)
    shape = tuple(first.cells.get(dim, len(first.components)) for dim in dims)
    sides = _sides(boundary, first, files[0]) if first.is_staggered else {}

    def read(number: int, place: Place) -> np.ndarray:
        found = _frame(files[number])
        if (found.dims, found.shape, found.dtype) != (first.dims, first.shape, first.dtype) or (
            not found.agrees_with(first) or found.is_staggered != first.is_staggered
        ):
            raise RawDataError(
                f"{files[number].name}: of another shape or grid than {files[0].name}"
            )
        with errors_name_file(Path(files[number].name)):
            values = NumpyFile(files[number]).load("data")[drop]
        if first.is_staggered:
            values = _at_centres(values, dims, first, sides, files[number].name)
        return np.asarray(values[place])

    array = lazy_stack(read, (len(files), *shape), first.dtype)
    return ("time", *dims), array, {}


def _sides(boundary: Any, frame: _Frame, file: Path) -> dict[str, tuple[Side, Side]]:
    """Condition on the sides of each axis, which the interpolation of a staggered grid needs."""
    if boundary is None:
        raise RawDataError(
            f"{file.name}: a velocity on the faces of a staggered grid; the scene stores its "
            "boundary as a pickled object, which is not read: set data.boundary, e.g. periodic, or "
            "0.0 for closed walls"
        )
    axes = sorted(frame.space)
    try:
        return dict(zip(axes, parse_boundary(boundary, axes), strict=True))
    except BoundaryError as error:
        raise ConfigError(f"data.boundary: {error}") from None


def _at_centres(
    values: np.ndarray,
    dims: Sequence[str],
    frame: _Frame,
    sides: dict[str, tuple[Side, Side]],
    name: str,
) -> np.ndarray:
    """Components on faces, stored with one face more than cells, interpolated to the centres.

    On a periodic axis, and between closed walls, the interpolation is that of
    :class:`hybrid_pde.data.staggered_velocity.Staggering`. Where there is flow through a wall, it
    is the mean of both faces, of order 2.
    """
    vector = dims.index("vector")
    space = [dim for dim in dims if dim != "vector"]
    largest = float(np.abs(values).max(initial=0.0))
    centred = []
    for number, axis in enumerate(frame.components):
        component, count = values.take(number, axis=vector), frame.cells[axis]
        kept = tuple(slice(0, None if dim == axis else frame.cells[dim]) for dim in space)
        faces = np.moveaxis(component[kept].astype(np.float64), space.index(axis), -1)
        first, last = faces[..., 0], faces[..., -1]
        if PERIODIC in sides[axis]:
            if np.abs(first - last).max() > _ROUNDING * largest:
                raise RawDataError(
                    f"{name}: the first and the last face of {axis} differ, so it is not periodic; "
                    "set data.boundary to the condition of the simulation"
                )
            at_centres = faces[..., :count] @ periodic_matrices(count)[1].T
        elif max(np.abs(first).max(), np.abs(last).max()) <= _ROUNDING * largest:
            at_centres = faces[..., :count] @ walled_matrices(count)[1].T
        else:
            at_centres = (faces[..., :count] + faces[..., 1:]) / 2
        centred.append(np.moveaxis(at_centres, -1, space.index(axis)))
    return np.stack(centred, axis=vector).astype(values.dtype)


def _frame(path: Path) -> _Frame:
    """The description of a field in a frame's file, without its values."""
    with errors_name_file(Path(path.name)):
        return _described(NumpyFile(path))


def _described(file: NumpyFile) -> _Frame:
    if missing := {"dim_names", "dim_types", "field_type", "lower", "upper", "data"} - set(
        file.headers
    ):
        raise RawDataError(f"no {min(missing)}; not written by phi.field.write")
    kind = str(file.load("field_type"))
    if kind not in KINDS:
        raise RawDataError(f"a {kind!r}; known: {', '.join(KINDS)}")
    dims = tuple(map(str, np.ravel(file.load("dim_names"))))
    types = tuple(map(str, np.ravel(file.load("dim_types"))))
    header = file.headers["data"]
    if len({*dims}) != len(dims) or not len(dims) == len(types) == len(header.shape):
        raise RawDataError(f"its dimensions {dims} do not fit {header.shape}")
    space = tuple(dim for dim, each in zip(dims, types, strict=True) if each == "spatial")
    # PhiFlow's own order where the names are not stored
    named = file.headers.get("bounds_item_names")
    order = space
    if named is not None and not named.is_pickled and named.shape == (len(space),):
        order = tuple(map(str, file.load("bounds_item_names")))
    if set(order) != set(space) or not space:
        raise RawDataError(f"its box has the axes {order}, its values {space}")
    lower, upper = (np.broadcast_to(file.load(end), len(order)) for end in ("lower", "upper"))
    ends = {
        axis: (float(low), float(high)) for axis, low, high in zip(order, lower, upper, strict=True)
    }
    if any(not low < high or not np.isfinite([low, high]).all() for low, high in ends.values()):
        raise RawDataError(f"the ends of its box are {ends}")
    is_staggered = kind == "StaggeredGrid"
    components: tuple[str, ...] = ()
    if "vector" in dims:
        size = header.shape[dims.index("vector")]
        components = space if is_staggered else order
        if size != len(components):
            raise RawDataError(f"{size} component(s) on {len(space)} axes")
    if is_staggered and not components:
        raise RawDataError("a staggered grid without the axis 'vector'")
    return _Frame(dims, space, ends, components, header.shape, header.dtype, is_staggered)
