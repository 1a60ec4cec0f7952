"""All architectures: shapes, boundaries, equivariance, options, saved files."""

from pathlib import Path

import pytest
import torch

from hybrid_pde.config.discovery import architecture_options
from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import ConfigError
from hybrid_pde.models import ModelRegistry, load_synthetic_model
from hybrid_pde.models.surrogate_file import save_synthetic_model
from hybrid_pde.models.synthetic.architectures.dilated_resnet.options import (
    DilatedResNetArchitecture,
)
from hybrid_pde.models.synthetic.architectures.fno.options import FNOArchitecture
from hybrid_pde.models.synthetic.architectures.fno.spectral_convolution import SpectralConvolution
from tests.unit.surrogates import (
    CLOSED,
    CONVOLUTIONS,
    EVERY,
    PERIODIC,
    SMALL,
    awake,
    needs_neuraloperator,
    state_of,
    surrogate,
)

SIDES = [PERIODIC, CLOSED, (0.5, "zero-gradient")]


def test_every_architecture_is_tested_and_registered():
    assert set(SMALL) == set(architecture_options())
    assert set(SMALL) <= set(ModelRegistry.synthetic_names())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(17,), (16,), (12, 9), (6, 8, 7)])
@pytest.mark.parametrize("sides", SIDES)
def test_any_grid_in_one_to_three_dimensions(name, shape, sides):
    model = awake(surrogate(name, (sides,) * len(shape), {"u": 2, "k": 1}, {"u": 2}))
    state = state_of(model, shape)
    output = model(state)
    assert output.shape == (2, 2, *shape)
    assert torch.isfinite(output).all()
    assert not torch.allclose(output, state[:, :2], atol=1e-2)


@pytest.mark.parametrize("name", EVERY)
def test_untrained_network_is_persistence(name):
    model = surrogate(name, (PERIODIC, CLOSED))
    state = state_of(model, (8, 10))
    assert torch.equal(model.rollout(state, 2), state.unsqueeze(1).expand(-1, 2, -1, -1, -1))


@pytest.mark.parametrize("name", [name for name in EVERY if name != "UNet"])
@pytest.mark.parametrize("shape", [(24,), (13, 9), (8, 6, 5)])
def test_on_a_periodic_grid_it_commutes_with_every_shift(name, shape):
    model = awake(surrogate(name, (PERIODIC,) * len(shape)))
    # the operator uses single-precision transforms, whatever the precision of the weights
    precision = torch.float32 if name == "FNO" else torch.float64
    model = model if name == "FNO" else model.double()
    state = state_of(model, shape).to(precision)
    axes, shifts = tuple(range(2, state.ndim)), (3, -1, 2)[: len(shape)]
    output, shifted = model(state), model(state.roll(shifts, axes))
    atol = 1e-5 if name == "FNO" else 1e-12
    assert torch.allclose(shifted, output.roll(shifts, axes), atol=atol)
    assert not torch.allclose(shifted, output, atol=1e-2)


@pytest.mark.parametrize("name", ["ResNet", "DilatedResNet"])
def test_group_normalisation_keeps_hidden_channels_of_one_size(name):
    plain, normed = (
        awake(surrogate(name, (PERIODIC,), architecture={"norm": norm})).double()
        for norm in ("none", "group")
    )
    hidden = torch.randn(2, 4, 16, dtype=torch.float64)
    for model, is_normed in ((plain, False), (normed, True)):
        branch = model.network.layers[0].layers
        same = torch.allclose(branch(100 * hidden), branch(hidden), atol=1e-3)
        assert same == is_normed
    state = state_of(plain, (16,)).double()
    shifted = normed(state.roll(3, 2))
    assert torch.allclose(shifted, normed(state).roll(3, 2), atol=1e-12)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_zero_gradient_walls_block_influence_from_the_opposite_side(name):
    model = awake(surrogate(name, (CLOSED,), architecture={"kernel_size": 3}))
    state = state_of(model, (40,), windows=1).requires_grad_()
    model(state)[0, 0, 0].backward()
    influence = state.grad[0, 0].abs()
    assert influence[:2].min() > 0
    assert influence[20:].max() == 0


@pytest.mark.parametrize("name", EVERY)
def test_a_constant_between_walls_with_zero_gradient_stays_one(name):
    model = awake(surrogate(name, (CLOSED, CLOSED)))
    output = model(torch.full((1, 1, 9, 8), 0.7))
    assert (output - 0.7).abs().min() > 1e-2  # so the output is another constant
    assert (output - output[0, 0, 0, 0]).abs().max() < 1e-5


@pytest.mark.parametrize("name", EVERY)
def test_a_fixed_value_acts_on_its_side_in_physical_units(name):
    models = [awake(surrogate(name, ((value, "zero-gradient"),))) for value in (10.0, 14.0)]
    for model in models:
        model.input_mean.fill_(10.0)
        model.input_std.fill_(2.0)
    state = torch.full((1, 1, 40), 10.0)
    difference = (models[0](state) - models[1](state))[0, 0].abs()
    assert difference[0] > 1e-3
    if name != "FNO":  # its receptive field is the whole grid
        assert difference[-1] == 0


