"""Network passes of a surrogate: increments or states, bundles of steps, position inputs."""

import math

import pytest
import torch

from hybrid_pde.domain.grid import FieldLayout, Grid
from hybrid_pde.errors import CheckpointError, ConfigError, OwnModelError
from hybrid_pde.models import load_synthetic_model
from hybrid_pde.models.surrogate_file import save_synthetic_model
from hybrid_pde.models.synthetic.normalization import normalization_of
from hybrid_pde.models.synthetic.position_channels import coordinates, num_coordinates
from hybrid_pde.models.synthetic.potential_channels import WAVES, PotentialGradients
from hybrid_pde.models.synthetic.synthetic_model import MAX_STEPS_KEPT
from tests.unit.surrogates import CLOSED, PERIODIC, awake, state_of, surrogate


def test_a_network_of_the_state_itself_is_scaled_by_its_mean_and_deviation():
    model = awake(surrogate("ConvNet", (PERIODIC,), {"k": 1, "u": 1}, {"u": 1}, residual=False))
    model.input_mean.copy_(torch.tensor([5.0, 3.0]))
    model.input_std.copy_(torch.tensor([7.0, 2.0]))
    state = state_of(model, (12,))
    expected = 3.0 + 2.0 * model.network(model.prepare_input(state))
    assert torch.equal(model(state), expected)
    untrained = surrogate("ConvNet", (PERIODIC,), residual=False)
    untrained.input_mean.fill_(3.0)
    assert torch.equal(untrained(state[:, :1]), torch.full((2, 1, 12), 3.0))


@pytest.mark.parametrize("residual", [True, False])
def test_rollout_of_a_bundle_equals_explicit_passes(residual):
    model = surrogate(
        "ResNet", (PERIODIC,), {"u": 2, "k": 1}, {"u": 2}, bundle=3, residual=residual
    )
    model = awake(model)
    model.increment_std.copy_(torch.tensor([0.5, 2.0]))
    model.increment_growth.copy_(torch.tensor([[1.0, 1.0], [1.5, 2.0], [2.0, 3.0]]))
    model.input_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    state = state_of(model, (10,))
    given, expected = state, []
    for _ in range(3):
        raw = model.network(model.prepare_input(given)).reshape(2, 3, 2, 10)
        for k in range(3):
            growth = model.increment_growth[k] * model.increment_std
            change = raw[:, k] * growth[:, None]
            mean = torch.tensor([[1.0], [2.0]])
            expected.append(given[:, :2] + change if residual else mean + raw[:, k])
        given = torch.cat([expected[-1], state[:, 2:]], dim=1)
    rollout = model.rollout(state, 8)
    assert rollout.shape == (2, 8, 2, 10)
    assert torch.allclose(rollout, torch.stack(expected[:8], dim=1), atol=1e-6)
    assert torch.equal(model(state), rollout[:, 0])
    assert torch.equal(model.rollout(state, 2), rollout[:, :2])


def test_a_bundle_makes_fewer_passes_and_cuts_the_last():
    model = awake(surrogate("ConvNet", (PERIODIC,), bundle=4))
    calls = []
    model.network.register_forward_hook(lambda *_: calls.append(1))
    assert model.rollout(state_of(model, (8,)), 9).shape[1] == 9
    assert len(calls) == 3


