"""Surrogate training: loss, learning rate, callbacks, reproducibility."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from hybrid_pde.errors import DivergenceError
from hybrid_pde.models.synthetic.synthetic_model import MAX_STEPS_KEPT
from hybrid_pde.training.synthetic import SyntheticTrainer
from hybrid_pde.training.synthetic.epoch_sampler import EpochSampler


def randomize(model: nn.Module) -> None:
    """Randomize all weights so that every layer affects the output; the last starts at zero."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("steps", [3, MAX_STEPS_KEPT + 1])
def test_loss_and_gradient_are_those_of_the_loop_written_out(make_trainer, steps):
    trainer = make_trainer()
    model = trainer.model
    randomize(model)
    model.double()
    model.input_std.fill_(2.0)
    model.input_mean.fill_(0.5)
    model.increment_std.fill_(0.1)
    state = torch.randn(4, 1, 16, dtype=torch.float64)
    targets = torch.randn(4, steps, 1, 16, dtype=torch.float64)
    loss = trainer.loss(state, targets)
    loss.backward()
    found = [parameter.grad.clone() for parameter in model.parameters()]

    model.zero_grad()
    current, total = state, torch.zeros(())
    for step in range(steps):
        normalised = nn.functional.pad((current - 0.5) / 2.0, (1, 1), mode="circular")
        current = current + 0.1 * model.network(normalised)
        total = total + (((current - targets[:, step]) / 2.0) ** 2).sum()
    expected = total / (4 * steps * 16)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    for gradient, parameter in zip(found, model.parameters(), strict=True):
        assert gradient.abs().max() > 0
        assert torch.allclose(gradient, parameter.grad, rtol=1e-9, atol=1e-14)


def test_an_epoch_is_the_loop_written_out(make_trainer, advected_sines, make_loader):
    trainer = make_trainer(gradient_clip=0.05, weight_decay=0.01)
    loader = make_loader(advected_sines(1, 0))
    model = copy.deepcopy(trainer.model)
    result = trainer.train(loader, 1)

    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01)
    total = 0.0
    for state, targets in loader:
        optimizer.zero_grad()
        loss = (model.rollout(state, 2) - targets).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        optimizer.step()
        total += loss.item() * len(state)
    assert result["final_loss"] == pytest.approx(total / len(loader.dataset), rel=1e-6)
    for ours, expected in zip(trainer.model.parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, expected, rtol=1e-5, atol=1e-7)


def test_one_batch_can_be_overfitted(make_trainer, advected_sines, make_loader):
    loader = make_loader(advected_sines(1, 0)[:, :10])
    assert len(loader) == 1
    trainer = make_trainer(epochs=150, learning_rate=1e-2)
    losses = trainer.train(loader, 150)["train_losses"]
    assert losses[-1] < 1e-2 * losses[0]


def test_it_beats_persistence_on_unseen_simulations(make_trainer, advected_sines, make_loader):
    loader = make_loader(advected_sines(16, 0), steps=2, batch_size=32)
    trainer = make_trainer(epochs=25, learning_rate=1e-2)
    trainer.model.fit_normalization(loader.dataset)
    trainer.train(loader, 25)
    truth = advected_sines(8, 99)
    with torch.no_grad():
        rollout = trainer.model.eval().rollout(truth[:, 0], 20)
    targets = truth[:, 1:21]
    error = (rollout - targets).square().mean().sqrt()
    persistence = (truth[:, :1] - targets).square().mean().sqrt()
    assert error < persistence / 10


