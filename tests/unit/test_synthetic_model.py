"""Channels, normalisation and rollouts of a surrogate."""

import pytest
import torch
from torch import nn

from hybrid_pde.errors import ConfigError
from hybrid_pde.models.synthetic.normalization import normalization_of
from hybrid_pde.models.synthetic.synthetic_model import SyntheticModel

BOUNDARY = (("periodic", "periodic"),)


class Mixing(SyntheticModel):
    """One random matrix that mixes the channels of a point."""

    def build_network(self, architecture):
        return nn.Conv1d(self.in_channels, self.out_channels, 1)


def make_model(inputs, outputs, **options) -> Mixing:
    section = {"name": "Mixing", "input_specs": inputs, "output_specs": outputs}
    config = {"run_params": {"model_type": "synthetic"}, "model": {"synthetic": section}}
    return Mixing(config, spatial_dims=1, boundary=BOUNDARY, **options)


def with_statistics(model: SyntheticModel) -> SyntheticModel:
    model.input_mean.copy_(torch.arange(model.in_channels))
    model.input_std.copy_(1.0 + torch.arange(model.in_channels))
    model.increment_std.copy_(0.1 + torch.arange(model.out_channels))
    return model


def test_a_step_is_the_state_and_a_scaled_increment():
    model = with_statistics(make_model({"u": 2}, {"u": 2}))
    state = torch.randn(3, 2, 5)
    increment = model.network((state - torch.tensor([[0.0], [1.0]])) / torch.tensor([[1.0], [2.0]]))
    expected = state + torch.tensor([[0.1], [1.1]]) * increment
    assert torch.allclose(model(state), expected)


def test_channels_follow_the_specs_and_static_fields_are_carried_along():
    inputs, outputs = {"kappa": 1, "u": 2, "p": 1}, {"p": 1, "u": 2}
    model = with_statistics(make_model(inputs, outputs))
    assert model.state_channels.tolist() == [3, 1, 2]
    state = torch.randn(2, 4, 6)
    rollout = model.rollout(state, 3)
    assert rollout.shape == (2, 3, 3, 6)
    current = state
    for step in range(3):
        output = model(current)
        assert torch.equal(rollout[:, step], output)
        current = torch.cat([state[:, :1], output[:, 1:], output[:, :1]], dim=1)
    assert not torch.equal(rollout[:, 1], rollout[:, 0])


def test_static_fields_act_on_the_output():
    model = make_model({"u": 1, "kappa": 1}, {"u": 1})
    state = torch.randn(1, 2, 4)
    changed = state.clone()
    changed[:, 1] += 1
    assert not torch.allclose(model(state), model(changed))


@pytest.mark.parametrize(
    ("inputs", "outputs", "options", "expected"),
    [
        ({"u": 1}, {"u": 1, "p": 1}, {}, r"output_specs\.p: 1: .*says nothing"),
        ({"u": 2}, {"u": 1}, {}, r"output_specs\.u: 1: .*says 2"),
        ({"u": 1}, {}, {}, r"output_specs: empty"),
        ({"u": 1, "p": 1}, {"u": 1}, {"static_fields": []}, r"input_specs\.p: changes in time"),
        ({"u": 1}, {"u": 1}, {"static_fields": ["u"]}, r"output_specs\.u: constant in time"),
    ],
)
def test_inputs_and_outputs_that_do_not_fit_are_rejected(inputs, outputs, options, expected):
    with pytest.raises(ConfigError, match=expected):
        make_model(inputs, outputs, **options)


def test_an_input_of_the_wrong_shape_is_rejected():
    model = make_model({"u": 2}, {"u": 2})
    with pytest.raises(ValueError, match=r"shape \[1, 3, 4\]; expected \[B, 2"):
        model(torch.zeros(1, 3, 4))
    with pytest.raises(ValueError, match="1 spatial axes"):
        model(torch.zeros(1, 2, 4, 4))


def test_normalization_uses_all_points_of_the_windows():
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 5.0, 0.01])[:, None]
    inputs = [100.0 + scale * torch.randn(3, 8, generator=generator) for _ in range(7)]
    targets = [torch.randn(4, 2, 8, generator=generator) for _ in range(7)]
    found = normalization_of(list(zip(inputs, targets, strict=True)), [2, 0])
    stacked = torch.stack(inputs).double()
    assert torch.allclose(found["input_mean"], stacked.mean(dim=(0, 2)).float())
    std = stacked.std(dim=(0, 2), correction=0).float()
    assert torch.allclose(found["input_std"], std, rtol=1e-5)
    starts = stacked[:, None, [2, 0]]
    increments = torch.cat([starts, torch.stack(targets).double()], dim=1).diff(dim=1)
    expected = increments.square().mean(dim=(0, 1, 3)).sqrt().float()
    assert torch.allclose(found["increment_std"], expected, rtol=1e-5)


def test_a_constant_channel_has_the_scale_one():
    windows = [(torch.full((1, 4), 3.0), torch.full((2, 1, 4), 3.0))] * 3
    model = make_model({"u": 1}, {"u": 1})
    model.fit_normalization(windows)
    assert model.input_mean.tolist() == [3.0]
    assert model.input_std.tolist() == [1.0]
    assert model.increment_std.tolist() == [1.0]


def test_normalization_of_nothing_or_of_other_channels_is_rejected():
    model = make_model({"u": 2}, {"u": 2})
    with pytest.raises(ValueError, match="holds no window"):
        model.fit_normalization([])
    statistics = normalization_of([(torch.randn(1, 4), torch.randn(1, 1, 4))], [0])
    with pytest.raises(ConfigError, match=r"input_mean: \[1\] values for \[2\] channels"):
        model.set_normalization(statistics)