def test_a_long_rollout_of_bundles_keeps_its_derivative_and_computes_passes_again():
    model = awake(surrogate("ConvNet", (PERIODIC,), bundle=2), size=0.05)
    state, steps = state_of(model, (8,)), 2 * (MAX_STEPS_KEPT + 2)
    calls = []
    model.network.register_forward_hook(lambda *_: calls.append(1))
    model.rollout(state, steps).square().mean().backward()
    found = [p.grad.clone() for p in model.network.parameters()]
    assert len(calls) == steps
    model.zero_grad()
    frames = []
    for _ in range(steps // 2):
        made = model.predict(state)
        frames.append(made)
        state = made[:, -1]
    torch.cat(frames, dim=1).square().mean().backward()
    for gradient, parameter in zip(found, model.network.parameters(), strict=True):
        assert gradient.abs().max() > 0
        assert torch.allclose(gradient, parameter.grad, rtol=1e-4, atol=1e-7)


def test_growth_of_a_bundle_is_that_of_the_increments_over_its_steps():
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(6, 5, 2, 300, generator=generator)
    steps[:, :, 1] = 0.1  # one channel diffuses, the other drifts
    starts = torch.randn(6, 1, 2, 300, generator=generator)
    frames = torch.cat([starts, starts + steps.cumsum(dim=1)], dim=1)
    windows = [(frame[0], frame[1:]) for frame in frames]
    model = surrogate("ConvNet", (PERIODIC,), {"u": 2}, bundle=4)
    model.fit_normalization(windows)
    k = torch.arange(1.0, 5.0)
    expected = torch.stack([k.sqrt(), k], dim=1)
    assert torch.allclose(model.increment_growth, expected, rtol=0.05)
    assert torch.allclose(model.increment_growth[:, 1], k, rtol=1e-4)
    assert torch.allclose(model.increment_std, torch.tensor([1.0, 0.1]), rtol=0.05)
    single = normalization_of(windows, [0, 1])
    assert torch.equal(single["increment_std"], model.increment_std)


def test_a_bundle_longer_than_the_windows_is_rejected():
    model = surrogate("ConvNet", (PERIODIC,), bundle=4)
    with pytest.raises(ConfigError, match=r"bundle: 4: the windows have 3 targets"):
        model.fit_normalization([(torch.randn(1, 8), torch.randn(3, 1, 8))])


@pytest.mark.parametrize("boundary", [(PERIODIC,), (CLOSED, PERIODIC), ((1.0, "zero-gradient"),)])
def test_harmonics_of_positions_continue_beyond_the_ends(boundary):
    space = (8, 6)[: len(boundary)]
    inside = coordinates(space, space, boundary, 2)
    assert len(inside) == num_coordinates(boundary, 2)
    padded = coordinates(space, [size + 4 for size in space], boundary, 2)
    for axis, size in enumerate(space):
        inner = padded.movedim(axis + 1, -1)[..., 2:-2]
        padded = inner.movedim(-1, axis + 1)
        assert padded.shape[axis + 1] == size
    assert torch.allclose(padded, inside, atol=1e-6)
    axis = len(boundary) - 1
    x = (torch.arange(space[axis]) + 0.5) / space[axis]
    along = inside.movedim(axis + 1, -1).reshape(len(inside), -1, space[axis])[:, 0]
    if "periodic" in boundary[axis]:
        assert torch.allclose(along[-4], torch.sin(2 * math.pi * x), atol=1e-6)
        assert torch.allclose(along[-1], torch.cos(4 * math.pi * x), atol=1e-6)
    else:
        assert torch.allclose(along[-1], torch.cos(2 * math.pi * x), atol=1e-6)


def test_harmonics_wrap_around_periodic_and_mirror_at_closed_ends():
    wrapped = coordinates((8,), (12,), (PERIODIC,), 3)
    assert torch.allclose(wrapped[:, :2], wrapped[:, 8:10], atol=1e-6)
    mirrored = coordinates((8,), (12,), (CLOSED,), 3)
    assert torch.allclose(mirrored[:, :2], mirrored[:, 2:4].flip(1), atol=1e-6)
    assert mirrored[:, 2:10].std(dim=1).min() > 0.5


@pytest.mark.parametrize("name", ["UNet", "ResNet"])
def test_positions_break_the_symmetry_under_shifts(name):
    options = {"architecture": {"depth": 0}} if name == "UNet" else {}
    state = torch.randn(1, 1, 16)
    for harmonics, same in ((0, True), (2, False)):
        model = awake(surrogate(name, (PERIODIC,), coordinates=harmonics, **options))
        shifted = model(state.roll(5, 2))
        assert torch.allclose(shifted, model(state).roll(5, 2), atol=1e-5) == same


def test_positions_allow_learning_a_space_dependent_forcing():
    """The target is a forcing that does not depend on the state."""
    x = (torch.arange(16) + 0.5) / 16
    forcing = torch.sin(2 * math.pi * x)
    errors = []
    for harmonics in (0, 1):
        model = surrogate("ConvNet", (PERIODIC,), coordinates=harmonics)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        generator = torch.Generator().manual_seed(0)
        for _ in range(150):
            state = torch.randn(16, 1, 16, generator=generator)
            loss = (model(state) - state - forcing).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        errors.append(loss.item())
    assert errors[1] < 0.02 < 0.3 < errors[0]  # the mean square of the forcing is 0.5


def test_positions_first_computed_in_inference_can_be_used_in_training():
    model = awake(surrogate("ConvNet", (PERIODIC,), coordinates=1))
    state = state_of(model, (8,))
    with torch.inference_mode():
        before = model(state).clone()
    model(state).sum().backward()
    assert model.network.lift.weight.grad.abs().min() > 0
    assert torch.equal(before, model(state))


def test_a_network_with_too_few_outputs_for_its_bundle_is_rejected():
    model = surrogate("ConvNet", (PERIODIC,), bundle=2)
    model.network = torch.nn.Conv1d(1, 1, 3)
    with pytest.raises(
        OwnModelError, match=r"bundle: 2: the network gives 1 channels, 2 are needed"
    ):
        model(torch.zeros(1, 1, 8))


def test_values_of_parameters_are_saved_in_the_file(tmp_path):
    model = surrogate("ConvNet", (PERIODIC,), {"u": 1, "viscosity": 1}, {"u": 1})
    model.parameter_defaults = {"viscosity": [0.01]}
    grid = Grid(("x",), (8,), (0.0,), (1.0,), (PERIODIC,), (False,))
    path = tmp_path / "model.pt"
    save_synthetic_model(path, model, model.experiment, grid, [FieldLayout("u")], 0.1)
    assert load_synthetic_model(path).parameter_defaults == {"viscosity": (0.01,)}
    content = torch.load(path, weights_only=True)
    torch.save(content | {"parameter_defaults": {"velocity": [1.0]}}, path)
    with pytest.raises(CheckpointError, match="parameter 'velocity': no static input"):
        load_synthetic_model(path)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"u": [1.0]}, "parameter 'u': no static input; .* has viscosity"),
        ({"viscosity": [1.0, 2.0]}, "input_specs.viscosity says 1 number"),
    ],
)
def test_values_of_unknown_parameters_are_rejected(values, expected):
    model = surrogate("ConvNet", (PERIODIC,), {"u": 1, "viscosity": 1}, {"u": 1})
    with pytest.raises(ConfigError, match=expected):
        model.parameter_defaults = values


