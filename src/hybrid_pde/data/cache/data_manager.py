"""Cached simulations of a data set, made from its raw files if missing or out of date."""

import logging
import math
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from hybrid_pde.config import Experiment, parse_experiment
from hybrid_pde.config.schema.data import NameParameter
from hybrid_pde.data.atomic import refuse_too_large, sha256_of, write_json
from hybrid_pde.data.cache.background_digest import BackgroundDigest
from hybrid_pde.data.cache.cache_file import write_simulation
from hybrid_pde.data.cache.cache_header import read_header
from hybrid_pde.data.cache.cache_location import (
    cache_directory,
    claimed_directory,
    reading_digest,
    reading_settings,
)
from hybrid_pde.data.cache.compatibility import disagreement
from hybrid_pde.data.cache.raw_index import RawIndex, build_index, default_name
from hybrid_pde.data.cache.raw_simulation import Blocks, header_of, warn_of_rounding
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.cache.source_digests import SourceDigests
from hybrid_pde.data.raw_files.file_units import following
from hybrid_pde.data.raw_files.subprocess_reader import open_in_subprocess
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CacheError, ConfigError, RawDataError, StorageError, UserError
from hybrid_pde.progress import progress

logger = logging.getLogger(__name__)

_NO_DIGEST = 64 * "0"  # until the raw file has been read


