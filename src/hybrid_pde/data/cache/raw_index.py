"""Index of the simulations in the raw files; unchanged files are not opened again."""

import json
import logging
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.data.atomic import write_json
from hybrid_pde.data.cache.announcements import announce
from hybrid_pde.data.cache.cache_header import VALUE_BYTES
from hybrid_pde.data.cache.cache_location import cache_directory, digest_of, reading_digest
from hybrid_pde.data.cache.compatibility import disagreement
from hybrid_pde.data.cache.damage_report import damage_report
from hybrid_pde.data.raw_files.file_units import following
from hybrid_pde.data.raw_files.foreign_formats import advice, why_unreadable
from hybrid_pde.data.raw_files.formats import is_folder_of_reader, is_raw_file, suffixes
from hybrid_pde.data.raw_files.raw_file import RawFileInfo
from hybrid_pde.data.raw_files.stored_parts import status_of
from hybrid_pde.data.raw_files.subprocess_reader import read_info
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter, known_disagreement
from hybrid_pde.domain.small_file import MIB, read_small_text
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import ConfigError, RawDataError

logger = logging.getLogger(__name__)

SCHEMA = 6  # of the index file; raise it when reading of raw files changes
COMPANIONS = (".json", ".yaml", ".yml", ".txt", ".md", ".csv", ".log", ".sha256")
MAX_LISTED = 10  # names in one message
MAX_INDEX_BYTES = 256 * MIB  # of a million files


@dataclass(frozen=True)
class RawIndex:
    """The simulations of a data set, counted from 0 over files by name and their samples.

    Attributes:
        raw_dir: Folder of the raw files, or the only file.
        simulations: File and index on the ``sample`` axis of each simulation.
        infos: Description of each file.
        errors: Error message of each file that cannot be used; it counts as one simulation.
    """

    raw_dir: Path
    simulations: tuple[tuple[Path, int], ...]
    infos: Mapping[Path, RawFileInfo]
    errors: Mapping[Path, str] = field(default_factory=dict)

    @property
    def num_simulations(self) -> int:
        """Number of simulations."""
        return len(self.simulations)

    @property
    def grid(self) -> Grid:
        """The grid of all simulations."""
        return self._first.grid

    @property
    def dt(self) -> float:
        """Time between frames [time]."""
        return self._first.dt

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The fields, in the experiment's order."""
        return self._first.layouts

    @property
    def known(self) -> tuple[KnownParameter, ...]:
        """Kinds of the known parameters of all simulations."""
        return self._first.known

    @property
    def units(self) -> StatedUnits:
        """The system that all numbers are in."""
        return self._first.units

    @property
    def boundary_stated(self) -> bool:
        """True if the experiment or the files state the boundary."""
        return self._first.boundary_stated

    def num_frames(self, simulation: int) -> int:
        """Number of frames of a simulation."""
        return self.infos[self.simulations[simulation][0]].num_frames

    def cached_bytes(self, simulations: Iterable[int]) -> int:
        """Size of the cache of some simulations, without unusable ones [bytes]."""
        files = (self.simulations[each][0] for each in simulations if each < self.num_simulations)
        return sum(_simulation_bytes(self.infos[file]) for file in files if file in self.infos)

    @property
    def _first(self) -> RawFileInfo:
        return next(iter(self.infos.values()))


def build_index(
    config: Mapping[str, Any] | Experiment,
    index_path: Path | None = None,
    *,
    raw_dir: Path | None = None,
    strict: bool = True,
) -> RawIndex:
    """The index of the experiment's raw files.

    Args:
        config: The experiment.
        index_path: File of the index; by default in the data set's cache folder. If it cannot be
            written, every file is opened again the next time.
        raw_dir: Folder of the raw files, or a single file; by default the experiment's.
        strict: Whether an unusable file raises an error; if not, it is listed in ``errors``.

    Raises:
        ConfigError: if the ``data`` section does not fit the files.
        RawDataError: if there is no usable raw file, or (``strict``) an unusable one.
    """
    experiment = parse_experiment(config)
    fields = experiment.data.fields
    if not fields or len(set(fields)) < len(fields):
        raise ConfigError(f"data.fields: {fields}: missing or repeated; it lists what to read")
    raw_dir = raw_dir or experiment.raw_dir
    digest = reading_digest(experiment)
    if index_path is None:
        index_path = _base(cache_directory(experiment, claim=False), digest) / default_name(digest)
    stats = scan(raw_dir, experiment.data.format)
    known = _load(index_path, digest)
    infos, errors, opened = _read(stats, known, experiment)
    if opened and infos:
        announce(next(iter(infos.values())), raw_dir)
    if infos and (opened or len(known) != len(infos)):
        _store(index_path, digest, stats, infos)
    _check_agreement(infos, errors)
    return _assemble(raw_dir, stats, infos, errors, strict)


def default_name(digest: str) -> str:
    """Name of the index file of given reading settings."""
    return f"index-{digest}.json"


