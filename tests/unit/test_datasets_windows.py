"""Windows as slices of cached simulations: their content, order and number."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from hybrid_pde.data import (
    AugmentedDataset,
    CacheManager,
    DataManager,
    HybridDataset,
    collate_windows,
)
from hybrid_pde.data.field_conversion import from_field
from hybrid_pde.data.windows.window_batch import WindowBatch
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError
from tests.unit.raw_files import experiment, raw_path, write_simple

GRID = Grid(("x", "y"), (6, 4), (0.0, 0.0), (3.0, 1.0), (("periodic",) * 2,) * 2, (False, False))
FRAMES = 9


@pytest.fixture
def store(tmp_path: Path) -> CacheManager:
    """Two simulations: a vector, a scalar, and a static field."""
    manager = CacheManager(tmp_path)
    for index, frames in ((0, FRAMES), (5, FRAMES + 2)):
        random = np.random.default_rng(index)
        fields = {
            "velocity": random.normal(size=(frames, 2, 6, 4)),
            "k": random.normal(size=(1, 6, 4)),
            "p": random.normal(size=(frames, 1, 6, 4)),
        }
        manager.write(index, fields, GRID, 0.5, {})
    return manager


def windows(store: CacheManager, names: list[str], **settings: Any) -> HybridDataset:
    settings = {"num_predict_steps": 3, **settings}
    return HybridDataset(store, settings.pop("sims", [0, 5]), names, **settings)


def test_single_field_is_a_view(store: CacheManager) -> None:
    dataset = windows(store, ["velocity"])
    assert len(dataset) == (FRAMES - 3) + (FRAMES + 2 - 3)
    for index in (0, 5, 6, 13):
        simulation, start = dataset.window(index)
        expected = store.load(simulation).fields["velocity"]
        inputs, targets = dataset[index]
        assert torch.equal(inputs, expected[start])
        assert torch.equal(targets, expected[start + 1 : start + 4])
        assert inputs._base is not None
    assert [dataset.window(index) for index in (0, 5, 6, -1)] == [(0, 0), (0, 5), (5, 0), (5, 7)]
    inputs, targets = dataset[1]
    following = dataset[2][0]
    assert targets.data_ptr() == following.data_ptr()
    with pytest.raises(IndexError, match="window 14 of 14"):
        dataset[14]
    assert len(list(dataset)) == 14
    assert (dataset.dt, dataset.grid) == (0.5, GRID)


def test_channels_follow_the_names(store: CacheManager) -> None:
    dataset = windows(store, ["p", "k", "velocity"])
    fields = store.load(0).fields
    inputs, targets = dataset[2]
    expected = torch.cat([fields["p"][2], fields["k"], fields["velocity"][2]])
    assert torch.equal(inputs, expected)
    assert torch.equal(targets, torch.cat([fields["p"], fields["velocity"]], 1)[3:6])
    assert [layout.name for layout in dataset.output_layouts] == ["p", "velocity"]
    assert [layout.static for layout in dataset.layouts] == [False, True, False]


def test_chosen_dynamic_and_static_fields(store: CacheManager) -> None:
    restricted = windows(store, ["p", "velocity"], dynamic_fields=["velocity"])
    assert restricted[0][0].shape == (3, 6, 4)
    assert restricted[0][1].shape == (3, 2, 6, 4)
    frozen = windows(store, ["velocity"], static_fields=["p", "k"])
    fields = store.load(0).fields
    expected = torch.cat([fields["velocity"][4], fields["p"][4], fields["k"]])
    assert torch.equal(frozen[4][0], expected)
    assert frozen[4][1].shape == (3, 2, 6, 4)


def test_windows_that_do_not_overlap(store: CacheManager) -> None:
    dataset = windows(store, ["p"], use_sliding_window=False)
    starts = [dataset.window(index) for index in range(len(dataset))]
    assert starts == [(0, 0), (0, 3), (5, 0), (5, 3), (5, 6)]
    assert torch.equal(dataset[4][1], store.load(5).fields["p"][7:10])


def test_first_frames(store: CacheManager) -> None:
    dataset = windows(store, ["p"], num_frames=6)
    assert len(dataset) == 6
    with pytest.raises(ConfigError, match=r"simulation 0 has 9 frames; num_frames: 10 .* need 10"):
        windows(store, ["p"], num_frames=10)
    with pytest.raises(ConfigError, match=r"simulation 0 has 9 frames; .* need 10"):
        windows(store, ["p"], num_predict_steps=9)
    assert len(windows(store, ["p"], num_predict_steps=8, sims=[0])) == 1


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (["q"], {}, "field 'q' is not in the data; there are velocity, k, p"),
        (["k"], {}, "none of them changes in time"),
        ([], {}, "name at least one field"),
        (["p", "p"], {}, "each only once"),
        (["p"], {"dynamic_fields": ["velocity"]}, "dynamic_fields: 'velocity'"),
        (["p", "k"], {"dynamic_fields": ["k"]}, "dynamic_fields: 'k': must change in time"),
        (["p"], {"sims": []}, "sim_indices: empty"),
        (["p"], {"num_predict_steps": 0}, "num_predict_steps: 0"),
    ],
)
def test_invalid_windows_are_rejected(
    store: CacheManager, names: list[str], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        windows(store, names, **settings)


@pytest.mark.parametrize("names", [["velocity"], ["p", "k", "velocity"]])
def test_gathered_batch_equals_single_windows(store: CacheManager, names: list[str]) -> None:
    dataset = windows(store, names)
    indices = [13, 0, 6, 6, -1]
    inputs, targets = dataset.gather(indices)
    for row, index in enumerate(indices):
        assert torch.equal(inputs[row], dataset[index][0])
        assert torch.equal(targets[row], dataset[index][1])
    with pytest.raises(IndexError):
        dataset.gather([0, 14])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("collate", [None, collate_windows])
def test_data_loader(store: CacheManager, workers: int, collate: Any) -> None:
    dataset = windows(store, ["velocity", "k"])
    loader: Any = DataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=collate)
    batches = list(loader)
    assert [len(inputs) for inputs, _ in batches] == [4, 4, 4, 2]
    inputs, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    expected = [dataset[index] for index in range(14)]
    assert torch.equal(inputs, torch.stack([item[0] for item in expected]))
    assert torch.equal(targets, torch.stack([item[1] for item in expected]))


def test_gathered_batch_is_not_copied_again(store: CacheManager) -> None:
    batch = windows(store, ["p"]).__getitems__([0, 1])
    assert isinstance(batch, WindowBatch)
    assert collate_windows(batch)[0].data_ptr() == batch.inputs.data_ptr()


def test_pickles_to_paths(store: CacheManager) -> None:
    dataset = windows(store, ["velocity"])
    before = dataset[3]
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 4 * before[1].numel() * 14
    assert b"storage" not in pickled
    assert torch.equal(pickle.loads(pickled)[3][1], before[1])


def test_fields(store: CacheManager) -> None:
    dataset = windows(store, ["velocity", "k", "p"], return_fields=True)
    initial, following = dataset[7]
    fields = store.load(5).fields
    assert list(initial) == ["velocity", "k", "p"]
    assert {name: len(frames) for name, frames in following.items()} == {"velocity": 3, "p": 3}
    layout = FieldLayout("velocity", ("x", "y"))
    assert torch.equal(from_field(initial["velocity"], GRID, layout), fields["velocity"][1])
    last = from_field(following["velocity"][2], GRID, layout)
    assert torch.equal(last, fields["velocity"][4])
    assert torch.equal(from_field(initial["k"], GRID, FieldLayout("k")), fields["k"])


def test_data_manager_caches_what_windows_need(tmp_path: Path) -> None:
    for name in ("a.nc", "b.nc"):
        write_simple(raw_path(tmp_path, name))
    config = experiment(tmp_path)
    data = DataManager(config.raw_dir, config.cache_root, config)
    dataset = HybridDataset(data, [1], ["u"], num_predict_steps=2)
    assert (len(dataset), data.indices()) == (3, [1])


class Numbers(torch.utils.data.Dataset[Any]):
    """Windows that contain their index."""

    grid = GRID
    layouts = output_layouts = ()

    def __init__(self, length: int, first: int = 0, shape: tuple[int, ...] = (1, 2)) -> None:
        self.values = torch.arange(first, first + length).float()
        self.shape = shape
        self.dt = 0.5

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Any:
        inputs, targets = self.gather([index])
        return inputs[0], targets[0]

    def gather(self, indices: Any) -> Any:
        values = self.values[torch.as_tensor(indices)].reshape(-1, *[1] * len(self.shape))
        inputs = values.expand(-1, *self.shape)
        return inputs, inputs[:, None]


def numbers(dataset: AugmentedDataset) -> list[int]:
    return [int(inputs.flatten()[0]) for inputs, _ in dataset]


@pytest.mark.parametrize(
    ("alpha", "length", "real", "generated"),
    [
        (0.0, None, 10, 0),
        (1.0, None, 0, 30),
        (0.5, None, 10, 10),
        (0.25, None, 10, 3),
        (0.9, None, 10, 90),
        (0.3, 25, 17, 8),
        (0.5, 101, 50, 51),
    ],
)
def test_exact_proportion(alpha: float, length: int | None, real: int, generated: int) -> None:
    dataset = AugmentedDataset(Numbers(10), Numbers(30, first=100), alpha, length=length)
    for epoch in range(3):
        dataset.set_epoch(epoch)
        drawn = np.array(numbers(dataset))
        assert ((drawn < 100).sum(), (drawn >= 100).sum()) == (real, generated)
        assert [dataset.is_generated(i) for i in range(len(dataset))] == (drawn >= 100).tolist()
        for first, available, count in ((0, 10, real), (100, 30, generated)):
            times = np.bincount(drawn - first + 200, minlength=500)[200 : 200 + available]
            assert set(times) <= {count // available, -(-count // available)}


def test_order_depends_on_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        dataset = AugmentedDataset(Numbers(10), Numbers(30, first=100), 0.5, seed=seed)
        dataset.set_epoch(epoch)
        return numbers(dataset)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_mixed_batches(store: CacheManager) -> None:
    real, generated = windows(store, ["p"], sims=[0]), windows(store, ["p"], sims=[5])
    dataset = AugmentedDataset(real, generated, 0.5, seed=3)
    inputs, targets = dataset.gather(range(len(dataset)))
    for index in range(len(dataset)):
        assert torch.equal(inputs[index], dataset[index][0])
        assert torch.equal(targets[index], dataset[index][1])
    loader: Any = DataLoader(dataset, batch_size=5, collate_fn=collate_windows)
    assert torch.equal(torch.cat([batch[0] for batch in loader]), inputs)
    with pytest.raises(IndexError):
        dataset[len(dataset)]
    assert dataset.grid == GRID


def test_invalid_mixtures_are_rejected() -> None:
    with pytest.raises(ConfigError, match=r"alpha: 1\.5: must be"):
        AugmentedDataset(Numbers(3), Numbers(3), 1.5)
    with pytest.raises(ConfigError, match="no generated windows"):
        AugmentedDataset(Numbers(3), None, 0.5)
    with pytest.raises(ConfigError, match="no real windows"):
        AugmentedDataset(Numbers(0), Numbers(3), 0.5)
    with pytest.raises(ConfigError, match=r"real .* \[\[1, 2\], \[1, 1, 2\]\], generated \[\[1, 3"):
        AugmentedDataset(Numbers(3), Numbers(3, shape=(1, 3)), 0.5)
    other = Numbers(3)
    other.dt = 0.6
    with pytest.raises(ConfigError, match=r"time step: 0\.5 of the real windows, 0\.6 generated"):
        AugmentedDataset(Numbers(3), other, 0.5)
    assert len(AugmentedDataset(Numbers(3), None, 0.0)) == 3