class DataManager(SimulationStore):
    """Simulations by number, cached on first use.

    A cached simulation is used if it has this program's schema, the experiment's reading settings
    and the digest of its raw file, else it is recomputed. Without raw files, the cache is used
    alone.

    Args:
        raw_data_dir: Folder of the data set's raw files, or its only file.
        cache_dir: Folder of all caches, or the data set's in it.
        config: The experiment, as a mapping or typed.
    """

    def __init__(
        self,
        raw_data_dir: str | Path,
        cache_dir: str | Path,
        config: Mapping[str, Any] | Experiment,
    ) -> None:
        self.experiment = parse_experiment(config)
        self.raw_data_dir = Path(raw_data_dir)
        self.reading = reading_digest(self.experiment)
        self._base = self._data_set_folder(Path(cache_dir))
        super().__init__(claimed_directory(self._base, self.experiment, claim=False))
        self._digests = SourceDigests(self._base)

    @classmethod
    def from_experiment(cls, experiment: Experiment, claim: bool = True) -> "DataManager":
        """The experiment's data set, cached in the folder that its settings name.

        Args:
            experiment: Section ``data``.
            claim: Whether the folder may be marked as this experiment's.
        """
        return cls(experiment.raw_dir, cache_directory(experiment, claim), experiment)

    @cached_property
    def index(self) -> RawIndex | None:
        """Index of the raw files; ``None`` if they are gone and the cache replaces them.

        Raises:
            RawDataError: if there are no raw files and no cached simulations.
        """
        index_path = self._base / default_name(self.reading)
        try:
            return build_index(self.experiment, index_path, raw_dir=self.raw_data_dir, strict=False)
        except RawDataError:
            if self._has_raw_files() or not self.indices():
                raise
            logger.info("%s: no raw files, the cache %s is used", self.raw_data_dir, self.directory)
            return None

    @property
    def grid(self) -> Grid:
        """The grid of all simulations."""
        return self.index.grid if self.index else super().grid

    @property
    def dt(self) -> float:
        """Time between frames [time]."""
        return self.index.dt if self.index else super().dt

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The fields, in the experiment's order."""
        return self.index.layouts if self.index else super().layouts

    @property
    def num_simulations(self) -> int:
        """Number of simulations in the raw files, or in the cache if those are gone."""
        return self.index.num_simulations if self.index else len(self.indices())

    def ensure(self, index: int) -> Path:
        """The valid cached file of a simulation; made now if it is missing or out of date.

        Raises:
            ConfigError: if there is no such simulation.
            RawDataError: if its raw file cannot be used.
            CacheError: if it is not cached and the raw files are gone.
        """
        path = self._ensure(index)
        self._digests.save()
        return path

    def cache_shard(self, indices: Sequence[int]) -> dict[str, Any]:
        """Cache some simulations, as many as possible even if others fail.

        Returns:
            The manifest with files and digests.

        Raises:
            RawDataError: naming every simulation that failed, after the others are cached.
            StorageError: if the disk is full or cannot be written.
        """
        if self.index is not None:  # errors of all files are reported once
            missing = [index for index in indices if not self.exists(index)]
            refuse_too_large(self.directory, self.index.cached_bytes(missing), "the cache")
        failures: list[str] = []
        digests: list[BackgroundDigest] = []
        for index in progress(indices, "caching"):
            try:
                path = self._ensure(index)
            except StorageError:
                raise  # the others would fail, too
            except UserError as error:
                logger.error("simulation %d: %s", index, error)
                failures.append(f"simulation {index}: {error}")
                continue
            if digests:  # a file is hashed while the next one is made
                digests[-1].result()
            digests.append(BackgroundDigest(partial(sha256_of, path)))
        self._digests.save()
        if failures:
            done = f"{len(indices) - len(failures)} of {len(indices)} simulations are cached"
            raise RawDataError("\n".join([*failures, f"{done}, these are not"]))
        for index in indices:
            warn_of_rounding(read_header(self.path(index)))
        return self.manifest(indices, [each.result() for each in digests])

    def write_manifest(self, indices: Sequence[int], path: str | Path) -> dict[str, Any]:
        """Cache some simulations and write their manifest, atomically."""
        manifest = self.cache_shard(indices)
        write_json(Path(path), manifest)
        return manifest

    def _ensure(self, index: int) -> Path:
        if self.index is None:
            header = read_header(super().ensure(index))
            if header.reading != self.reading:
                raise CacheError(
                    f"{self.path(index)}: made with other settings of the data section, and the "
                    f"raw files in {self.raw_data_dir} are gone"
                )
            return self.path(index)
        if not 0 <= index < self.index.num_simulations:
            raise ConfigError(
                f"simulation {index}: there are {self.index.num_simulations} in "
                f"{self.raw_data_dir}, counted from 0"
            )
        raw_file, sample = self.index.simulations[index]
        if raw_file in self.index.errors:
            raise RawDataError(self.index.errors[raw_file])
        if not self._is_valid(index, raw_file, sample):
            self.directory = claimed_directory(self._base, self.experiment, claim=True)
            self._build_locked(index, raw_file, sample)
        return self.path(index)

    def _is_valid(self, index: int, raw_file: Path, sample: int) -> bool:
        if not self.exists(index):
            return False
        try:
            header = read_header(self.path(index))
        except CacheError as error:
            logger.warning("recomputed: %s", error)
            return False
        source = {"file": raw_file.name, "sha256": self._digests.digest(raw_file), "sample": sample}
        known = self.experiment.data.known_parameters.values()
        is_named = any(isinstance(each, NameParameter) for each in known)
        keys = ("sha256", "sample", *(("file",) if is_named else ()))  # the name states a number
        same_source = all(header.source.get(key) == source[key] for key in keys)
        if self.index is not None and header.units.system != self.index.units.system:
            return False
        return same_source and header.reading == self.reading

    def _build_locked(self, index: int, raw_file: Path, sample: int) -> None:
        """Build under a lock, unless another process has already done so."""
        lock = self.directory / ".locks" / f"{self.path(index).stem}.lock"
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(lock):
                if not self._is_valid(index, raw_file, sample):
                    self._build(index, raw_file, sample)
                # A process that still waits for this lock finds a valid simulation.
                lock.unlink(missing_ok=True)
        except StorageError:
            raise
        except OSError as error:
            raise CacheError(f"{self.path(index)}: cannot be written: {error}") from None

    def _build(self, index: int, raw_file: Path, sample: int) -> None:
        assert self.index is not None
        digest_when_begun = self._digests.begin(raw_file)

        def find_source() -> dict[str, str]:
            digest = digest_when_begun()
            if self._digests.digest(raw_file) != digest:
                raise RawDataError(f"{raw_file}: changed while it was being read")
            return {"sha256": digest}

        first = self.index.units
        with (
            following(None if self.index.infos[raw_file].units.is_own else first),
            open_in_subprocess(raw_file, self.experiment.data) as raw,
        ):
            difference = disagreement(raw.info, self.index.infos[raw_file])
            if difference:
                raise RawDataError(f"{raw_file}: {difference} a moment ago")
            source = {
                "file": raw_file.name,
                "sha256": _NO_DIGEST,
                "sample": sample,
                "settings": reading_settings(self.experiment),
            }
            header = header_of(raw, source, self.reading)
            write_simulation(self.path(index), header, Blocks(raw, sample), find_source)
        self._log_missing(index)

    def _log_missing(self, index: int) -> None:
        """Log how many of a simulation's values are missing."""
        header = read_header(self.path(index))
        for layout in header.layouts:
            missing = sum(header.statistics[layout.name].missing)
            if missing:
                share = missing / math.prod(header.shape(layout))
                logger.warning(
                    "simulation %d: %s: %d values (%.3g %%) are missing; they count as unobserved",
                    index, layout.name, missing, 100 * share,
                )  # fmt: skip

    def _data_set_folder(self, cache_dir: Path) -> Path:
        name = self.experiment.data.dset_name
        if cache_dir.name == self.reading and cache_dir.parent.name == name:
            return cache_dir.parent
        return cache_dir if cache_dir.name == name else cache_dir / name

    def _has_raw_files(self) -> bool:
        """True if the folder of the raw files exists and is not empty."""
        try:
            return self.raw_data_dir.is_file() or any(self.raw_data_dir.iterdir())
        except FileNotFoundError:
            return False
        except OSError:
            return True
