"""Options of surrogate training against explicitly written training loops."""

import copy
import functools
import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from hybrid_pde.config.schema import Curriculum
from hybrid_pde.training.synthetic.epoch_sampler import EpochSampler
from hybrid_pde.training.synthetic.schedules import rate_factor, rollout_steps


def randomized(trainer):
    """The trainer with random weights in double precision."""
    generator = torch.Generator().manual_seed(0)
    for parameter in trainer.model.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    trainer.model.double()
    trainer.model.input_std.fill_(2.0)
    trainer.model.increment_std.fill_(0.1)
    return trainer


def batch(steps, windows=4):
    generator = torch.Generator().manual_seed(1)
    draw = {"dtype": torch.float64, "generator": generator}
    return torch.randn(windows, 1, 16, **draw), torch.randn(windows, steps, 1, 16, **draw)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    found = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    assert found.abs().max() > 0
    return found


def assert_same(model, loss, expected):
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    ours, theirs = gradients(model, loss), gradients(model, expected)
    assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-14)


def test_weights_in_the_loss_and_its_gradient(make_trainer):
    trainer = randomized(make_trainer())
    model = trainer.model
    state, targets = batch(3)
    weights = torch.rand(targets.shape, generator=torch.Generator().manual_seed(2)).double()
    weights[:, 1] = 0.0
    weights[0, :, :, 3] = 0.0
    hidden = weights == 0
    total, current = torch.zeros(()), state
    for step in range(3):
        current = model(current)
        error = (current - targets[:, step]) / 2.0
        total = total + (weights[:, step] * error**2).sum()
    loss = trainer.loss(state, targets.masked_fill(hidden, math.nan), weights)
    assert_same(model, loss, total / weights.sum())
    ones = torch.ones_like(targets)
    plain = trainer.loss(state, targets).item()
    assert trainer.loss(state, targets, ones).item() == pytest.approx(plain, rel=1e-12)
    assert trainer.loss(state, targets, 0 * ones).item() == 0


@pytest.mark.parametrize("pushed", [1, 3])
def test_pushforward_in_the_loss_and_its_gradient(make_trainer, pushed):
    trainer = randomized(make_trainer())
    model = trainer.model
    state, targets = batch(4)
    current = state
    with torch.no_grad():
        for _ in range(pushed):
            current = model(current)
    total = torch.zeros(())
    for step in range(pushed, 4):
        current = model(current)
        total = total + (((current - targets[:, step]) / 2.0) ** 2).sum()
    expected = total / (4 * (4 - pushed) * 16)
    plain = trainer.loss(state, targets, pushed=pushed)
    assert plain.item() == pytest.approx(expected.item(), rel=1e-12)
    weights = torch.ones_like(targets)
    weights[:, :pushed] = 7.0  # weights of steps outside the loss
    assert_same(model, trainer.loss(state, targets, weights, pushed=pushed), expected)


def test_pushforward_draws_every_number_of_steps_up_to_its_limit(make_trainer, monkeypatch):
    trainer = make_trainer(pushforward=2, num_predict_steps=4)
    drawn = [trainer._pushed(position, 4) for position in range(200)]
    assert {count: drawn.count(count) > 40 for count in range(3)} == dict.fromkeys(range(3), True)
    assert drawn == [trainer._pushed(position, 4) for position in range(200)], (
        "position alone decides"
    )
    assert {trainer._pushed(position, 2) for position in range(50)} == {0, 1}, "one step remains"
    assert {trainer._pushed(position, 1) for position in range(50)} == {0}


def test_pushforward_is_used_by_an_epoch(make_trainer, advected_sines, make_loader):
    trainer = make_trainer(pushforward=1)
    seen = []
    original = trainer.loss
    trainer.loss = lambda *parts, pushed: seen.append(pushed) or original(*parts, pushed=pushed)
    trainer.train(make_loader(advected_sines(2, 0)), 2)
    assert set(seen) == {0, 1}


def test_input_noise_on_the_predicted_fields_alone(config):
    from hybrid_pde.models.synthetic.architectures.unet.network import UNet
    from hybrid_pde.training.synthetic import SyntheticTrainer

    section = config["model"]["synthetic"] | {"input_specs": {"u": 1, "depth": 1}}
    training = config["trainer_params"] | {"input_noise": 0.5}
    settings = config | {"model": {"synthetic": section}, "trainer_params": training}
    model = UNet(settings, spatial_dims=1, boundary=(("periodic", "periodic"),))
    model.increment_std.fill_(0.2)
    trainer = SyntheticTrainer(settings, model)
    state = torch.randn(200, 2, 50)
    torch.manual_seed(3)
    noisy = trainer._noisy(state)
    torch.manual_seed(3)
    expected = state[:, :1] + 0.5 * 0.2 * torch.randn(200, 1, 50)
    assert torch.equal(noisy[:, :1], expected)
    assert (noisy - state)[:, 0].std().item() == pytest.approx(0.1, rel=0.03)
    assert torch.equal(noisy[:, 1], state[:, 1]), "static fields get no noise"


