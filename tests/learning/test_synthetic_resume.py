"""A resumed training equals an uninterrupted one, bit for bit."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from hybrid_pde.errors import CheckpointError


class Noisy(torch.utils.data.Dataset):
    """Windows with noise from every global random generator, as an augmentation may draw."""

    def __init__(self, windows) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index):
        state, targets = self.windows[index]
        noise = torch.rand(()) + random.random() + float(np.random.rand())
        return state + 1e-2 * noise, targets


def weights_of(trainer) -> torch.Tensor:
    return torch.cat([value.flatten() for value in trainer.model.state_dict().values()])


def assert_same_training(resumed, uninterrupted) -> None:
    assert torch.equal(weights_of(resumed), weights_of(uninterrupted))
    assert resumed.losses == uninterrupted.losses
    assert resumed.epoch == uninterrupted.epoch
    assert resumed.scheduler.get_last_lr() == uninterrupted.scheduler.get_last_lr()
    ours, theirs = (trainer.optimizer.state_dict() for trainer in (resumed, uninterrupted))
    for place, state in theirs["state"].items():
        assert all(torch.equal(ours["state"][place][key], state[key]) for key in state)


@pytest.mark.parametrize("order", ["sampler", "shuffle"])
def test_resume_is_bit_for_bit(tmp_path, make_trainer, advected_sines, make_loader, order):
    loader = make_loader(advected_sines(1, 0))
    if order == "shuffle":
        loader = DataLoader(loader.dataset, batch_size=8, shuffle=True)
    uninterrupted = make_trainer()
    uninterrupted.train(loader, 5)

    interrupted = make_trainer()
    interrupted.train(loader, 2)
    interrupted.save_checkpoint(tmp_path / "checkpoint.pt")
    resumed = make_trainer()
    torch.rand(7)  # another process would have drawn other random numbers
    resumed.load_checkpoint(tmp_path / "checkpoint.pt")
    result = resumed.train(loader, 3)
    assert result["num_epochs"] == 3
    assert result["best_epoch"] in (3, 4, 5)
    assert_same_training(resumed, uninterrupted)


def test_resume_in_two_dimensions(tmp_path, make_trainer, advected_sines, make_loader):
    loader = make_loader(advected_sines(1, 0).unsqueeze(-1).repeat(1, 1, 1, 1, 6))
    uninterrupted = make_trainer(spatial_dims=2)
    uninterrupted.train(loader, 2)
    interrupted = make_trainer(spatial_dims=2)
    interrupted.train(loader, 1)
    interrupted.save_checkpoint(tmp_path / "checkpoint.pt")
    resumed = make_trainer(spatial_dims=2)
    resumed.load_checkpoint(tmp_path / "checkpoint.pt")
    resumed.train(loader, 1)
    assert_same_training(resumed, uninterrupted)


def test_resume_across_two_data_sets(tmp_path, make_trainer, advected_sines, make_loader):
    first, second = (make_loader(advected_sines(1, seed)) for seed in (0, 1))
    uninterrupted = make_trainer()
    uninterrupted.train(first, 2)
    uninterrupted.train(second, 2)

    interrupted = make_trainer()
    interrupted.train(first, 2)
    interrupted.train(second, 1)
    interrupted.save_checkpoint(tmp_path / "checkpoint.pt")
    resumed = make_trainer()
    resumed.load_checkpoint(tmp_path / "checkpoint.pt")
    resumed.train(second, 1)
    assert_same_training(resumed, uninterrupted)
    longer = make_trainer()
    longer.train(first, 4)
    assert not torch.equal(weights_of(longer), weights_of(uninterrupted))


def test_random_noise_of_the_data_is_resumed(tmp_path, make_trainer, advected_sines, make_loader):
    loader = DataLoader(Noisy(make_loader(advected_sines(1, 0)).dataset), batch_size=8)

    def seed_all():
        random.seed(0), np.random.seed(0), torch.manual_seed(0)

    uninterrupted = make_trainer()
    seed_all()
    uninterrupted.train(loader, 3)
    interrupted = make_trainer()
    seed_all()
    interrupted.train(loader, 1)
    interrupted.save_checkpoint(tmp_path / "checkpoint.pt")
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    resumed = make_trainer()
    resumed.load_checkpoint(tmp_path / "checkpoint.pt")
    resumed.train(loader, 2)
    assert_same_training(resumed, uninterrupted)


def test_a_checkpoint_of_other_settings_or_of_another_model_is_rejected(tmp_path, make_trainer):
    path = tmp_path / "checkpoint.pt"
    make_trainer().save_checkpoint(path)
    other = make_trainer(learning_rate=1e-3)
    with pytest.raises(
        CheckpointError,
        match=r"trainer_params\.learning_rate: 0\.005 in the checkpoint, 0\.001 in this",
    ):
        other.load_checkpoint(path)
    make_trainer(test_sim=[3]).load_checkpoint(path)  # the held-out simulations do not matter
    with pytest.raises(CheckpointError, match="belongs to another model"):
        make_trainer(spatial_dims=2).load_checkpoint(path)


def test_a_truncated_checkpoint_changes_nothing(tmp_path, make_trainer):
    path = tmp_path / "checkpoint.pt"
    trainer = make_trainer()
    trainer.save_checkpoint(path)
    path.write_bytes(path.read_bytes()[:-100])
    before = weights_of(trainer)
    with pytest.raises(CheckpointError, match="damaged"):
        trainer.load_checkpoint(path)
    assert torch.equal(weights_of(trainer), before)
