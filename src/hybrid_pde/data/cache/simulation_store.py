"""Folders of cached simulations, read by training and evaluation."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hybrid_pde.data.atomic import sha256_of
from hybrid_pde.data.cache.cache_file import CachedSimulation, open_simulation
from hybrid_pde.data.cache.cache_header import CacheHeader, read_header
from hybrid_pde.data.cache.compatibility import disagreement
from hybrid_pde.domain.data_description import DataDescription
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import known_disagreement
from hybrid_pde.domain.stated_units import StatedUnits
from hybrid_pde.errors import CacheError

NAME = re.compile(r"sim_(\d{6,})\.safetensors")
MANIFEST = re.compile(r"[a-z]+_(\d{6,})-(\d{6,})\.json")
MANIFEST_SCHEMA = 1


class SimulationStore:
    """Read-only view of the simulations ``sim_000000.safetensors``, … of a folder.

    Args:
        directory: The folder.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._reference: CacheHeader | None = None

    @property
    def grid(self) -> Grid:
        """The grid of all simulations."""
        return self._first_header().grid

    @property
    def dt(self) -> float:
        """Time between frames [time]."""
        return self._first_header().dt

    @property
    def layouts(self) -> tuple[FieldLayout, ...]:
        """The fields."""
        return self._first_header().layouts

    @property
    def units(self) -> StatedUnits:
        """The system that all numbers are in."""
        return self._first_header().units

    @property
    def description(self) -> DataDescription:
        """Grid, fields, units and reading settings of all simulations."""
        header = self._first_header()
        return DataDescription(
            header.grid,
            header.layouts,
            header.dt,
            header.units,
            header.known,
            header.source.get("settings") or {},
        )

    @property
    def num_simulations(self) -> int:
        """Number of simulations."""
        return len(self.indices())

    def path(self, index: int) -> Path:
        """File of a simulation, which need not exist."""
        return self.directory / f"sim_{index:06d}.safetensors"

    def exists(self, index: int) -> bool:
        """True if the simulation's file exists."""
        return self.path(index).is_file()

    def indices(self) -> list[int]:
        """The existing simulations, ascending."""
        try:
            names = [path.name for path in self.directory.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(match[1]) for name in names if (match := NAME.fullmatch(name)))

    def ensure(self, index: int) -> Path:
        """The file of an existing simulation.

        Raises:
            CacheError: if it does not exist.
        """
        if not self.exists(index):
            raise CacheError(
                f"{self.path(index)}: simulation {index} is not there; {self.directory} holds "
                f"{self.num_simulations}{self._remedy(index)}"
            )
        return self.path(index)

    def _remedy(self, index: int) -> str:
        """Remedy for a missing simulation that a manifest lists."""
        for path in sorted(self.directory.glob("*_*-*.json")):
            shard = MANIFEST.fullmatch(path.name)
            if shard and int(shard[1]) <= index <= int(shard[2]):
                return f"; to recompute it, delete {path} and call the same command"
        return ""

    def reader(self) -> "SimulationStore":
        """The simulations as they are in the folder, without what it takes to make them."""
        return SimulationStore(self.directory)

    def load(self, index: int) -> CachedSimulation:
        """A simulation as memory maps.

        Raises:
            CacheError: if its file is missing, truncated, foreign, or of another schema version.
        """
        return open_simulation(self.ensure(index))

    def header(self, index: int) -> CacheHeader:
        """The header of a simulation, without mapping its tensors.

        Raises:
            CacheError: as for :meth:`load`.
        """
        return read_header(self.ensure(index))

    def manifest(
        self, indices: Sequence[int], digests: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Files and digests of some simulations.

        Args:
            indices: The simulations.
            digests: Digests of their files; by default computed now.

        Raises:
            CacheError: if one is missing.
        """
        paths = [self.ensure(index) for index in indices]
        digests = list(map(sha256_of, paths)) if digests is None else digests
        files = {path.name: digest for path, digest in zip(paths, digests, strict=True)}
        return {"schema": MANIFEST_SCHEMA, "simulations": list(indices), "files": files}

    def validate(self, indices: Iterable[int] | None = None) -> None:
        """Check that the files are complete and hold simulations of the same kind.

        Raises:
            CacheError: naming the file and the problem.
        """
        reference: CacheHeader | None = None
        for index in self.indices() if indices is None else indices:
            header = self.header(index)
            reference = reference or header
            difference = disagreement(header, reference) or known_disagreement(
                header.known, reference.known
            )
            if difference:
                raise CacheError(f"{self.path(index)}: {difference} in the first simulation")

    def _first_header(self) -> CacheHeader:
        if self._reference is None:
            present = self.indices()
            if not present:
                raise CacheError(f"{self.directory}: no simulations")
            self._reference = self.header(present[0])
        return self._reference