def test_input_noise_changes_the_start_and_not_the_target(
    make_trainer, advected_sines, make_loader
):
    trainer = make_trainer(input_noise=0.3)
    windows = make_loader(advected_sines(1, 0)).dataset
    state, targets = next(iter(DataLoader(windows, batch_size=4)))
    torch.manual_seed(5)
    loss = trainer._batch_loss((state, targets), 0)
    torch.manual_seed(5)
    noisy = state + 0.3 * torch.randn_like(state)
    expected = (trainer.model.rollout(noisy, 2) - targets).square().mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert loss.item() != pytest.approx(trainer.loss(state, targets).item(), rel=1e-3)


def test_curriculum_grows_evenly():
    curriculum = Curriculum(first_steps=2, share=0.6)
    steps = [rollout_steps(curriculum, 5, epoch / 20) for epoch in range(20)]
    assert steps == [2] * 4 + [3] * 4 + [4] * 4 + [5] * 8
    assert rollout_steps(None, 5, 0.0) == 5
    assert [rollout_steps(Curriculum(share=0.9), 10, n / 10) for n in range(10)] == [*range(1, 11)]


def test_curriculum_loss_sees_the_first_targets_alone(make_trainer, advected_sines, make_loader):
    trainer = make_trainer(
        num_predict_steps=3, epochs=4, curriculum={"first_steps": 1, "share": 0.5}
    )
    state, targets = next(iter(make_loader(advected_sines(1, 0), steps=3)))
    for epoch, steps in [(0, 1), (1, 2), (2, 3), (3, 3)]:
        trainer.epoch = epoch
        expected = (trainer.model.rollout(state, steps) - targets[:, :steps]).square().mean()
        assert trainer._batch_loss((state, targets), 0).item() == pytest.approx(expected.item())
        assert trainer.steps == steps


@pytest.mark.parametrize(
    ("scheduler", "shares"),
    [
        ("constant", [1.0] * 5),
        ("exponential", [1.0, 0.1**0.5, 0.1, 0.1**1.5, 0.01]),
        ("cosine", [1.0, 0.8550, 0.505, 0.1550, 0.01]),
    ],
)
def test_schedulers_of_the_learning_rate(scheduler, shares):
    assert [rate_factor(scheduler, part / 4) for part in range(5)] == pytest.approx(
        shares, rel=1e-3
    )
    assert rate_factor(scheduler, 2.0) == rate_factor(scheduler, 1.0)


def test_one_cycle_rises_over_a_tenth_and_falls_to_the_floor():
    rates = [rate_factor("one_cycle", epoch / 100) for epoch in range(101)]
    assert rates[0] == pytest.approx(0.04)
    assert rates[5] == pytest.approx(0.52)
    assert rates[10] == max(rates) == 1.0
    assert rates[55] == pytest.approx(0.505)
    assert rates[100] == pytest.approx(0.01)
    assert all(later < earlier for earlier, later in zip(rates[10:], rates[11:], strict=False))


def test_schedules_run_over_all_cycles(make_trainer, advected_sines, make_loader, config):
    from hybrid_pde.training.synthetic import SyntheticTrainer

    settings = {"epochs": 4, "curriculum": {"first_steps": 1, "share": 1.0}}
    loader = make_loader(advected_sines(1, 0))
    whole = make_trainer(**settings | {"epochs": 8})
    used: list[tuple[float, int]] = []

    def note(epoch, loss, trainer):
        used.append((trainer.learning_rate(epoch - 1), trainer.steps))

    whole.train(loader, 8, note)
    expected, used = used, []
    for number in (1, 2):
        mapping = config | {"trainer_params": config["trainer_params"] | settings}
        trainer = SyntheticTrainer(mapping, whole.model, cycle=(number, 2))
        assert trainer.epoch == 4 * (number - 1)
        rate = trainer.optimizer.param_groups[0]["lr"]
        assert rate == pytest.approx(trainer.learning_rate(trainer.epoch))
        result = trainer.train(loader, 4, note)
        assert result["num_epochs"] == 4
        assert trainer.epoch == 4 * number
        assert 4 * (number - 1) < result["best_epoch"] <= 4 * number
    assert used == expected
    assert loader.sampler.epoch == 7, "the order of windows continues as well"


