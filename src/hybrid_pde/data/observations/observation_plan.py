"""Observation plans: visible points of a simulation's frames, and the noise added to them.

Layout of native tensors: ``T`` frames, ``C`` channels, ``X Y Z`` space. Random numbers depend only
on the seed, the simulation, the field and the frame, so they are the same in any order of access.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hybrid_pde.config.schema import ObservationParams
from hybrid_pde.data.observations.visible_places import check_visible
from hybrid_pde.domain.grid import FieldLayout, Grid

POINTS, NOISE = 0, 1  # streams of random numbers


@dataclass(frozen=True)
class ObservationPlan:
    """Visible points and noise of one simulation.

    Attributes:
        grid: Grid of the fields.
        layouts: Fields by name.
        times: Time of each frame [time].
        visible: Positions of the visible points in the flattened grid, by frame; hidden frames are
            left out.
        noise_level: Standard deviation of the noise relative to the field's.
        seed: Entropy of the noise.
        initial_known: Whether frame 0 is given completely, not observed.
    """

    grid: Grid
    layouts: Mapping[str, FieldLayout]
    times: tuple[float, ...]
    visible: Mapping[int, torch.Tensor]
    noise_level: float
    seed: tuple[int, ...]
    initial_known: bool

    def visible_points(self) -> torch.Tensor:
        """Mask of the visible points of every frame, ``[T, *space]``.

        Frame 0, the initial state, is visible everywhere if it is known.
        """
        seen = torch.zeros(len(self.times), *self.grid.shape, dtype=torch.bool)
        seen[0] = self.initial_known
        flat = seen.flatten(1)
        for frame, places in self.visible.items():
            flat[frame, places] = True
        return seen

    def noise(self, name: str, frame: int, values: torch.Tensor, scale: float) -> torch.Tensor:
        """Values ``[C, *space]`` with Gaussian noise of the plan's level times ``scale``.

        Args:
            name: The field.
            frame: Counted from 0.
            values: Values of the field.
            scale: Standard deviation of the field over the simulation's frames.
        """
        if self.noise_level == 0:
            return values
        field = list(self.layouts).index(name)
        generator = np.random.default_rng([*self.seed, NOISE, field, frame])
        drawn = torch.from_numpy(generator.standard_normal(tuple(values.shape)))
        return values + (self.noise_level * scale) * drawn.to(values.dtype)


def plan_observations(
    section: ObservationParams,
    grid: Grid,
    times: Sequence[float],
    layouts: Sequence[FieldLayout],
    simulation_index: int,
    seed: int,
    initial_known: bool = True,
) -> ObservationPlan:
    """The observation plan of one simulation.

    ``times`` and ``every`` choose frames, ``region`` chooses points, and ``points`` draws that many
    pairs of a frame and a point from them; every field and channel is visible there.

    Args:
        section: The experiment's ``data.observations``.
        grid: Grid of the fields.
        times: Time of each frame [time].
        layouts: The fields that change in time.
        simulation_index: Index of the simulation; each gets its own points and noise.
        seed: Used if the section has none.
        initial_known: Whether frame 0 is given completely; else it is observed like the others.

    Raises:
        ConfigError: if there is no frame at a time, an axis is unknown, there are fewer pairs than
            ``points``, or everything is hidden; naming the key.
    """
    frames, chosen = check_visible(section, grid, times, simulation_index, initial_known)
    places = torch.from_numpy(chosen)
    entropy = (seed if section.seed is None else section.seed, simulation_index)
    visible = dict.fromkeys(frames, places)
    if section.points is not None:
        visible = _drawn(section.points, frames, places, entropy)
    return ObservationPlan(
        grid=grid,
        layouts={layout.name: layout for layout in layouts},
        times=tuple(times),
        visible=visible,
        noise_level=section.noise,
        seed=entropy,
        initial_known=initial_known,
    )


def _drawn(
    points: int, frames: Sequence[int], places: torch.Tensor, entropy: Sequence[int]
) -> dict[int, torch.Tensor]:
    """Visible points by frame: random pairs of a frame and a point without repetition."""
    pairs = len(frames) * len(places)
    generator = np.random.default_rng([*entropy, POINTS])
    chosen = np.sort(generator.choice(pairs, points, replace=False))
    number, place = chosen // len(places), torch.from_numpy(chosen % len(places))
    return {
        frames[each]: places[place[torch.from_numpy(number == each)]] for each in np.unique(number)
    }
