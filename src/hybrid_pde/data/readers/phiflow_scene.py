"""PhiFlow scenes: a folder ``sim_000000`` with a file ``<name>_000000.npz`` for each frame.

The frames are read without unpickling, so the boundary of a field, which is a pickled object, has
to be stated in ``data.boundary``. The time between frames is ``dt`` in the scene's
``description.json``, or in a file ``layout.yaml`` beside it. Velocities on the faces of a staggered
grid are interpolated to the cell centres.

Source: PhiFlow, "Scene Format Specification"; ``phi.field.write``.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.raw_files.array_layout import layout_files
from hybrid_pde.data.raw_files.guards import errors_name_file

if TYPE_CHECKING:
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile

FORMAT = "scene"
SUFFIXES: tuple[str, ...] = ()  # a scene is a folder
_FOLDER = re.compile(r".+_\d{6,}")
_FRAME = re.compile(r".+_\d{6,}\.npz")


def takes_folder(path: Path) -> bool:
    """True for a folder that is named like a scene and holds frames."""
    if not _FOLDER.fullmatch(path.name):
        return False
    with contextlib.suppress(OSError):
        return any(_FRAME.fullmatch(each.name) for each in path.iterdir())
    return False


def companions(path: Path) -> list[Path]:
    """The YAML file beside it, which may state the time between frames."""
    return layout_files(path)


@contextlib.contextmanager
def open_raw(path: Path, data: DataParams) -> Iterator["LabelledFile"]:
    """Open one scene.

    Raises:
        RawDataError: if it is none, is damaged, does not state its time step, or lacks a field
            asked for.
        ConfigError: if the ``data`` section contradicts itself.
    """
    from hybrid_pde.data.raw_files.labelled_file import LabelledFile
    from hybrid_pde.data.raw_files.scene_layout import labelled_contents

    with errors_name_file(path):
        opened = LabelledFile(path, labelled_contents(path, data), data)
    yield opened
