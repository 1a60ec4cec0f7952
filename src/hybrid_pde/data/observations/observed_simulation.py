"""Observed values of one simulation: arrays with noise, masks, predictions of hidden values.

Layout of native tensors: ``T`` frames, ``C`` channels, ``X Y Z`` space, ``[T, C, X, Y, Z]``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from hybrid_pde.config.schema import ObservationParams
from hybrid_pde.data.cache.cache_file import CachedSimulation
from hybrid_pde.data.cache.simulation_store import SimulationStore
from hybrid_pde.data.observations.observation_plan import ObservationPlan, plan_observations


@dataclass(frozen=True)
class ObservedSimulation:
    """Frames of a simulation, and which of their values are observed.

    An observed value has the weight 1, a hidden one 0, or the weight of the prediction that stands
    in its place.

    Attributes:
        values: ``[T, C, *space]`` by field; maps of the cache's file unless noise was added or
            predictions were filled in.
        masks: Mask of the observed values by field, of the same shape; without fields of which all
            values are observed.
        predicted: Weight of predictions in place of the hidden values of each frame, ``[T]``; 0
            where there are none.
        cached: The simulation in the cache, if it comes from there.
    """

    values: Mapping[str, torch.Tensor]
    masks: Mapping[str, torch.Tensor]
    predicted: torch.Tensor | None = None
    cached: CachedSimulation | None = None

    @property
    def has_predictions(self) -> bool:
        """True if some hidden values are replaced by predictions."""
        if self.predicted is None:
            return False
        return any(bool((self.predicted[~whole] > 0).any()) for whole in self._whole.values())

    def without_predictions(self) -> "ObservedSimulation":
        """The same frames, with weight 0 for all hidden values."""
        return replace(self, predicted=None)

    def with_predictions(
        self, values: Mapping[str, torch.Tensor], first: int, weight: float
    ) -> "ObservedSimulation":
        """The same frames with predictions of hidden values from frame ``first`` on.

        Args:
            values: Predictions ``[n, C, *space]`` by field.
            first: Frame of the first one.
            weight: Weight of each.
        """
        filled, weights = dict(self.values), self._no_weights()
        for name, predictions in values.items():
            own = self.values[name]
            frames = slice(first, min(first + len(predictions), len(own)))
            weights[frames] = weight
            if name in self.masks:
                taken = predictions[: frames.stop - first].to(own.dtype)
                filled[name] = own.clone()
                filled[name][frames] = torch.where(self.masks[name][frames], own[frames], taken)
        return replace(self, values=filled, predicted=weights)

    def frames(self, name: str, at: Sequence[int]) -> torch.Tensor:
        """Some frames ``[n, C, *space]`` in double precision.

        Hidden values are 0, or their predictions.
        """
        values = self._at(self.values[name], at)
        mask = self.masks.get(name)
        if mask is not None:
            kept = self._at(mask, at)
            if self.predicted is not None:
                kept = kept | (self._at(self.predicted, at) > 0).reshape(
                    -1, *(1,) * (kept.ndim - 1)
                )
            values = torch.where(kept, values, 0.0)
        return values.double()

    def mask(self, name: str, frame: int) -> torch.Tensor | None:
        """Mask of the observed values ``[C, *space]`` of a frame; ``None`` for all."""
        if name not in self.masks or bool(self._whole[name][frame]):
            return None
        return self.masks[name][frame]

    def observed(self, name: str, frame: int) -> torch.Tensor:
        """Observed values of a frame as they are stored, ``[n]``."""
        mask, values = self.mask(name, frame), self.values[name][frame]
        return values.reshape(-1) if mask is None else values[mask]

    def weight(self, name: str, frame: int) -> float:
        """Sum of the weights of a frame's values."""
        size, mask = self.values[name][0].numel(), self.mask(name, frame)
        observed = size if mask is None else int(mask.sum())
        return observed + self._hidden_weight(frame) * (size - observed)

    def root_weights(self, name: str, frame: int) -> torch.Tensor | None:
        """Square roots of the weights of a frame's values, ``[C, *space]``; ``None``: all 1."""
        mask = self.mask(name, frame)
        if mask is None:
            return None
        return torch.where(mask, 1.0, self._hidden_weight(frame) ** 0.5).double()

    def _hidden_weight(self, frame: int) -> float:
        return 0.0 if self.predicted is None else float(self.predicted[frame])

    def _no_weights(self) -> torch.Tensor:
        if self.predicted is not None:
            return self.predicted.clone()
        return torch.zeros(len(next(iter(self.values.values()))), dtype=torch.float64)

    @cached_property
    def _whole(self) -> dict[str, torch.Tensor]:
        """True for frames of which all values are observed, ``[T]``, by field with a mask."""
        return {
            name: torch.stack([frame.all() for frame in mask]) for name, mask in self.masks.items()
        }

    @staticmethod
    def _at(values: torch.Tensor, at: Sequence[int]) -> torch.Tensor:
        if isinstance(at, range) and at.step == 1:
            return values[at.start : at.stop]
        if len(at) == 1:  # without a copy
            return values[at[0] : at[0] + 1]
        return values[list(at)]


