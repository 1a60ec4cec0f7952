"""Fields of an experiment that a file does not name take its unnamed channels in order."""

import re

import xarray as xr

from hybrid_pde.config.schema import DataParams

# names that readers give to arrays without a name of their own
_UNNAMED = re.compile(r"tensor|data|data\[\d+\]")


def with_channels_in_order(data: DataParams, dataset: xr.Dataset) -> DataParams:
    """The section with ``data.variables`` completed by the file's unnamed channels.

    Args:
        data: The experiment's ``data`` section.
        dataset: The file; its channels are called ``tensor``, ``data``, or ``data[0]``, ….
    """
    given = dict(data.variables)
    unnamed = [n for n in data.fields if n not in given and n not in dataset.variables]
    taken = {v for value in given.values() for v in ([value] if isinstance(value, str) else value)}
    names = [str(name) for name in dataset.variables if _UNNAMED.fullmatch(str(name))]
    channels = [name for name in names if name not in taken]
    if len(unnamed) > len(channels):
        return data  # the missing fields are reported by name later
    variables = {**given, **dict(zip(unnamed, channels, strict=False))}
    return data.model_copy(update={"variables": variables})