def test_a_dilated_step_sees_as_far_as_its_dilations_and_kernels():
    architecture = {"dilations": [1, 4], "kernel_size": 3, "blocks": 2}
    model = awake(surrogate("DilatedResNet", (PERIODIC,), architecture=architecture))
    state = state_of(model, (64,), windows=1).requires_grad_()
    model(state)[0, 0, 32].backward()
    seen = state.grad[0, 0].nonzero().flatten()
    reach = 1 + 2 * (1 + 4)
    assert (int(seen.min()), int(seen.max())) == (32 - reach, 32 + reach)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_reach_every_weight(name):
    model = awake(surrogate(name, (PERIODIC, CLOSED)))
    model.rollout(state_of(model, (8, 9)), 2).square().mean().backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


OPTIONS = {
    "plain": {},
    "state": {"residual": False},
    "bundle": {"bundle": 3},
    "coordinates": {"coordinates": 2},
    "potentials": {"potentials": True},
    "all": {"residual": False, "bundle": 2, "coordinates": 1, "potentials": True},
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("options", OPTIONS)
def test_saved_and_loaded_it_predicts_the_same_to_the_last_bit(tmp_path: Path, name, options):
    sides = (PERIODIC, (1.0, "zero-gradient"))
    model = awake(surrogate(name, sides, {"u": 1, "k": 1}, {"u": 1}, **OPTIONS[options]))
    model.fit_normalization([(state_of(model, (8, 9))[0], torch.randn(4, 1, 8, 9))])
    grid = Grid(("x", "y"), (8, 9), (0.0, 0.0), (1.0, 1.0), sides, (False, False))
    layouts = [FieldLayout("u"), FieldLayout("k", static=True)]
    save_synthetic_model(tmp_path / "model.pt", model, model.experiment, grid, layouts, 0.1)
    loaded = load_synthetic_model(tmp_path / "model.pt")
    state = state_of(model, (8, 9))
    with torch.no_grad():
        assert torch.equal(loaded.rollout(state, 5), model.rollout(state, 5))
    assert type(loaded) is type(model)


@pytest.mark.parametrize(
    ("name", "option", "expected"),
    [
        ("ResNet", {"block": 2}, r"architecture\.block: .*did you mean 'blocks'"),
        ("ConvNet", {"layers": 0}, r"architecture\.layers: 0"),
        ("DilatedResNet", {"dilations": []}, r"architecture\.dilations: \[\]"),
        ("DilatedResNet", {"kernel_size": 4}, r"architecture\.kernel_size: 4: .*odd"),
        ("ResNet", {"spatial_dims": 2}, r"architecture\.spatial_dims: 2: the data have 1"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(name, option, expected):
    with pytest.raises(ConfigError, match=r"model\.synthetic\." + expected):
        surrogate(name, (PERIODIC,), architecture=option)


def test_a_grid_smaller_than_the_kernel_is_rejected():
    model = surrogate("DilatedResNet", (PERIODIC,), architecture={"dilations": [1, 8]})
    with pytest.raises(ConfigError, match=r"sees 8 points .* the grid has \[7\] points"):
        model(torch.zeros(1, 1, 7))
    assert model(torch.zeros(1, 1, 8)).shape == (1, 1, 8)


def test_options_have_defaults():
    assert DilatedResNetArchitecture.parse({}).dilations == (1, 2, 4, 8, 4, 2, 1)


def test_a_missing_package_is_reported_with_its_install_command(monkeypatch):
    monkeypatch.setattr(FNOArchitecture, "needs", ("no_such_module", "its-package"))
    with pytest.raises(ConfigError, match=r"model\.synthetic\.name: .*`pip install its-package`"):
        FNOArchitecture.parse({})


@needs_neuraloperator
@pytest.mark.parametrize(
    ("shape", "modes"), [((16,), 8), ((5,), 8), ((10, 9), 6), ((4, 12), 6), ((6, 8, 4), 4)]
)
def test_the_spectral_convolution_is_that_of_the_package(shape, modes):
    from neuralop.models import FNO

    options = {"n_modes": (modes,) * len(shape), "in_channels": 2, "out_channels": 1}
    options |= {"hidden_channels": 4, "n_layers": 2, "positional_embedding": None}
    made = []
    for own in ({}, {"conv_module": SpectralConvolution}):
        torch.manual_seed(0)
        made.append(FNO(**options, **own))
    theirs, ours = made
    weights = {k: v for k, v in theirs.state_dict().items() if k != "_metadata"}
    drawn = ours.state_dict()
    assert all(torch.equal(drawn[name], values) for name, values in weights.items())
    state = torch.randn(3, 2, *shape)
    torch.testing.assert_close(ours(state), theirs(state), rtol=1e-5, atol=1e-6)


@needs_neuraloperator
def test_fno_pads_walls_and_leaves_periodic_axes():
    model = surrogate("FNO", (PERIODIC, (4.0, "zero-gradient")), architecture={"padding": 0.5})
    padded = model.prepare_input(torch.full((1, 1, 6, 8), 2.0))
    assert padded.shape == (1, 1, 6, 16)
    assert padded[0, 0, 0].tolist() == [4.0] * 4 + [2.0] * 12
    model.network = torch.nn.Identity()
    state = state_of(model, (6, 8))
    assert torch.equal(model.network_output(state), state)


@needs_neuraloperator
def test_importing_the_fno_package_keeps_the_warning_filters():
    import warnings

    before = list(warnings.filters)
    surrogate("FNO", (PERIODIC,))
    assert warnings.filters == before