def wave(sides: tuple, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """A wave that has the boundary conditions at 0 and 1, its slope, and its wavenumber."""
    lower, upper = (side == "zero-gradient" for side in sides)
    k = math.pi * (2 if "periodic" in sides or lower == upper else 1.5)
    if lower:
        return torch.cos(k * x), -k * torch.sin(k * x), k
    return torch.sin(k * x), k * torch.cos(k * x), k


@pytest.mark.parametrize("sides", [PERIODIC, CLOSED, (1.0, 2.0), (0.0, "zero-gradient")])
@pytest.mark.parametrize("points", [(12, 7), (9, 10)])
def test_gradients_of_potentials_are_those_of_the_closed_form(sides, points):
    """φ is a wave along each axis of a box with unequal sides and spacings."""
    boundary, lengths, added = (sides, PERIODIC), (2.0, 3.0), 2
    spacing = [length / n for length, n in zip(lengths, points, strict=True)]
    x = [(torch.arange(n).double() + 0.5) / n for n in points]
    beyond = [(torch.arange(-added, n + added).double() + 0.5) / n for n in points]
    values, numbers = [], []
    for each, at, length in zip(boundary, x, lengths, strict=True):
        value, _, k = wave(each, at)
        values.append(value)
        numbers.append(k / length)
    field = -(numbers[0] ** 2 + numbers[1] ** 2) * torch.outer(*values)
    (a, da, _), (b, db, _) = (wave(*pair) for pair in zip(boundary, beyond, strict=True))
    expected = torch.stack([torch.outer(da, b) / lengths[0], torch.outer(a, db) / lengths[1]])
    unit = math.sqrt(math.prod(lengths)) / (2 * math.pi * WAVES)
    padded = [n + 2 * added for n in points]
    found = PotentialGradients(points, padded, boundary, spacing)(5.0 + field[None, None])
    if sides in (PERIODIC, CLOSED):  # elsewhere a constant has a potential of its own
        assert torch.allclose(found[0], expected / unit, rtol=0, atol=1e-11)
    found = PotentialGradients(points, padded, boundary, spacing)(field[None, None])
    assert torch.allclose(found[0], expected / unit, rtol=0, atol=1e-11)


@pytest.mark.parametrize("potentials", [False, True])
def test_with_potentials_a_step_sees_the_whole_box_and_commutes_with_shifts(potentials):
    model = awake(surrogate("ConvNet", (PERIODIC, PERIODIC), potentials=potentials))
    state = state_of(model, (32, 24))
    moved = state.clone()
    moved[..., 0, 0] += 1.0
    far = (model(moved) - model(state))[..., 16, 12]
    assert bool(far.abs().max() > 0) == potentials
    shifted = model(state.roll((5, 3), (2, 3)))
    assert torch.allclose(shifted, model(state).roll((5, 3), (2, 3)), atol=1e-5)
