"""Whole simulations of which only a part may be seen, with something in the place of the rest.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hybrid_pde.config.schema import Experiment, ObservationParams
from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.observations.observed_values import ObservedValues
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.conditions import recorded_conditions
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.physical_model import PhysicalModel


@dataclass(frozen=True)
class SeenSimulation:
    """The frames of a simulation as a surrogate may see them.

    Attributes:
        values: ``[T, C_out, *space]``; what stands in the place of hidden ones included.
        weights: Of the values, likewise.
        is_whole: Whether every value of a frame is seen, ``[T]``.
        is_seen: Whether a place is seen in any frame after the first, ``[C_out, *space]``.
    """

    values: torch.Tensor
    weights: torch.Tensor
    is_whole: torch.Tensor
    is_seen: torch.Tensor

    @property
    def hides(self) -> bool:
        """Whether anything is hidden."""
        return not bool(self.is_whole.all())

    @property
    def first_whole(self) -> int:
        """The first frame that is seen as a whole; the number of frames where none is."""
        found = self.is_whole.nonzero()
        return int(found[0]) if len(found) else len(self.values)


class ObservedFrames:
    """Reads simulations behind ``data.observations``.

    Args:
        store: The simulations.
        layouts: The surrogate's output fields.
        experiment: Its observations, and the weight of predicted values.
        physical: The calibrated model that fills in what is hidden; without one it is interpolated
            between the seen values of a point, linearly in time, and weighs nothing.
    """

    def __init__(
        self,
        store: SimulationStore,
        layouts: Sequence[FieldLayout],
        experiment: Experiment,
        physical: PhysicalModel | None,
    ) -> None:
        self._store, self._layouts, self._physical = store, tuple(layouts), physical
        self._weight = experiment.hybrid.interaction_weight
        self._seen = ObservedValues(
            store,
            experiment.data.observations or ObservationParams(),
            experiment.run_params.seed,
            experiment.trainer_params.physical.initial_state == "known",
        )
        self._roles: list[str] = []
        if physical is not None:
            self._roles = list(match_roles(physical.spec, list(self._seen.layouts)).values())

    def read(self, index: int) -> SeenSimulation:
        """A simulation with all its frames.

        Raises:
            ConfigError: if a field is hidden that the equation, whose rollout fills it, has not.
            DivergenceError: if that rollout leaves the finite numbers.
        """
        simulation = self._store.load(index)
        frames = range(simulation.num_frames)
        values, seen = {}, {}
        for layout in self._layouts:
            stored = simulation.fields[layout.name]
            noisy = [self._seen.noisy(index, layout.name, k, stored[k]).float() for k in frames]
            values[layout.name] = torch.stack(noisy)
            seen[layout.name] = torch.stack(
                [self._mask(index, layout.name, k, stored[k]) for k in frames]
            )
        names = {*seen, *self._roles}
        is_whole = torch.tensor(
            [all(self._seen.mask(index, name, k) is None for name in names) for k in frames]
        )
        weights = {name: mask.float() for name, mask in seen.items()}
        for name, mask in seen.items():
            if not bool(mask.all()):
                values[name] = interpolated(values[name], mask)
        if self._physical is not None and not bool(is_whole.all()) and bool(is_whole.any()):
            first = int(is_whole.nonzero()[0])
            self._fill(index, simulation, first, values, seen, weights)
        return SeenSimulation(
            torch.cat(list(values.values()), dim=1),
            torch.cat(list(weights.values()), dim=1),
            is_whole,
            torch.cat([mask[1:].any(dim=0) for mask in seen.values()]),
        )

    def _mask(self, index: int, name: str, frame: int, values: torch.Tensor) -> torch.Tensor:
        mask = self._seen.mask(index, name, frame)
        return torch.ones_like(values, dtype=torch.bool) if mask is None else mask

    def _fill(
        self,
        index: int,
        simulation: CachedSimulation,
        first: int,
        values: dict[str, torch.Tensor],
        seen: dict[str, torch.Tensor],
        weights: dict[str, torch.Tensor],
    ) -> None:
        """Put the rollout from the first whole frame where values are hidden after it."""
        model = self._physical
        assert model is not None
        for name, mask in seen.items():
            if name not in self._roles and not bool(mask.all()):
                raise ConfigError(
                    f"model.synthetic.output_specs.{name}: data.observations hides a part of it, "
                    f"and {model.spec.name}, whose rollout fills what is hidden, has no such field"
                )
        steps = simulation.num_frames - 1 - first
        state = {
            name: self._seen.noisy(index, name, first, simulation.fields[name][first])[None]
            for name in self._roles
        }
        known = {
            kind.name: (known if kind.static else known[first:])[None]
            for kind in simulation.header.known
            for known in [simulation.known[kind.name]]
        }
        conditions = recorded_conditions(simulation.header.known, known)
        entries = [f"simulation {index}"]
        with torch.no_grad():
            rollout = model.rollout(
                state, self._store.grid, steps, simulation.dt, entries=entries,
                conditions=conditions,
            )  # fmt: skip
            for frame, predicted in enumerate(rollout, first + 1):
                for name, mask in seen.items():
                    if name in predicted:
                        filled = predicted[name][0].float()
                        values[name][frame] = torch.where(mask[frame], values[name][frame], filled)
                        weights[name][frame][~mask[frame]] = self._weight


def interpolated(values: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Values ``[T, C, *space]``, hidden ones interpolated in time between those of their point.

    Before the first and after the last one that is seen it is that one; a point of which nothing is
    seen gets the mean of its channel's seen values.
    """
    count = len(values)
    shape = (count, *(1,) * (values.ndim - 1))
    times = torch.arange(count).reshape(shape).expand_as(values)
    before = torch.where(seen, times, -1).cummax(dim=0).values
    after = torch.where(seen, times, count).flip(0).cummin(dim=0).values.flip(0)
    lower = torch.where(before < 0, after, before).clamp(max=count - 1)
    upper = torch.where(after >= count, before, after).clamp(min=0)
    share = ((times - lower) / (upper - lower).clamp(min=1)).to(values.dtype)
    known = torch.where(seen, values, 0.0)
    line = known.gather(0, lower) * (1 - share) + known.gather(0, upper) * share
    axes = (0, *range(2, values.ndim))
    mean = known.sum(dim=axes) / seen.sum(dim=axes).clamp(min=1)
    nothing = (before < 0) & (after >= count)
    filled = torch.where(nothing, mean.reshape(1, -1, *(1,) * (values.ndim - 2)), line)
    return torch.where(seen, values, filled)
