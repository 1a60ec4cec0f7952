"""Initial states from a file: the first frames of the simulations in a raw file.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hybrid_pde.config.raw_formats import AUTO
from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.cache.compatibility import disagreement
from hybrid_pde.data.initial_states.random_fields import State
from hybrid_pde.data.raw_files.file_units import following
from hybrid_pde.data.raw_files.foreign_formats import why_unreadable
from hybrid_pde.data.raw_files.formats import is_raw_file, suffixes
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.data.raw_files.single_frames import single_frames
from hybrid_pde.data.raw_files.subprocess_reader import open_in_subprocess, read_info
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import ConfigError

KEY = "augmentation.initial_condition.path"


class StatesFromFile:
    """The first frames of a file that is read like the raw files of the data set.

    The times of ``data.select`` do not apply to it. The file may have a single frame or no
    time axis.

    Args:
        path: The file.
        data: The experiment's ``data`` section.
        grid: The grid that the states must be on; ``None`` if it is not known.
        layouts: The fields.
        units: The system that the states must be in.

    Raises:
        ConfigError: if there is no such file, or its grid or fields differ.
        RawDataError: if it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        data: DataParams,
        grid: Grid | None,
        layouts: Sequence[FieldLayout],
        units: StatedUnits | None = None,
    ) -> None:
        self._units = units
        if not path.exists() or not is_raw_file(path):
            raise ConfigError(f"{KEY}: {path}: {why_unreadable(path, suffixes(AUTO))}")
        names = [each.name for each in layouts]
        self._path = path
        self._data = data.model_copy(
            update={
                "fields": names,
                "format": AUTO,
                "variables": {k: v for k, v in data.variables.items() if k in names},
                "known_parameters": {},
                "derive": {k: v for k, v in data.derive.items() if k in names},
                "directions": {k: v for k, v in data.directions.items() if k in names},
                "observations": None,
                "select": data.select.model_copy(update={"time": None, "stride": 1}),
            }
        )
        with following(units, has_epoch=False), single_frames():
            info = read_info(path, self._data)
        if grid is not None:
            self._check(path, info, grid, tuple(layouts))
        self.count: int = info.num_samples

    def state(self, index: int) -> State:
        """The state ``[C, *space]`` of each field; the first follows the last."""
        with (
            following(self._units, has_epoch=False),
            single_frames(),
            open_in_subprocess(self._path, self._data) as file,
        ):
            sample = index % self.count
            block = {**file.static(sample)}  # without a time axis
            if any(not layout.static for layout in file.info.layouts):
                frames = next(iter(file.frames(sample)))
                block |= {name: values[0] for name, values in frames.items()}
        return {name: np.asarray(values, np.float64) for name, values in block.items()}

    @staticmethod
    def _check(path: Path, info: RawFileInfo, grid: Grid, layouts: tuple[FieldLayout, ...]) -> None:
        stated = info.grid if info.boundary_stated else replace(info.grid, boundary=grid.boundary)
        wanted = replace(info, grid=grid, layouts=layouts)  # of any length and time step
        found = tuple(replace(each, static=False) for each in info.layouts)
        difference = disagreement(replace(info, grid=stated, layouts=found), wanted)
        if difference:
            raise ConfigError(f"{KEY}: {path}: {difference} in the training simulations")
