"""Boundary conditions of a file in The Well's layout as the attribute ``boundary``."""

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from hybrid_pde.data.raw_files.guards import check_size
from hybrid_pde.data.raw_files.hdf5 import text_list
from hybrid_pde.domain.boundary import SIDES
from hybrid_pde.domain.grid import PERIODIC, ZERO_GRADIENT, Side
from hybrid_pde.errors import RawDataError

CONDITIONS = "boundary_conditions"
_REMEDY = "state the condition of the fields that are read in data.boundary"


def stated_boundary(
    file: h5py.File, lengths: Mapping[str, int], ranks: Mapping[str, int]
) -> str | None:
    """The boundary as JSON; ``None`` if the file states none.

    ``PERIODIC`` is periodic and ``OPEN`` a zero gradient. ``WALL`` has the stated values; without
    them, vectors are 0 there and scalars have a zero gradient.

    Args:
        file: The open file.
        lengths: Number of points on each axis.
        ranks: Rank of each variable that is read; conditions of others do not matter.

    Raises:
        RawDataError: if it states what one condition a side for all fields cannot express; without
            the file's name.
    """
    group = file.get(CONDITIONS)
    if not isinstance(group, h5py.Group) or not len(group):
        return None
    found: dict[str, dict[str, Side]] = {axis: {} for axis in lengths if lengths[axis] > 1}
    for name, entry in group.items():
        place = f"{CONDITIONS}/{name}"
        if not isinstance(entry, h5py.Group):
            raise RawDataError(f"{place}: not a group; {_REMEDY}")
        fields = text_list(entry.attrs.get("associated_fields"))
        if fields and not set(fields) & set(ranks):
            continue
        side = _side(place, entry, ranks)
        for axis, end in _sides(place, entry, lengths, side == PERIODIC):
            if axis in found and found[axis].setdefault(end, side) != side:
                raise RawDataError(
                    f"{place}: the {end} side of {axis} is {found[axis][end]!r} and {side!r}; all "
                    f"fields of an experiment have one condition there; {_REMEDY}"
                )
    for axis, sides in found.items():
        if missing := [end for end in SIDES if end not in sides]:
            raise RawDataError(
                f"{CONDITIONS}: no condition for the {missing[0]} side of {axis}; {_REMEDY}"
            )
    whole: dict[str, Any] = {}
    for axis, sides in found.items():
        whole[axis] = PERIODIC if PERIODIC in sides.values() else sides
    return json.dumps(whole)


def _side(place: str, entry: h5py.Group, ranks: Mapping[str, int]) -> Side:
    """The condition that a group states."""
    kind = "".join(text_list(entry.attrs.get("bc_type"))).lower()
    if kind == "periodic":
        return PERIODIC
    if kind == "open":
        return ZERO_GRADIENT
    if kind != "wall":
        raise RawDataError(f"{place}: bc_type is {kind!r}; known: PERIODIC, WALL, OPEN; {_REMEDY}")
    values = entry.get("values")
    if isinstance(values, h5py.Dataset) and values.size:
        check_size(place, values.shape)
        stated = np.unique(np.asarray(values[()], np.float64))
        if len(stated) > 1 or not np.isfinite(stated).all():
            raise RawDataError(f"{place}: its values vary along the wall; {_REMEDY}")
        return float(stated[0])
    vectors = {rank > 0 for rank in ranks.values()}
    if len(vectors) > 1:
        raise RawDataError(
            f"{place}: a wall without values is 0 for vectors and a zero gradient for scalars, and "
            f"all fields of an experiment have one condition there; {_REMEDY}"
        )
    return 0.0 if vectors == {True} else ZERO_GRADIENT


def _sides(
    place: str, entry: h5py.Group, lengths: Mapping[str, int], periodic: bool
) -> list[tuple[str, str]]:
    """The sides at which a condition holds: where its mask is true."""
    dims = text_list(entry.attrs.get("associated_dims"))
    if unknown := [dim for dim in dims if dim not in lengths]:
        raise RawDataError(f"{place}: associated_dims: no axis {unknown[0]!r}; {_REMEDY}")
    if periodic:
        return [(axis, end) for axis in dims for end in SIDES]
    mask = entry.get("mask")
    shape = tuple(lengths[dim] for dim in dims)
    if not isinstance(mask, h5py.Dataset) or mask.shape != shape or not dims:
        raise RawDataError(
            f"{place}: its mask does not have the shape {shape} of {dims}; {_REMEDY}"
        )
    check_size(f"{place}/mask", mask.shape)
    holds = np.asarray(mask[()], bool)
    inner = holds[tuple(slice(1, -1) for _ in dims)]
    if inner.any():
        raise RawDataError(f"{place}: holds inside the domain, not only at its sides; {_REMEDY}")
    found = [
        (axis, end)
        for place_, axis in enumerate(dims)
        for end, index in zip(SIDES, (0, -1), strict=True)
        if holds.take(index, axis=place_).all()
    ]
    if holds.any() and not found:
        raise RawDataError(f"{place}: holds on a part of a side only; {_REMEDY}")
    return found or [(axis, end) for axis in dims for end in SIDES]
