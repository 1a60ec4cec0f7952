"""Description of raw files as the pipeline reads them, without an experiment."""

import glob
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_pde.config.raw_formats import AUTO
from hybrid_pde.config.schema import DataParams
from hybrid_pde.data.cache.compatibility import disagreement
from hybrid_pde.data.cache.raw_index import scan
from hybrid_pde.data.inspection.field_statistics import FieldStatistics, add_file
from hybrid_pde.data.inspection.notes import notes_on
from hybrid_pde.data.raw_files.file_units import following
from hybrid_pde.data.raw_files.inspection_mode import Findings, inspecting
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.data.raw_files.subprocess_reader import SubprocessFile, open_in_subprocess
from hybrid_pde.domain.grid import Grid
from hybrid_pde.errors import RawDataError


@dataclass(frozen=True)
class Inspection:
    """Contents of raw files.

    Attributes:
        format: Format of the files, a value of ``data.format``.
        simulations: Number of simulations in all files.
        fields: For each field ``dims``, ``shape`` (of one simulation), ``min``, ``max``, ``mean``,
            ``missing`` (a count of values), ``unit``.
        axes: For each spatial axis ``points``, ``lower``, ``upper`` (ends of the domain), ``unit``,
            ``nodes`` (whether the outer points lie on the ends).
        time: ``steps`` (number of frames), ``dt``, ``unit``.
        boundary: A value of ``data.boundary``.
        parameters: Numbers that the files state: one, or one for each simulation if they differ.
        notes: What is odd, a sentence each.
        settings: The ``data`` section of an experiment that reads these files so.
        info: Description of the first file.
        refused: Reasons for which the pipeline refuses the files.
        open_axes: Axes with ends that do not meet, as they would in a periodic box.
    """

    format: str
    simulations: int
    fields: Mapping[str, Mapping[str, Any]]
    axes: Mapping[str, Mapping[str, Any]]
    time: Mapping[str, Any]
    boundary: Any
    parameters: Mapping[str, Any]
    notes: tuple[str, ...]
    settings: DataParams
    info: RawFileInfo
    refused: tuple[str, ...] = ()
    open_axes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON types, as ``hybrid-pde inspect --json`` prints it."""
        left_out = ("settings", "info", "refused", "open_axes")
        described = {key: value for key, value in vars(self).items() if key not in left_out}
        return {**described, "notes": list(self.notes)}


def inspect(paths: str | Path | Iterable[str | Path]) -> Inspection:
    """Describe raw files as the pipeline would read them.

    Args:
        paths: A file, a folder of raw files, a pattern such as ``runs/*.nc``, or several of these.

    Raises:
        RawDataError: naming a file that cannot be read.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files = list(dict.fromkeys(file for path in given for file in _files(str(path))))
    if not files:
        raise RawDataError("no files given; name a file, a folder, or a pattern such as runs/*.nc")
    reading = _Reading(files)
    return reading.inspection()


class _Reading:
    """Gathers the description of files, one after the other."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._statistics: dict[str, FieldStatistics] = {}
        self._parameters: dict[str, list[Any]] = {}
        self._frames: list[int] = []
        self._axis_units: dict[str, str] = {}
        # names of the files that a text is about
        self._refused: dict[str, list[str]] = {}
        self._remarks: dict[str, list[str]] = {}
        self._unknown: set[str] = set()
        self._left_out: list[str] = []
        self._simulations = 0
        self._first: tuple[RawFileInfo, str, DataParams] | None = None
        for file in files:
            self._read(file)

    def _read(self, path: Path) -> None:
        units = None if self._first is None else self._first[0].units
        wanted = DataParams() if self._first is None else self._first[2]
        try:
            with following(units), inspecting(), open_in_subprocess(path, wanted) as file:
                self._add(path, file)
        except RawDataError as error:
            if self._first is None:
                raise
            self._left_out.append(str(error))

    def _add(self, path: Path, file: SubprocessFile) -> None:
        answer, info = file.inspection(), file.info
        if self._first is None:
            found = DataParams().model_copy(update=answer["settings"])
            self._first = (info, answer["format"], found)
            self._axis_units = answer["axis_units"]
            self._statistics = {
                layout.name: FieldStatistics(len(info.grid.axes)) for layout in info.layouts
            }
        elif difference := disagreement(info, self._first[0]):
            self._left_out.append(f"{path}: {difference} in {self._files[0].name}")
            return
        findings = Findings(answer["refused"], answer["remarks"])
        self._unknown |= {subject for subject, _ in findings.refused}
        for texts, of_file in (
            (self._refused, findings.refused),
            (self._remarks, findings.remarks),
        ):
            for _, text in of_file:
                texts.setdefault(text, []).append(path.name)
        add_file(self._statistics, file, range(info.num_samples))
        for sample in range(info.num_samples):
            for parameter in file.known(sample):
                if not parameter.is_field:
                    values = self._parameters.setdefault(parameter.name, [])
                    values.append(_as_lists(parameter.values))
        self._frames.append(info.num_frames)
        self._simulations += info.num_samples

    def inspection(self) -> Inspection:
        """The description."""
        assert self._first is not None
        info, file_format, settings = self._first
        unknown = self._unknown
        refused = (*_by_file(self._refused), *self._left_out)
        stated = {n: v for n, v in self._parameters.items() if len(v) == self._simulations}
        found_open = {axis for each in self._statistics.values() for axis in each.open_axes}
        open_axes = tuple(info.grid.axes[axis] for axis in sorted(found_open))
        notes = notes_on(info, self._statistics, self._frames, len(self._files), open_axes)
        return Inspection(
            format=file_format,
            simulations=self._simulations,
            fields={
                layout.name: self._field(info, number) for number, layout in enumerate(info.layouts)
            },
            axes=_axes(info, unknown, self._axis_units),
            time={
                "steps": info.num_frames,
                "dt": None if "time" in unknown or info.num_frames < 2 else info.dt,
                "unit": info.units.time,
            },
            boundary=boundary_of(info.grid),
            parameters={name: _common(values) for name, values in stated.items()},
            notes=(
                *(f"not usable as it is: {text}" for text in refused),
                *_by_file(self._remarks),
                *notes,
            ),
            settings=settings,
            info=info,
            refused=refused,
            open_axes=() if info.boundary_stated else open_axes,
        )

    def _field(self, info: RawFileInfo, number: int) -> dict[str, Any]:
        layout = info.layouts[number]
        found = self._statistics[layout.name]
        sizes = {} if layout.static else {"time": info.num_frames}
        if layout.components:
            sizes["vector"] = layout.channels
        sizes |= dict(zip(info.grid.axes, info.grid.shape, strict=True))
        return {
            "dims": list(sizes),
            "shape": list(sizes.values()),
            "min": found.lowest,
            "max": found.highest,
            "mean": found.mean,
            "missing": found.missing,
            "unit": info.units.of(layout.name),
        }


def _files(path: str) -> list[Path]:
    """Raw files of a path, which may be a folder or a pattern."""
    if not Path(path).exists():
        matching = sorted(glob.glob(path))
        if not matching:
            raise RawDataError(f"{path}: no such file or folder, and no file matches it")
        return [file for each in matching for file in _files(each)]
    return list(scan(Path(path), AUTO))


def _by_file(texts: Mapping[str, list[str]]) -> list[str]:
    """Texts with the files that they are about in front."""
    return [
        f"{files[0]}{f' and {len(files) - 1} more' if files[1:] else ''}: {text}"
        for text, files in texts.items()
    ]


def _axes(
    info: RawFileInfo, unknown: set[str], units: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The axes; ends that the coordinates do not give are ``None``."""
    grid = info.grid
    found = {}
    for number, axis in enumerate(grid.axes):
        is_known = axis not in unknown
        ends = grid.lower[number], grid.upper[number]
        # half a cell below the first centre may be 0 up to rounding
        rounding = 1e-12 * (ends[1] - ends[0])
        lower, upper = (0.0 if abs(end) < rounding else end for end in ends)
        found[axis] = {
            "points": grid.shape[number],
            "lower": lower if is_known else None,
            "upper": upper if is_known else None,
            "unit": units.get(axis, info.units.length),
            "nodes": grid.nodes_on_boundary[number],
        }
    return found


def boundary_of(grid: Grid) -> Any:
    """The boundary in the shortest form of ``data.boundary``."""
    kinds = {*grid.boundary}
    if len(kinds) == 1 and (sides := kinds.pop())[0] == sides[1]:
        return sides[0]
    return {
        axis: lower if lower == upper else {"lower": lower, "upper": upper}
        for axis, (lower, upper) in zip(grid.axes, grid.boundary, strict=True)
    }


def _common(values: list[Any]) -> Any:
    """The one value of all simulations, else the list of theirs."""
    return values[0] if all(each == values[0] for each in values) else values


def _as_lists(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_lists(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