def test_accumulated_batches_make_one_step(make_trainer, advected_sines, make_loader):
    windows = make_loader(advected_sines(1, 0)).dataset
    loader = DataLoader(windows, batch_size=8)  # 23 windows: batches of 8, 8 and 7
    trainer = make_trainer(accumulate=2)
    model = copy.deepcopy(trainer.model)
    trainer.train(loader, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    batches = list(loader)
    for group in (batches[:2], batches[2:]):
        optimizer.zero_grad()
        losses = [(model.rollout(state, 2) - targets).square().mean() for state, targets in group]
        torch.stack(losses).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    for ours, theirs in zip(trainer.model.parameters(), model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_every_window_is_used_once_before_any_is_repeated():
    sampler = EpochSampler(10, seed=3, windows_per_epoch=4)
    drawn = []
    for epoch in range(5):
        sampler.set_epoch(epoch)
        assert len(sampler) == len(list(sampler)) == 4
        drawn += list(sampler)
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]
    longer = EpochSampler(10, seed=3, windows_per_epoch=25)
    counts = [list(longer).count(window) for window in range(10)]
    assert sorted(set(counts)) == [2, 3] and sum(counts) == 25
    whole = EpochSampler(10, seed=3)
    assert list(EpochSampler(10, seed=3, windows_per_epoch=10)) == list(whole)


def test_the_shards_of_all_processes_make_up_the_epoch():
    whole = EpochSampler(12, seed=1)
    shards = [EpochSampler(12, seed=1) for _ in range(3)]
    for rank, shard in enumerate(shards):
        shard.set_shard(rank, 3)
        assert len(shard) == 4
    parts = [list(shard) for shard in shards]
    # the concatenated batches of all processes are the batches of one
    assert [window for group in zip(*parts, strict=True) for window in group] == list(whole)
    uneven = EpochSampler(11, seed=1)
    uneven.set_shard(2, 3)
    order = list(EpochSampler(11, seed=1))
    assert list(uneven) == [order[2], order[5], order[8], order[0]], "padded with the first"


def test_bf16_computes_the_network_and_keeps_the_state(make_trainer, advected_sines, make_loader):
    trainers = [make_trainer(precision=precision) for precision in ("single", "bf16")]
    state, targets = next(iter(make_loader(advected_sines(1, 0))))
    for trainer in trainers:
        torch.manual_seed(0)
        for parameter in trainer.model.parameters():
            parameter.data = 0.2 * torch.randn(parameter.shape)
        trainer.model.increment_std.fill_(1e-3)
    single, mixed = (trainer.loss(state, targets) for trainer in trainers)
    assert mixed.dtype == torch.float32
    assert mixed.item() != single.item()
    # increments of 1e-3 with an error of 2^-8; a bf16 state would be off by 4e-3
    assert mixed.item() == pytest.approx(single.item(), rel=1e-4)
    losses = trainers[1].train(make_loader(advected_sines(1, 0)), 3)["train_losses"]
    assert losses[-1] < losses[0]


def test_fp16_needs_a_gpu(make_trainer):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here, which fp16 is allowed on")
    with pytest.raises(ValueError, match="trainer_params.precision: fp16: it needs a GPU"):
        make_trainer(precision="fp16")


def test_workers_of_the_loader_change_nothing(make_trainer, advected_sines, make_loader):
    windows = make_loader(advected_sines(1, 0)).dataset
    weights = []
    for workers in (0, 2):
        sampler = EpochSampler(windows, seed=1)
        loader = DataLoader(windows, batch_size=8, sampler=sampler, num_workers=workers)
        trainer = make_trainer(input_noise=0.1, pushforward=1)
        trainer.train(loader, 2)
        weights.append(torch.cat([value.flatten() for value in trainer.model.parameters()]))
    assert torch.equal(*weights)


# both raised by PyTorch while tracing an explicit derivative and a state requiring gradients
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_the_compiled_network_keeps_its_names(
    make_trainer, advected_sines, make_loader, monkeypatch
):
    # the usual tracing; generating C++ from the trace would take minutes
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    plain, compiled = make_trainer(), make_trainer(compile=True)
    loader = make_loader(advected_sines(1, 0)[:, :10])
    expected = plain.train(loader, 2)["train_losses"]
    assert compiled.train(loader, 2)["train_losses"] == pytest.approx(expected, rel=1e-4)
    assert compiled.model.network._compiled_call_impl is not None
    assert list(compiled.model.state_dict()) == list(plain.model.state_dict())
    assert not any("_orig_mod" in name for name in compiled.model.state_dict())
