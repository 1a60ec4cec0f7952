"""Values that training may use under ``data.observations``: visible points, with noise.

Layout of native tensors: ``C`` channels, ``X Y Z`` space.
"""

import numpy as np
import torch

from hybrid_pde.config.schema import ObservationParams
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.observations.observation_plan import ObservationPlan, plan_observations


class ObservedValues:
    """The visible values of simulations, with their noise.

    They are the same for every model that is trained: they depend only on the section, the seed,
    the simulation, the position of the field in the data and the frame.

    Args:
        store: The simulations.
        section: The experiment's ``data.observations``.
        seed: Used if the section has none.
        initial_known: Whether frame 0 is given completely and without noise.

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
        """The observation plan of one simulation.

        Raises:
            ConfigError: if the section does not fit the data, or hides everything.
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
        """Mask ``[C, *space]`` of the visible values of a frame; ``None`` if all are visible."""
        missing = self.section.missing == "mask"
        if not self.section.hides and not missing:
            return None
        values = self.store.load(simulation).fields[name][frame] if missing else None
        seen = self.plan(simulation).mask(name, frame, values)
        if sensors_alone(self.section) and (frame > 0 or not self.initial_known):
            seen = torch.zeros_like(seen)
        return None if bool(seen.all()) else seen

    def noisy(self, simulation: int, name: str, frame: int, values: torch.Tensor) -> torch.Tensor:
        """A field's values ``[C, *space]`` with noise, in double precision if there is any."""
        plan = self.plan(simulation)
        if plan.noise_level == 0 or (frame == 0 and self.initial_known):
            return values
        std = self.store.header(simulation).statistics[name].std
        scale = float(np.sqrt(np.mean(np.square(std))))
        return plan.noise(name, frame, values.double(), scale)


def sensors_alone(section: ObservationParams) -> bool:
    """True if only the sensors are observed: no other observations are specified."""
    asked = section.times is not None or section.every > 1 or section.region or section.points
    return section.sensors is not None and not asked