def scan(raw_dir: Path, file_format: str) -> dict[Path, tuple[int, int]]:
    """Size [bytes] and modification time [ns] of every raw file, sorted by name.

    Hidden files, other folders and files of other formats are left out.

    Raises:
        RawDataError: if there is no raw file.
    """
    endings = suffixes(file_format)
    is_single = raw_dir.is_file() or is_folder_of_reader(raw_dir, file_format)
    if is_single and is_raw_file(raw_dir, file_format):
        return {raw_dir: status_of(raw_dir)}
    if is_single:
        raise RawDataError(f"{raw_dir}: {why_unreadable(raw_dir, endings)}")
    try:
        with os.scandir(raw_dir) as entries:
            listed = sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
    except FileNotFoundError:
        raise RawDataError(
            f"{raw_dir}: no such folder; the raw files are expected in <data.data_dir>/"
            "<data.dset_name>"
        ) from None
    except OSError as error:
        raise RawDataError(f"{raw_dir}: cannot be read: {error}") from None
    found, others = {}, []
    for entry in listed:
        path = Path(entry.path)
        if is_raw_file(path, file_format):
            found[path] = status_of(path)
        elif path.suffix.lower() not in COMPANIONS:
            others.append(entry.name)
    if not found:
        helpful = next(filter(None, (advice(Path(entry.path)) for entry in listed)), "")
        raise RawDataError(
            f"{raw_dir}: no raw files ({', '.join(endings)}); it holds "
            f"{', '.join(others[:MAX_LISTED]) or 'nothing'}{helpful and f'. {helpful}'}"
        )
    if others:
        logger.info("%s: left out, not raw files: %s", raw_dir, ", ".join(others[:MAX_LISTED]))
    return found


def _load(index_path: Path, digest: str) -> dict[str, dict[str, Any]]:
    """Entries of the index file by file name; empty if it is absent or unusable."""
    try:
        stored = json.loads(read_small_text(index_path, MAX_INDEX_BYTES))
        if stored["schema"] != SCHEMA or stored["reading"] != digest:
            return {}
        if stored["digest"] != digest_of({key: stored[key] for key in ("infos", "files")}):
            raise ValueError("its content does not match its digest")
        shared = [RawFileInfo.from_dict(info) for info in stored["infos"]]
        return {
            name: {"size": size, "mtime_ns": mtime_ns, "info": shared[place]}
            for name, (size, mtime_ns, place) in stored["files"].items()
        }
    except OSError:
        return {}
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        logger.warning("%s: damaged, the raw files are opened again", index_path)
        return {}


def _store(
    index_path: Path,
    digest: str,
    stats: Mapping[Path, tuple[int, int]],
    infos: Mapping[Path, RawFileInfo],
) -> None:
    distinct = list(dict.fromkeys(infos.values()))
    places = {info: place for place, info in enumerate(distinct)}
    content = {
        "infos": [info.to_dict() for info in distinct],
        "files": {path.name: [*stats[path], places[info]] for path, info in infos.items()},
    }
    head = {"schema": SCHEMA, "reading": digest, "digest": digest_of(content)}
    try:
        write_json(index_path, {**head, **content})
    except OSError as error:
        logger.warning("%s: the index cannot be kept: %s", index_path, error)


def _check_agreement(infos: dict[Path, RawFileInfo], errors: dict[Path, str]) -> None:
    """Move files that differ from the first one to the errors."""
    paths = list(infos)
    for path in paths[1:]:
        reference = paths[0]
        difference = disagreement(infos[path], infos[reference]) or known_disagreement(
            infos[path].known, infos[reference].known
        )
        if difference:
            errors[path] = f"{path}: {difference} in {reference.name}"
            del infos[path]


def _assemble(
    raw_dir: Path,
    stats: Mapping[Path, tuple[int, int]],
    infos: Mapping[Path, RawFileInfo],
    errors: Mapping[Path, str],
    strict: bool,
) -> RawIndex:
    several = any(info.num_samples > 1 for info in infos.values())
    # After a damaged file of unknown length, the numbers of simulations would be uncertain.
    if errors and (strict or not infos or several):
        raise RawDataError(damage_report({path: errors[path] for path in stats if path in errors}))
    simulations = tuple(
        (path, sample)
        for path in stats
        for sample in range(infos[path].num_samples if path in infos else 1)
    )
    return RawIndex(raw_dir, simulations, infos, errors)


def _simulation_bytes(info: RawFileInfo) -> int:
    """Size of a cached simulation in single precision, without known parameters that are fields."""
    frames = sum(each.channels * (1 if each.static else info.num_frames) for each in info.layouts)
    return frames * math.prod(info.grid.shape) * VALUE_BYTES


def _read(
    stats: Mapping[Path, tuple[int, int]],
    known: Mapping[str, Mapping[str, Any]],
    experiment: Experiment,
) -> tuple[dict[Path, RawFileInfo], dict[Path, str], int]:
    """Descriptions and errors by file, and the number of files that were opened."""
    infos: dict[Path, RawFileInfo] = {}
    errors: dict[Path, str] = {}
    opened = 0
    first: StatedUnits | None = None
    for path, (size, mtime_ns) in stats.items():
        entry = known.get(path.name)
        is_same = entry is not None and (entry["size"], entry["mtime_ns"]) == (size, mtime_ns)
        if entry is not None and is_same and _follows(entry["info"].units, first):
            infos[path] = entry["info"]
        else:
            opened += 1
            try:
                with following(first):
                    infos[path] = read_info(path, experiment.data)
            except RawDataError as error:
                errors[path] = str(error)
        if first is None and path in infos:
            first = infos[path].units
    return infos, errors, opened


def _follows(units: StatedUnits, first: StatedUnits | None) -> bool:
    """True if a file was read in the system of the data set's first file, or as the first one."""
    return units.is_own if first is None else units.system == first.system


def _base(directory: Path, digest: str) -> Path:
    """The data set's folder."""
    return directory.parent if directory.name == digest else directory
