"""Simulations of Burgers' equation, made by the project's solver with fixed seeds.

Layout: ``T`` time, ``C`` channel, ``X Y`` space.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hybrid_pde.config.schema import GaussianRandomField
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.initial_states.random_fields import State, gaussian_random_state
from hybrid_pde.data.raw_netcdf_writer import write_raw_file
from hybrid_pde.domain.grid import PERIODIC, FieldLayout, Grid
from hybrid_pde.models.physical.ensemble import Recording, Start, generate
from hybrid_pde.models.registry import ModelRegistry


@dataclass(frozen=True)
class BurgersSet:
    """Periodic simulations on the box [0, 1)^n from smooth random states.

    Attributes:
        shape: Points along each axis.
        steps: Frames after the first.
        viscosity: ν [length²/time].
        seed: Of the initial states.
        refine: How many times finer the grid is that they are solved on.
        dt: Time between frames [time].
    """

    shape: tuple[int, ...]
    steps: int
    viscosity: float = 0.01
    seed: int = 0
    refine: int = 1
    dt: float = 0.01

    @property
    def condition(self) -> GaussianRandomField:
        """Distribution of initial states: root mean square and correlation length."""
        return GaussianRandomField(amplitude=0.7, length_scale=0.15)

    @property
    def recording(self) -> Recording:
        """Grid, field, steps and dt."""
        axes = ("x", "y", "z")[: len(self.shape)]
        zeros, ones = (0.0,) * len(axes), (1.0,) * len(axes)
        sides = ((PERIODIC, PERIODIC),) * len(axes)
        grid = Grid(axes, self.shape, zeros, ones, sides, (False,) * len(axes))
        layout = FieldLayout("velocity", axes if len(axes) > 1 else ())
        return Recording(grid, (layout,), self.steps, self.dt)

    def simulate(self, count: int) -> Iterator[tuple[int, State]]:
        """The first ``count`` simulations, ``velocity [T, C, *space]`` each."""
        numerics = {"scheme": "spectral", "refine": self.refine}
        truth = {"viscosity": self.viscosity}
        physical = {"name": "BurgersPDE", "pde_params": truth, "numerics": numerics}
        model = ModelRegistry({"model": {"physical": physical}}).get_physical_model()
        recording = self.recording

        def start(index: int) -> Start:
            seed = (self.seed, index)
            return Start(
                gaussian_random_state(recording.grid, recording.layouts, self.condition, seed)
            )

        return generate(model, recording, start, range(count))

    def write_raw(self, folder: Path, count: int) -> None:
        """Raw files as another solver would write them."""
        folder.mkdir(parents=True, exist_ok=True)
        recording = self.recording
        for index, fields in self.simulate(count):
            path = folder / f"sim_{index:06d}.nc"
            write_raw_file(path, fields, recording.grid, recording.layouts, recording.dt, {})

    def write_cache(self, folder: Path, count: int) -> CacheManager:
        """The same simulations in the cache's format."""
        store, recording = CacheManager(folder), self.recording
        for index, fields in self.simulate(count):
            store.write(
                index, fields, recording.grid, recording.dt, {"seed": self.seed}, recording.layouts
            )
        return store
