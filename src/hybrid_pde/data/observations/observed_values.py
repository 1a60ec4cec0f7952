"""What training may see of simulations: their values behind ``data.observations``.

Layout of native tensors: ``C`` channels, ``X Y Z`` space.
"""

import numpy as np
import torch

from hybrid_pde.config.schema import ObservationParams
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.observations.observation_plan import ObservationPlan, plan_observations


class ObservedValues:
    """The values of simulations that are seen, with their noise.

    They are the same for whatever is trained: both depend on the section, the seed, the simulation,
    the field's place among those of the data and the frame alone.

    Args:
        store: The simulations.
        section: What may be seen of them.
        seed: Used where the section has none of its own.
        initial_known: Whether frame 0 is given whole and without noise.

    Attributes:
        layouts: The fields that change in time, by name.
    """

    def __init__(
        self,
        store: SimulationStore,
        section: ObservationParams,
        seed: int,
        initial_known: bool,
    ) -> None:
        self.store, self.section = store, section
        self.layouts = {each.name: each for each in store.layouts if not each.static}
        self.initial_known = initial_known
        self._seed = seed
        self._plans: dict[int, ObservationPlan] = {}

    def plan(self, simulation: int) -> ObservationPlan:
        """What may be seen of one simulation.

        Raises:
            ConfigError: if the section asks for what there is not, or hides everything.
        """
        if simulation not in self._plans:
            self._plans[simulation] = plan_observations(
                self.section,
                self.store.grid,
                self.store.header(simulation).times,
                tuple(self.layouts.values()),
                simulation,
                self._seed,
                self.initial_known,
            )
        return self._plans[simulation]

    def mask(self, simulation: int, name: str, frame: int) -> torch.Tensor | None:
        """Which values ``[C, *space]`` of a frame are seen; ``None`` for all."""
        missing = self.section.missing == "mask"
        if not self.section.hides and not missing:
            return None
        values = self.store.load(simulation).fields[name][frame] if missing else None
        seen = self.plan(simulation).mask(name, frame, values)
        if sensors_alone(self.section) and (frame > 0 or not self.initial_known):
            seen = torch.zeros_like(seen)
        return None if bool(seen.all()) else seen

    def noisy(self, simulation: int, name: str, frame: int, values: torch.Tensor) -> torch.Tensor:
        """A field's values ``[C, *space]`` as they are observed, in double precision if noisy."""
        plan = self.plan(simulation)
        if plan.noise_level == 0 or (frame == 0 and self.initial_known):
            return values
        std = self.store.header(simulation).statistics[name].std
        scale = float(np.sqrt(np.mean(np.square(std))))
        return plan.noise(name, frame, values.double(), scale)


def sensors_alone(section: ObservationParams) -> bool:
    """Whether nothing but the sensors is seen: nothing else is asked for."""
    asked = section.times is not None or section.every > 1 or section.region or section.points
    return section.sensors is not None and not asked
