"""The U-Net: shapes, padding by the boundary, equivariance, options."""

import pytest
import torch

from hybrid_pde.errors import ConfigError
from hybrid_pde.models import ModelRegistry
from hybrid_pde.models.synthetic.architectures.unet.network import UNet, enlarge, halve
from hybrid_pde.models.synthetic.padding import pad

PERIODIC = ("periodic", "periodic")
CLOSED = ("zero-gradient", "zero-gradient")


def make_unet(boundary, inputs=None, outputs=None, seed=0, trained=True, **architecture) -> UNet:
    inputs = inputs or {"u": 1}
    config = {
        "run_params": {"model_type": "synthetic", "seed": seed},
        "model": {
            "synthetic": {
                "name": "UNet",
                "input_specs": inputs,
                "output_specs": outputs or inputs,
                "architecture": {"hidden_channels": 4} | architecture,
            }
        },
    }
    model = UNet(config, spatial_dims=len(boundary), boundary=boundary)
    if trained:  # the last layer starts at zero, which would hide all other layers
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            torch.nn.init.normal_(model.network.project.weight)
    return model.eval()


def response(model, shape, place) -> torch.Tensor:
    """Sensitivity of the output at ``place`` to each input point."""
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(1, model.in_channels, *shape, generator=generator, requires_grad=True)
    model(state)[(0, 0, *place)].backward()
    assert state.grad is not None
    return state.grad[0].abs().sum(dim=0)


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("shape", [(17,), (16,), (12, 9), (5, 8, 7)])
@pytest.mark.parametrize("sides", [PERIODIC, CLOSED, (0.5, "zero-gradient")])
def test_any_grid_size_in_one_to_three_dimensions(shape, depth, sides):
    model = make_unet((sides,) * len(shape), {"u": 2}, depth=depth, norm="group", blocks=2)
    output = model(torch.randn(3, 2, *shape))
    assert output.shape == (3, 2, *shape)
    assert torch.isfinite(output).all()


@pytest.mark.parametrize("norm", ["group", "none"])
@pytest.mark.parametrize("shape", [(24,), (16, 8), (8, 8, 4)])
def test_periodic_unet_commutes_with_shifts_of_the_coarsest_cells(shape, norm):
    model = make_unet((PERIODIC,) * len(shape), depth=2, norm=norm).double()
    state = torch.randn(2, 1, *shape, dtype=torch.float64)
    axes = tuple(range(2, state.ndim))
    shifts = (4, -4, 8)[: len(shape)]
    shifted = model(state.roll(shifts, axes))
    assert torch.allclose(shifted, model(state).roll(shifts, axes), atol=1e-12)
    assert not torch.allclose(shifted, model(state), atol=1e-3)


