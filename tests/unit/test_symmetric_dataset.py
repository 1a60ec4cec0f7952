"""Windows transformed by random symmetries: draws, channels and weights.

Layout: ``B`` windows, ``T`` steps, ``C`` channels, ``X Y Z`` space.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from hybrid_pde.config import parse_experiment
from hybrid_pde.config.checks.symmetries import ValidSymmetries
from hybrid_pde.data.cache.cache_manager import CacheManager
from hybrid_pde.data.symmetries.symmetric_dataset import SymmetricDataset
from hybrid_pde.data.symmetries.transformations import Moves, WindowSymmetries
from hybrid_pde.data.windows.hybrid_dataset import HybridDataset
from hybrid_pde.data.windows.window_batch import Window, collate_windows
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.domain.known_values import KnownParameter
from hybrid_pde.errors import ConfigError
from hybrid_pde.training.synthetic.symmetric_windows import with_symmetries
from tests.physics.periodic_box import periodic_grid

GRID = periodic_grid((6, 6), (1.5, 1.5))
VELOCITY, DENSITY = FieldLayout("velocity", ("x", "y")), FieldLayout("density")
WIND = FieldLayout("wind", ("x", "y"), static=True)
VECTORS = frozenset({"velocity"})
ALL = ValidSymmetries((0, 1), (0, 1), ((0, 1),), vectors=VECTORS)


class Drawn:
    """Random windows with weights, and a static vector field among the inputs."""

    def __init__(self, count: int = 40, weighted: bool = True, grid: Grid = GRID) -> None:
        self.grid, self.dt = grid, 0.1
        self.layouts = (VELOCITY, DENSITY, WIND)
        self.output_layouts = (VELOCITY, DENSITY)
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn((count, 5, *grid.shape), generator=generator)
        self.targets = torch.randn((count, 2, 3, *grid.shape), generator=generator)
        self.weights = torch.rand((count, 2, 3, *grid.shape), generator=generator)
        self.weighted = weighted
        self.epoch: int | None = None

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Window:
        return tuple(part[0] for part in self.gather([index]))

    def gather(self, indices: Sequence[int]) -> Window:
        at = list(indices)
        parts = (self.inputs[at], self.targets[at], self.weights[at])
        return parts if self.weighted else parts[:2]


def by_hand(values: torch.Tensor, moves: Moves, number: int, dataset: SymmetricDataset) -> Any:
    """A scalar field ``[X, Y]`` transformed point by point."""
    turn = dataset.symmetries.rotations[int(moves.rotations[number])]
    moved = torch.full_like(values, torch.nan)
    points = values.shape[0]
    for old in np.ndindex(*values.shape):
        new = [0, 0]
        for axis, place in enumerate(old):
            target = turn.targets[axis]
            turned = place if turn.signs[axis] > 0 else points - 1 - place
            new[target] = (turned + int(moves.shifts[number, target])) % points
        moved[new[0], new[1]] = values[old]
    return moved


def test_every_point_goes_where_the_symmetry_takes_it() -> None:
    source = Drawn()
    dataset = SymmetricDataset(source, ALL, seed=4)
    moves, numbers = dataset._moves, range(12)
    assert len({int(turn) for turn in moves.rotations}) == 8
    inputs, targets, weights = dataset.gather(numbers)
    for number in numbers:
        turn = dataset.symmetries.rotations[int(moves.rotations[number])]
        density = by_hand(source.inputs[number, 2], moves, number, dataset)
        assert torch.equal(inputs[number, 2], density)
        for old in (0, 1):
            new, sign = turn.targets[old], turn.signs[old]
            u = by_hand(source.inputs[number, old], moves, number, dataset)
            assert torch.equal(inputs[number, new], sign * u)
            wind = by_hand(source.inputs[number, 3 + old], moves, number, dataset)
            assert torch.equal(inputs[number, 3 + new], sign * wind), (
                "static vectors are rotated as well"
            )
            last = by_hand(source.targets[number, 1, old], moves, number, dataset)
            assert torch.equal(targets[number, 1, new], sign * last)
            weight = by_hand(source.weights[number, 1, old], moves, number, dataset)
            assert torch.equal(weights[number, 1, new], weight), "weights have no sign"


def test_transformations_leave_the_source_unchanged() -> None:
    source = Drawn()
    before = source.inputs.clone()
    dataset = SymmetricDataset(source, ALL, seed=4)
    dataset.gather(range(len(source)))
    assert torch.equal(source.inputs, before)


def test_members_depend_only_on_seed_epoch_and_window() -> None:
    source = Drawn()
    one, same = (SymmetricDataset(source, ALL, seed=4) for _ in range(2))
    whole = one.gather(range(40))
    for number in (0, 7, 39):
        for part, expected in zip(same[number], whole, strict=True):
            assert torch.equal(part, expected[number])
    one.set_epoch(1)
    assert source.epoch == 1
    changed = one.gather(range(40))
    assert (changed[0] != whole[0]).flatten(1).any(1).float().mean() > 0.9
    one.set_epoch(0)
    assert torch.equal(one.gather(range(40))[0], whole[0])
    other = SymmetricDataset(source, ALL, seed=5).gather(range(40))
    assert (other[0] != whole[0]).flatten(1).any(1).float().mean() > 0.9


def test_members_are_drawn_with_equal_probability() -> None:
    dataset = SymmetricDataset(Drawn(4000), ALL)
    moves = dataset._moves
    counts = torch.bincount(moves.rotations, minlength=8)
    assert len(counts) == 8 and counts.min() > 400  # 500 ± 21
    for axis in (0, 1):
        shifts = torch.bincount(moves.shifts[:, axis], minlength=6)
        assert len(shifts) == 6 and shifts.min() > 560  # 667 ± 24


def test_batches_of_a_loader_are_the_windows() -> None:
    dataset = SymmetricDataset(Drawn(), ALL)
    loader: DataLoader[Any] = DataLoader(dataset, batch_size=16, collate_fn=collate_windows)
    batches = list(loader)
    assert [len(batch[0]) for batch in batches] == [16, 16, 8]
    for part, whole in zip(zip(*batches, strict=True), dataset.gather(range(40)), strict=True):
        assert torch.equal(torch.cat(part), whole)


def test_only_symmetric_axes_are_transformed() -> None:
    dataset = SymmetricDataset(Drawn(), ValidSymmetries((1,), (0,), vectors=VECTORS))
    assert len(dataset.symmetries.rotations) == 2
    assert not dataset._moves.shifts[:, 0].any() and dataset._moves.shifts[:, 1].any()
    assert not dataset._moves.boosts.any()


def test_pseudo_scalars_change_sign_with_the_mirror_alone() -> None:
    held = ValidSymmetries((), (0,), ((0, 1),), vectors=VECTORS, odd=frozenset({"density"}))
    source = Drawn()
    dataset = SymmetricDataset(source, held)
    inputs = dataset.gather(range(40))[0]
    for number in range(40):
        turn = dataset.symmetries.rotations[int(dataset._moves.rotations[number])]
        total = turn.parity * source.inputs[number, 2].sum()
        assert inputs[number, 2].sum() == pytest.approx(float(total), abs=1e-4)


def wave(points: int, length: float, shift: torch.Tensor) -> torch.Tensor:
    """A sum of two waves at cell centres, moved by ``[…, 1]``."""
    x = length * (torch.arange(points) + 0.5) / points
    phase = 2 * torch.pi * (x - shift) / length
    return torch.sin(phase) + 0.3 * torch.cos(3 * phase)


def test_galilean_shift_moves_targets_with_the_added_velocity() -> None:
    """A wave at rest becomes one moving with velocity a c, on an even and an odd grid."""
    layout, length, dt = FieldLayout("u"), 1.7, 0.13
    for points in (16, 15):
        grid = periodic_grid((points,), (length,))
        held = ValidSymmetries(boosts=(0,), boosted="u", carried_by=1.5)
        symmetries = WindowSymmetries(grid, [layout], [layout], held, dt, 2.0)
        moves = symmetries.draw(5, torch.Generator().manual_seed(0))
        c = moves.boosts[:, :1]
        assert 0.5 < float(c.abs().max()) <= 2.0
        rest = wave(points, length, torch.zeros(5, 1)).double()
        window = (rest[:, None], rest[:, None, None].repeat(1, 3, 1, 1))
        inputs, targets = symmetries.apply(window, moves)
        assert torch.allclose(inputs[:, 0], rest + c, atol=1e-12)
        for step in range(3):
            expected = wave(points, length, 1.5 * c * (step + 1) * dt) + c
            assert torch.allclose(targets[:, step, 0], expected, atol=1e-5)


def test_galilean_shift_of_hidden_values_is_rejected() -> None:
    held = ValidSymmetries(boosts=(0, 1), boosted="velocity", vectors=VECTORS)
    with pytest.raises(ConfigError, match=r"galilean: some targets are hidden"):
        SymmetricDataset(Drawn(), held, boost=1.0).gather([0])
    inputs, _ = SymmetricDataset(Drawn(weighted=False), held, boost=1.0).gather(range(40))
    added = (inputs - Drawn().inputs).mean(dim=(2, 3))
    assert added[:, :2].abs().max() > 0.8 and added[:, :2].abs().max() <= 1.0
    assert added[:, 2:].abs().max() < 1e-6, "the density and the wind are not boosted"


# -- an experiment ----------------------------------------------------------------------------


def experiment(symmetries: list[str], **inputs: int) -> Any:
    return parse_experiment(
        {
            "run_params": {"model_type": "synthetic", "seed": 3},
            "data": {"dset_name": "flow", "fields": ["c"]},
            "model": {
                "physical": {"name": "AdvectionDiffusionPDE", "pde_params": {"velocity": [1, 0]}},
                "synthetic": {
                    "name": "UNet",
                    "input_specs": {"c": 1, **inputs},
                    "output_specs": {"c": 1},
                },
            },
            "augmentation": {"symmetries": symmetries},
        }
    )


def windows(root: Path, names: list[str], winds: Sequence[tuple[float, float]]) -> HybridDataset:
    store = CacheManager(root)
    for number, wind in enumerate(winds):
        values = np.random.default_rng(number).normal(size=(4, 1, *GRID.shape))
        known = [KnownParameter("velocity", ("x", "y"), values=wind)]
        store.write(number, {"c": values}, GRID, 0.1, {}, known=known)
    return HybridDataset(store, range(len(winds)), names, num_predict_steps=1)


def test_a_known_wind_among_the_inputs_is_rotated_with_the_window(tmp_path: Path) -> None:
    source = windows(tmp_path, ["c", "velocity"], [(1.0, 0.25)])
    dataset = with_symmetries(experiment(["rotation"], velocity=2), source)
    assert isinstance(dataset, SymmetricDataset)
    winds = set()
    for epoch in range(20):
        dataset.set_epoch(epoch)
        inputs = dataset.gather(range(len(dataset)))[0]
        assert torch.equal(inputs[:, 1:].amin((2, 3)), inputs[:, 1:].amax((2, 3)))
        winds |= {tuple(wind) for wind in inputs[:, 1:, 0, 0].tolist()}
    assert winds == {(1.0, 0.25), (-0.25, 1.0), (-1.0, -0.25), (0.25, -1.0)}


def test_a_known_wind_missing_from_the_inputs_is_rejected(tmp_path: Path) -> None:
    source = windows(tmp_path, ["c"], [(1.0, 0.25)])
    with pytest.raises(ConfigError, match=r"rotation: velocity points along x; leave it out"):
        with_symmetries(experiment(["rotation"]), source)
    with pytest.raises(ConfigError, match=r"reflection: velocity points along x; velocity points"):
        with_symmetries(experiment(["reflection"]), source)
    moved = with_symmetries(experiment(["translation"]), source)
    assert isinstance(moved, SymmetricDataset)
    assert with_symmetries(experiment([]), source) is source
