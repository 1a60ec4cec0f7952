"""Partially observed simulations with hidden values filled in.

Layout: ``T`` frames, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from hybrid_pde.config.schema import Experiment
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.observations.observed_simulation import ObservedSimulation, observe
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError
from hybrid_pde.models.physical.field_roles import match_roles

if TYPE_CHECKING:
    from hybrid_pde.models.physical.physical_model import PhysicalModel


@dataclass(frozen=True)
class FilledSimulation:
    """The frames of a simulation for the training of a surrogate, hidden values filled in.

    Attributes:
        values: Observed and filled-in values ``[T, C_out, *space]``.
        weights: Weights of the values, of the same shape.
        is_whole: Whether every value of a frame is observed, ``[T]``.
        is_observed: Whether a point is observed in any frame after the first,
            ``[C_out, *space]``.
    """

    values: torch.Tensor
    weights: torch.Tensor
    is_whole: torch.Tensor
    is_observed: torch.Tensor

    @property
    def hides(self) -> bool:
        """True if some values are hidden."""
        return not bool(self.is_whole.all())

    @property
    def first_whole(self) -> int:
        """The first completely observed frame; the number of frames if there is none."""
        found = self.is_whole.nonzero()
        return int(found[0]) if len(found) else len(self.values)


class ObservedFrames:
    """Reads simulations restricted by ``data.observations``.

    Args:
        store: The simulations.
        layouts: The surrogate's output fields.
        experiment: Sections ``data.observations`` and ``hybrid.interaction_weight``.
        physical: The calibrated model that fills in hidden values. Without one they are
            interpolated linearly in time at each point, with weight 0.
    """

    def __init__(
        self,
        store: SimulationStore,
        layouts: Sequence[FieldLayout],
        experiment: Experiment,
        physical: "PhysicalModel | None",
    ) -> None:
        self._store, self._layouts, self._physical = store, tuple(layouts), physical
        self._weight = experiment.hybrid.interaction_weight
        self._section = experiment.data.observations
        self._seed = experiment.run_params.seed
        self._initial_known = experiment.trainer_params.physical.initial_state == "known"
        self._roles: list[str] = []
        if physical is not None:
            dynamic = [layout.name for layout in store.layouts if not layout.static]
            self._roles = list(match_roles(physical.spec, dynamic).values())

    def read(self, index: int) -> FilledSimulation:
        """All frames of a simulation.

        Raises:
            ConfigError: if a field with hidden values is not a field of the equation.
            DivergenceError: if the rollout of the model is no longer finite.
        """
        seen = observe(self._store, index, self._section, self._seed, self._initial_known)
        assert seen.cached is not None
        values, masks = {}, {}
        for layout in self._layouts:
            name, stored = layout.name, seen.cached.fields[layout.name]
            values[name] = seen.values[name].to(stored.dtype).clone()
            mask = seen.masks.get(name)
            masks[name] = torch.ones_like(stored, dtype=torch.bool) if mask is None else mask
        hidden = [mask for name, mask in seen.masks.items() if name in {*masks, *self._roles}]
        is_whole = torch.tensor(
            [all(bool(mask[k].all()) for mask in hidden) for k in range(seen.cached.num_frames)]
        )
        weights = {name: mask.float() for name, mask in masks.items()}
        for name, mask in masks.items():
            if not bool(mask.all()):
                values[name] = interpolated(values[name], mask)
        if self._physical is not None and not bool(is_whole.all()) and bool(is_whole.any()):
            first = int(is_whole.nonzero()[0])
            self._fill(index, seen, first, values, masks, weights)
        return FilledSimulation(
            torch.cat(list(values.values()), dim=1),
            torch.cat(list(weights.values()), dim=1),
            is_whole,
            torch.cat([mask[1:].any(dim=0) for mask in masks.values()]),
        )

    def _fill(
        self,
        index: int,
        seen: ObservedSimulation,
        first: int,
        values: dict[str, torch.Tensor],
        masks: dict[str, torch.Tensor],
        weights: dict[str, torch.Tensor],
    ) -> None:
        """Replace hidden values after the first complete frame by the rollout from that frame."""
        model, simulation = self._physical, seen.cached
        assert model is not None and simulation is not None
        for name, mask in masks.items():
            if name not in self._roles and not bool(mask.all()):
                raise ConfigError(
                    f"model.synthetic.output_specs.{name}: data.observations hides part of this "
                    f"field, and {model.spec.name}, which fills in hidden values, has no such "
                    "field; remove it from the outputs, or observe it completely"
                )
        steps = simulation.num_frames - 1 - first
        state = {name: seen.values[name][first][None] for name in self._roles}
        known = {
            kind.name: (known if kind.static else known[first:])[None]
            for kind in simulation.header.known
            for known in [simulation.known[kind.name]]
        }
        from hybrid_pde.models.physical.conditions import recorded_conditions  # loads PhiFlow

        conditions = recorded_conditions(simulation.header.known, known)
        entries = [f"simulation {index}"]
        with torch.no_grad():
            rollout = model.rollout(
                state, self._store.grid, steps, simulation.dt, entries=entries,
                conditions=conditions,
            )  # fmt: skip
            for frame, predicted in enumerate(rollout, first + 1):
                for name, mask in masks.items():
                    if name in predicted:
                        filled = predicted[name][0].to(values[name].dtype)
                        values[name][frame] = torch.where(mask[frame], values[name][frame], filled)
                        weights[name][frame][~mask[frame]] = self._weight


def interpolated(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Fill in hidden values by linear interpolation in time at each point.

    The first and the last observed value are extrapolated as constants. Points without observed
    values get the mean of the observed values of their channel.

    Args:
        values: Values ``[T, C, *space]``.
        mask: Mask of the observed ones.
    """
    count = len(values)
    shape = (count, *(1,) * (values.ndim - 1))
    times = torch.arange(count).reshape(shape).expand_as(values)
    before = torch.where(mask, times, -1).cummax(dim=0).values
    after = torch.where(mask, times, count).flip(0).cummin(dim=0).values.flip(0)
    lower = torch.where(before < 0, after, before).clamp(max=count - 1)
    upper = torch.where(after >= count, before, after).clamp(min=0)
    share = ((times - lower) / (upper - lower).clamp(min=1)).to(values.dtype)
    known = torch.where(mask, values, 0.0)
    line = known.gather(0, lower) * (1 - share) + known.gather(0, upper) * share
    axes = (0, *range(2, values.ndim))
    mean = known.sum(dim=axes) / mask.sum(dim=axes).clamp(min=1)
    nothing = (before < 0) & (after >= count)
    filled = torch.where(nothing, mean.reshape(1, -1, *(1,) * (values.ndim - 2)), line)
    return torch.where(mask, values, filled)