def test_periodic_unet_without_levels_commutes_with_every_shift():
    model = make_unet((PERIODIC,), depth=0).double()
    state = torch.randn(2, 1, 11, dtype=torch.float64)
    assert torch.allclose(model(state.roll(3, 2)), model(state).roll(3, 2), atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", [16, 15])
def test_rim_sees_the_opposite_side_only_across_a_periodic_axis(axis, size):
    boundary = [CLOSED, CLOSED]
    boundary[axis] = PERIODIC
    model = make_unet(tuple(boundary), depth=0)
    influence = response(model, (size, size), (0, 0))
    across, along = influence.select(axis, size - 1), influence.select(1 - axis, size - 1)
    assert across.sum() > 0
    assert along.sum() == 0


def test_lower_and_upper_side_are_padded_each_by_its_own_condition():
    boundary = ((2.0, "zero-gradient"), ("zero-gradient", 3.0))
    padded = pad(torch.tensor([[[[1.0, 5.0], [7.0, 9.0]]]]), 1, boundary)[0, 0]
    assert padded[0, 1:3].tolist() == [2.0, 2.0]
    assert padded[3, 1:3].tolist() == [7.0, 9.0]
    assert padded[1:3, 0].tolist() == [1.0, 7.0]
    assert padded[1:3, 3].tolist() == [3.0, 3.0]


@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 3)])
def test_periodic_padding_and_its_derivative_are_pytorchs_circular_one(shape):
    ours = torch.randn(2, 3, *shape, dtype=torch.float64, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    padded = pad(ours, 2, (PERIODIC,) * len(shape))
    expected = torch.nn.functional.pad(theirs, (2, 2) * len(shape), mode="circular")
    weights = torch.randn_like(expected)
    (padded * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(padded, expected)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-14)


def test_periodic_axis_is_padded_independently_of_a_closed_one():
    values = torch.randn(1, 1, 4, 5)
    padded = pad(values, 1, (PERIODIC, CLOSED))
    assert torch.equal(padded[..., 0, 1:-1], values[..., -1, :])
    assert torch.equal(padded[..., 1:-1, 0], values[..., 0])


def test_fixed_value_pads_its_side_in_physical_units():
    models = [make_unet(((value, "zero-gradient"),), depth=0) for value in (0.0, 4.0)]
    state = torch.full((1, 1, 12), 10.0)
    for model in models:
        model.input_mean.fill_(10.0)
        model.input_std.fill_(2.0)
    padded = [model.prepare_input(state)[0, 0] for model in models]
    assert [values[0].item() for values in padded] == [-5.0, -3.0]
    assert padded[0][1:].abs().max() == 0  # the state itself and the side without gradient
    outputs = [model(state)[0, 0] for model in models]
    assert outputs[0][0] != outputs[1][0]
    assert outputs[0][-1] == outputs[1][-1]


def test_fixed_value_does_not_affect_static_fields():
    model = make_unet(((4.0, 4.0),), {"kappa": 1, "u": 1}, {"u": 1})
    padded = model.prepare_input(torch.tensor([[[7.0, 8.0, 9.0, 6.0], [1.0, 1.0, 1.0, 1.0]]]))
    assert padded[0, 0].tolist() == [7.0, 7.0, 8.0, 9.0, 6.0, 6.0]
    assert padded[0, 1].tolist() == [4.0, 1.0, 1.0, 1.0, 1.0, 4.0]


@pytest.mark.parametrize("size", [2, 5, 8, 9])
def test_halving_and_enlarging_keep_a_constant_and_the_size(size):
    values = torch.full((1, 1, size, size + 1), 3.0)
    coarse = halve(values)
    assert coarse.shape[2:] == (-(-size // 2), -(-(size + 1) // 2))
    assert torch.equal(enlarge(coarse, values.shape[2:]), values)


def test_weights_depend_on_the_seed_and_keep_the_global_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (make_unet((PERIODIC,), seed=seed, trained=False) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    weights = [model.network.lift.weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_untrained_unet_is_persistence():
    model = make_unet((PERIODIC, PERIODIC), trained=False)
    state = torch.randn(2, 1, 8, 8)
    assert torch.equal(model(state), state)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"hiden_channels": 8}, r"architecture\.hiden_channels: .*did you mean 'hidden_channels'"),
        ({"depth": -1}, r"architecture\.depth: -1"),
        ({"kernel_size": 4}, r"architecture\.kernel_size: 4: .*odd"),
        ({"norm": "batch"}, r"architecture\.norm: 'batch': .*'group' or 'none'"),
        ({"activation": "swish"}, r"architecture\.activation: 'swish'"),
        ({"spatial_dims": 3}, r"architecture\.spatial_dims: 3: the data have 1"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(option, expected):
    with pytest.raises(ConfigError, match=r"model\.synthetic\." + expected):
        make_unet((PERIODIC,), **option)


def test_a_grid_too_small_for_the_kernel_names_the_depth():
    model = make_unet((PERIODIC, PERIODIC), depth=3, kernel_size=5)
    with pytest.raises(ConfigError, match=r"architecture\.depth: 3: the grid of \[8, 8\]"):
        model(torch.zeros(1, 1, 8, 8))


def test_registry_makes_it_by_name():
    model = make_unet((PERIODIC,))
    made = ModelRegistry(model.experiment).get_synthetic_model()
    assert type(made) is UNet
    assert "UNet" in ModelRegistry.synthetic_names()
