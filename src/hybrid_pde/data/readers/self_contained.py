"""An HDF5 file may point to other files; what is read of a raw file lies in that file."""

import h5py

from hybrid_pde.errors import RawDataError

_REMEDY = "copy it into this file"


def refuse_pointers(
    group: h5py.Group, *, deep: bool = True, seen: frozenset[int] = frozenset()
) -> None:
    """Refuse links and data sets whose content lies in another file, before any is followed.

    Whoever wrote the file would choose what is read, anywhere on this machine.

    Args:
        group: A group, or the file.
        deep: Whether to look into its groups and data sets too.
        seen: Addresses of the groups that it lies in.

    Raises:
        RawDataError: naming the entry; without the file's name.
    """
    address = h5py.h5o.get_info(group.id).addr
    if address in seen:
        raise RawDataError(f"{group.name}: a group that lies in itself")
    for name in group:
        place = f"{group.name}/{name}".lstrip("/")
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise RawDataError(f"{place}: a link to another file, {link.filename!r}; {_REMEDY}")
        if not deep or isinstance(link, h5py.SoftLink):
            continue
        entry = group.get(name)
        if isinstance(entry, h5py.Group):
            refuse_pointers(entry, seen=seen | {address})
        elif isinstance(entry, h5py.Dataset) and entry.external:
            raise RawDataError(f"{place}: its values lie in {entry.external[0][0]!r}; {_REMEDY}")
        elif isinstance(entry, h5py.Dataset) and entry.is_virtual:
            sources = {source.file_name for source in entry.virtual_sources()} - {"."}
            if sources:
                raise RawDataError(f"{place}: its values lie in {min(sources)!r}; {_REMEDY}")