def observe(
    store: SimulationStore,
    index: int,
    section: ObservationParams | None,
    seed: int,
    initial_known: bool,
) -> ObservedSimulation:
    """Part of a simulation that training may use under ``data.observations``.

    It is the same for every model that is trained: it depends only on the section, the seed, the
    simulation, the position of a field in the data and the frame.

    Args:
        store: The simulations.
        index: Number of the simulation.
        section: The experiment's ``data.observations``.
        seed: Used if the section has none.
        initial_known: Whether frame 0 is given completely and without noise.

    Raises:
        ConfigError: if the section does not fit the data, or hides everything.
    """
    simulation = store.load(index)
    layouts = {each.name: each for each in simulation.layouts if not each.static}
    values = {name: simulation.fields[name] for name in layouts}
    if section is None:
        return ObservedSimulation(values, {}, cached=simulation)
    plan = plan_observations(
        section,
        simulation.grid,
        simulation.times,
        tuple(layouts.values()),
        index,
        seed,
        initial_known,
    )
    masks = observation_masks(section, plan, values)
    if section.noise > 0:
        values = {name: _noisy(simulation, plan, name) for name in layouts}
    return ObservedSimulation(values, masks, cached=simulation)


def sensors_alone(section: ObservationParams) -> bool:
    """True if only the sensors are observed: no other observations are specified."""
    asked = section.times is not None or section.every > 1 or section.region or section.points
    return section.sensors is not None and not asked


def observation_masks(
    section: ObservationParams, plan: ObservationPlan, values: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Masks of the fields with hidden values; one array for all fields where it is the same.

    Args:
        section: The experiment's ``data.observations``.
        plan: The observation plan of the simulation.
        values: ``[T, C, *space]`` by field; NaN values are missing.
    """
    has_gaps = section.missing == "mask"
    if not section.hides and not has_gaps:
        return {}
    seen = plan.visible_points()
    if sensors_alone(section):
        seen[1 if plan.initial_known else 0 :] = False
    masks = {}
    for name, own in values.items():
        mask = seen.unsqueeze(1).expand(own.shape)
        masks[name] = mask & ~torch.isnan(own) if has_gaps else mask
    return {name: mask for name, mask in masks.items() if not bool(mask.all())}


def _noisy(simulation: CachedSimulation, plan: ObservationPlan, name: str) -> torch.Tensor:
    """All frames of a field with noise, in double precision; a known first frame has none."""
    scale = float(np.sqrt(np.mean(np.square(simulation.statistics[name].std))))
    values = simulation.fields[name].double().clone()
    for frame in range(1 if plan.initial_known else 0, len(values)):
        values[frame] = plan.noise(name, frame, values[frame], scale)
    return values
