"""Moves of windows by symmetries: shifts, reflections, rotations by 90 degrees, moving observers.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space, ``D`` axes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hybrid_pde.config.checks.symmetries import ValidSymmetries
from hybrid_pde.data.symmetries.grid_rotations import Turn, turns_of
from hybrid_pde.data.windows.window_batch import Window
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError


@dataclass(frozen=True)
class Moves:
    """What is done to each of several windows.

    Attributes:
        turns: Number of the turn, ``[B]``.
        shifts: Whole cells, after the turn, ``[B, D]``.
        boosts: Velocity that is added before the turn, ``[B, D]`` [field].
    """

    turns: torch.Tensor
    shifts: torch.Tensor
    boosts: torch.Tensor

    def __getitem__(self, indices: Sequence[int] | torch.Tensor) -> "Moves":
        return Moves(self.turns[indices], self.shifts[indices], self.boosts[indices])


class WindowSymmetries:
    """Moves windows of one kind.

    Args:
        grid: Their grid.
        inputs: Layouts of the input channels.
        outputs: Layouts of the target channels.
        held: The symmetries.
        dt: Time between frames [time].
        boost: Largest velocity that is added along an axis [field].
    """

    def __init__(
        self,
        grid: Grid,
        inputs: Sequence[FieldLayout],
        outputs: Sequence[FieldLayout],
        held: ValidSymmetries,
        dt: float,
        boost: float,
    ) -> None:
        self._shape, self._spacing, self._held, self._dt = grid.shape, grid.spacing, held, dt
        self._boost = boost
        self.turns = turns_of(held, len(grid.axes))
        # by turn and new axis: the old axis, and whether it is reversed
        sources = [[turn.targets.index(j) for j in range(len(grid.axes))] for turn in self.turns]
        self._sources = torch.tensor(sources)
        self._signs = torch.tensor(
            [[turn.signs[k] for k in row] for turn, row in zip(self.turns, sources, strict=True)]
        )
        self._inputs = _Channels.of(inputs, grid.axes, held, self.turns)
        self._outputs = _Channels.of(outputs, grid.axes, held, self.turns)

    def draw(self, count: int, generator: torch.Generator) -> Moves:
        """A random move for each of ``count`` windows, all members alike; boosts up to the largest.

        Args:
            count: Number of windows B.
            generator: Where the random numbers come from.
        """
        dims = len(self._shape)
        turns = torch.randint(len(self.turns), (count,), generator=generator)
        shares = torch.rand((count, dims), generator=generator, dtype=torch.float64)
        cells = (shares * torch.tensor(self._shape)).long()
        moved = torch.zeros(dims, dtype=torch.long)
        moved[list(self._held.translations)] = 1
        drawn = 2 * torch.rand((count, dims), generator=generator, dtype=torch.float64) - 1
        if self._held.boosted not in self._held.vectors:
            drawn = drawn[:, :1].expand(count, dims)  # one number, for a scalar has one
        boosted = torch.zeros(dims, dtype=torch.float64)
        boosted[list(self._held.boosts)] = self._boost
        return Moves(turns, cells * moved, drawn * boosted)

    def apply(self, window: Window, moves: Moves) -> Window:
        """Moved copies of a batch of windows.

        Args:
            window: Inputs ``[B, C_in, *space]``, targets ``[B, T, C_out, *space]`` and, if there
                are any, their weights, which change place but not sign.
            moves: What is done to each.

        Raises:
            ConfigError: if a velocity is added to windows with weights: values that do not count
                would be interpolated with those that do.
        """
        inputs, targets, *weights = window
        if self._held.boosts:
            if weights:
                raise ConfigError(
                    "augmentation.symmetries: galilean: some targets are hidden, and cannot be "
                    "moved by parts of a cell; leave it out"
                )
            inputs, targets = self._boosted(inputs, targets, moves.boosts)
        cells = self._cells(moves)
        moved = [
            self._inputs.turn(_gather(inputs[:, None], cells), moves.turns)[:, 0],
            self._outputs.turn(_gather(targets, cells), moves.turns),
        ]
        for each in weights:
            moved.append(self._outputs.turn(_gather(each, cells), moves.turns, signed=False))
        return tuple(moved)

    def _cells(self, moves: Moves) -> torch.Tensor:
        """Where every point's value comes from, ``[B, X·Y·Z]``.

        An old index depends on one new index only, so that the flat one is a sum over the axes.
        """
        dims, strides = len(self._shape), [math.prod(self._shape[k + 1 :]) for k in range(3)]
        stride = torch.tensor(strides[:dims])
        flat = torch.zeros((len(moves.turns), *(1,) * dims), dtype=torch.long)
        for axis, points in enumerate(self._shape):
            place = (torch.arange(points) - moves.shifts[:, axis : axis + 1]) % points
            reverse = self._signs[moves.turns, axis, None] < 0
            place = torch.where(reverse, points - 1 - place, place)
            place = place * stride[self._sources[moves.turns, axis]][:, None]
            flat = flat + place.view(-1, *(points if j == axis else 1 for j in range(dims)))
        return flat.flatten(1)

    def _boosted(
        self, inputs: torch.Tensor, targets: torch.Tensor, boosts: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The windows as an observer sees them who moves with the velocity −a c.

        The n-th target goes n dt a c further, by the phases of its Fourier modes: exact for what
        the grid resolves.
        """
        dims, steps = len(self._shape), targets.shape[1]
        space = tuple(range(-dims, 0))
        times = self._dt * torch.arange(1, steps + 1, dtype=torch.float64)
        distances = self._held.carried_by * boosts[:, None, :] * times[:, None]  # [B, T, D]
        modes = torch.fft.fftn(targets, dim=space)
        for axis, (points, dx) in enumerate(zip(self._shape, self._spacing, strict=True)):
            wavenumbers = 2 * math.pi * torch.fft.fftfreq(points, dx, dtype=torch.float64)
            angles = distances[..., axis, None] * wavenumbers
            phases = torch.polar(torch.ones_like(angles), -angles)
            if points % 2 == 0:
                # the shortest wave stands for both signs of its wavenumber
                phases[..., points // 2] = phases[..., points // 2].real.to(phases.dtype)
            shape = (*phases.shape[:2], 1, *(points if j == axis else 1 for j in range(dims)))
            modes = modes * phases.to(modes.dtype).view(shape)
        moved = torch.fft.ifftn(modes, dim=space).real
        is_vector = self._held.boosted in self._held.vectors
        added = (boosts if is_vector else boosts[:, :1]).to(targets.dtype)
        added = added.view(len(boosts), -1, *(1,) * dims)
        inputs = inputs.clone()
        inputs[:, self._inputs.of_field(self._held.boosted)] += added
        moved[:, :, self._outputs.of_field(self._held.boosted)] += added[:, None]
        return inputs, moved


class _Channels:
    """What turns make of channels.

    Attributes:
        sources: By turn and new channel, the old channel ``[G, C]``.
        signs: By turn and new channel, ±1 ``[G, C]``.
    """

    def __init__(
        self, sources: torch.Tensor, signs: torch.Tensor, places: dict[str, slice]
    ) -> None:
        self.sources, self.signs, self._places = sources, signs, places
        self._is_mixed = bool((sources != sources[0]).any())
        self._is_signed = bool((signs < 0).any())

    @classmethod
    def of(
        cls,
        layouts: Sequence[FieldLayout],
        axes: Sequence[str],
        held: ValidSymmetries,
        turns: Sequence[Turn],
    ) -> "_Channels":
        """The channels of some fields in their order."""
        sources: list[list[int]] = [[] for _ in turns]
        signs: list[list[int]] = [[] for _ in turns]
        places: dict[str, slice] = {}
        first = 0
        for layout in layouts:
            places[layout.name] = slice(first, first + layout.channels)
            is_vector = layout.components == tuple(axes) or layout.name in held.vectors
            for number, turn in enumerate(turns):
                for channel in range(layout.channels):
                    old = turn.targets.index(channel) if is_vector else channel
                    parity = turn.parity if layout.name in held.odd else 1
                    sources[number].append(first + old)
                    signs[number].append(turn.signs[old] if is_vector else parity)
            first += layout.channels
        return cls(torch.tensor(sources), torch.tensor(signs), places)

    def of_field(self, name: str) -> slice:
        """The channels of a field."""
        return self._places[name]

    def turn(self, values: torch.Tensor, turns: torch.Tensor, signed: bool = True) -> torch.Tensor:
        """Channels in their new places, ``[B, T, C, *space]``; changes ``values``."""
        ones = (1,) * (values.ndim - 3)
        if self._is_mixed:
            sources = self.sources[turns].view(len(turns), 1, -1, *ones)
            values = values.gather(2, sources.expand(values.shape))
        if signed and self._is_signed:
            values *= self.signs[turns].to(values.dtype).view(len(turns), 1, -1, *ones)
        return values


def _gather(values: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Values ``[B, T, C, *space]`` taken from the cells ``[B, X·Y·Z]``."""
    flat = values.flatten(3)
    return flat.gather(3, cells[:, None, None].expand(flat.shape)).view(values.shape)