def test_the_learning_rate_falls_to_its_floor_and_stays(make_trainer, advected_sines, make_loader):
    trainer = make_trainer(epochs=4, learning_rate=1e-2)
    loader = make_loader(advected_sines(1, 0))
    rates: list[float] = []
    trainer.train(loader, 6, lambda *_: rates.append(trainer.optimizer.param_groups[0]["lr"]))
    shares = [(1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in (1, 2, 3, 4, 4, 4)]
    assert rates == pytest.approx([1e-2 * (0.01 + 0.99 * share) for share in shares])
    constant = make_trainer(scheduler="constant", epochs=1)
    constant.train(loader, 2)
    assert constant.optimizer.param_groups[0]["lr"] == 5e-3


def test_the_callback_sees_every_epoch_and_may_stop(make_trainer, advected_sines, make_loader):
    trainer = make_trainer()
    seen = []

    def stop_at_third(epoch, loss, caller):
        seen.append((epoch, loss))
        assert caller is trainer
        return epoch == 3

    result = trainer.train(make_loader(advected_sines(1, 0)), 6, stop_at_third)
    assert seen == list(zip([1, 2, 3], result["train_losses"], strict=True))
    assert result["num_epochs"] == trainer.epoch == 3
    assert result["final_loss"] == result["train_losses"][-1]
    assert result["best_epoch"] == 1 + result["train_losses"].index(min(result["train_losses"]))


def test_a_second_call_continues_epochs_and_optimizer(make_trainer, advected_sines, make_loader):
    trainer = make_trainer()
    optimizer, model = trainer.optimizer, trainer.model
    trainer.train(make_loader(advected_sines(1, 0)), 2)
    weight = next(model.parameters())
    moments = optimizer.state[weight]["exp_avg"].clone()
    steps = optimizer.state[weight]["step"].item()
    assert trainer.train(make_loader(advected_sines(1, 1)), 0) == {
        "train_losses": [],
        "final_loss": pytest.approx(math.nan, nan_ok=True),
        "num_epochs": 0,
        "best_epoch": None,
    }
    assert torch.equal(optimizer.state[weight]["exp_avg"], moments)
    result = trainer.train(make_loader(advected_sines(1, 1)), 1)
    assert trainer.optimizer is optimizer and trainer.model is model
    assert optimizer.state[weight]["step"].item() == steps * 3 / 2
    assert result["best_epoch"] == trainer.epoch == 3
    assert len(trainer.losses) == 3


def test_training_is_the_same_for_the_same_seed(make_trainer, advected_sines, make_loader):
    trajectories = advected_sines(1, 0)
    weights = []
    for global_seed in (0, 1):  # independent of the caller's random generator
        torch.manual_seed(global_seed)
        windows = make_loader(trajectories).dataset
        trainer = make_trainer()
        trainer.train(DataLoader(windows, batch_size=8, shuffle=True), 2)
        weights.append(torch.cat([value.flatten() for value in trainer.model.parameters()]))
    assert torch.equal(weights[0], weights[1])


def test_a_loss_that_is_not_finite_names_the_batch(make_trainer, advected_sines, make_loader):
    trajectories = advected_sines(2, 0)
    trajectories[0, 3] = math.nan
    windows = make_loader(trajectories).dataset
    trainer = make_trainer()
    before = copy.deepcopy(trainer.model.state_dict())
    with pytest.raises(DivergenceError, match=r"epoch 1, batch 1: the loss is nan; .*rate"):
        trainer.train(DataLoader(windows, batch_size=8), 1)
    assert all(
        torch.equal(before[name], value) for name, value in trainer.model.state_dict().items()
    )


def test_a_loader_without_batches_is_rejected(make_trainer, advected_sines, make_loader):
    windows = make_loader(advected_sines(1, 0)).dataset
    with pytest.raises(ValueError, match="no batch"):
        make_trainer().train(DataLoader(windows, batch_size=100, drop_last=True), 1)
    with pytest.raises(ValueError, match="num_epochs: -1"):
        make_trainer().train(DataLoader(windows), -1)


def test_data_sets_and_samplers_receive_the_epoch(make_trainer, advected_sines, make_loader):
    loader = make_loader(advected_sines(1, 0))
    told = []
    loader.dataset.set_epoch = told.append
    make_trainer().train(loader, 3)
    assert told == [0, 1, 2]
    assert loader.sampler.epoch == 2


def test_the_removed_calls_name_the_missing_argument(make_trainer, config):
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'model'"):
        SyntheticTrainer(config)
    with pytest.raises(TypeError, match="'data_source' and 'num_epochs'"):
        make_trainer().train()


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch, length=50):
        sampler = EpochSampler(length, seed)
        sampler.set_epoch(epoch)
        torch.manual_seed(epoch + seed)
        return list(sampler)

    assert sorted(order(0, 0)) == list(range(50))
    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert len(EpochSampler(range(7), 0)) == 7
