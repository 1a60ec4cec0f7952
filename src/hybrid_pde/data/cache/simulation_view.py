"""View of a store of simulations: a part of their frames, and other known parameters.

Layout: ``T`` time, ``C`` channel, ``X Y Z`` space.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.data.cache.cache_header import CacheHeader
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.domain.known_values import KnownParameter

Known = tuple[KnownParameter, ...]


class SimulationView(SimulationStore):
    """Simulations of a store as one stage sees them; the files are those of the store.

    Args:
        store: The simulations.
        frames: First frame and end of the simulations that are cut; of the others all frames.
        known: Known parameters with their numbers, by simulation, in place of those of their names
            in the file.
        hidden: Names of known parameters that are not seen.
    """

    def __init__(
        self,
        store: SimulationStore,
        frames: Mapping[int, tuple[int, int]] | None = None,
        known: Mapping[int, Known] | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        super().__init__(store.directory)
        self._store = store
        self._frames, self._known = dict(frames or {}), dict(known or {})
        self._hidden = frozenset(hidden)

    def reader(self) -> "SimulationView":
        """The same view of the finished files, which worker processes can open."""
        return SimulationView(self._store.reader(), self._frames, self._known, self._hidden)

    def path(self, index: int) -> Path:
        """File of a simulation, which need not exist."""
        return self._store.path(index)

    def ensure(self, index: int) -> Path:
        """The file of a simulation; its content is that of the store, not of the view."""
        return self._store.ensure(index)

    def indices(self) -> list[int]:
        """The existing simulations, ascending."""
        return self._store.indices()

    def header(self, index: int) -> CacheHeader:
        """The header of a simulation as this view shows it; the statistics are the file's."""
        return self._shown(index, self._store.header(index))

    def load(self, index: int) -> CachedSimulation:
        """A simulation as memory maps, as this view shows it."""
        found = self._store.load(index)
        header = self._shown(index, found.header)
        span = slice(*self._span(index, found.header))
        static = {layout.name for layout in found.header.layouts if layout.static}
        fields = {
            name: values if name in static else values[span]
            for name, values in found.fields.items()
        }
        own = {kind.name for kind in self._known.get(index, ())}
        known = {
            kind.name: torch.tensor(kind.values, dtype=torch.float64)
            if kind.name in own or not kind.is_field
            else found.known[kind.name]
            if kind.static
            else found.known[kind.name][span]
            for kind in header.known
        }
        return CachedSimulation(found.path, header, fields, known)

    def _span(self, index: int, header: CacheHeader) -> tuple[int, int]:
        first, end = self._frames.get(index, (0, header.num_frames))
        return first, min(end, header.num_frames)

    def _shown(self, index: int, header: CacheHeader) -> CacheHeader:
        first, end = self._span(index, header)
        given = self._known.get(index, ())
        replaced = {kind.name for kind in given} | self._hidden
        kept = tuple(
            kind
            if kind.static or kind.is_field
            else replace(kind, values=tuple(kind.values)[first:end])
            for kind in header.known
            if kind.name not in replaced
        )
        return replace(header, times=header.times[first:end], known=(*kept, *given))
