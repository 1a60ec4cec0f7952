"""Physical models: fields, batches, compiled steps, diverging rollouts, user-defined equations."""

import copy
import gc
import pickle
import weakref
from math import exp, pi

import pytest
import torch
from phi.torch.flow import math

from hybrid_pde.config.equations import EquationSpec, FieldRole, ParameterSpec
from hybrid_pde.data.field_conversion import from_field, to_field
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError, DivergenceError
from hybrid_pde.models.physical import BurgersPDE
from hybrid_pde.models.physical.conditions import Conditions
from hybrid_pde.models.physical.equation import Equation
from hybrid_pde.models.physical.field_roles import match_roles
from hybrid_pde.models.physical.physical_model import PhysicalModel, physical_model_class
from hybrid_pde.models.registry import ModelRegistry
from hybrid_pde.result_warnings import ResultWarning
from tests.physics.domains import walled_grid
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

GRID = periodic_grid((24, 20), (0.7, 1.3))
VECTOR = FieldLayout("velocity", ("x", "y"))


@pytest.fixture(autouse=True)
def double_precision():
    # Otherwise fields would be rounded to single precision on input and output.
    with math.precision(64):
        yield


def burgers(**numerics) -> BurgersPDE:
    return BurgersPDE(physical_config("BurgersPDE", {"viscosity": 0.01}, numerics=numerics))


def states(batch: int, amplitude: float = 0.3) -> torch.Tensor:
    x, y = coordinates(GRID)
    phases = torch.arange(1, batch + 1, dtype=torch.float64)[:, None, None]
    u = amplitude * torch.sin(2 * pi * x / 0.7 + phases)
    v = amplitude * torch.cos(2 * pi * y / 1.3 + 2 * phases)
    return torch.stack([u + v, u - v], dim=1)


def test_batch_equals_loop():
    model = burgers(substeps=5)
    batched = list(model.rollout(states(3), GRID, 4, 0.05))
    for entry, state in enumerate(states(3)):
        for together, alone in zip(batched, model.rollout(state, GRID, 4, 0.05), strict=True):
            torch.testing.assert_close(together[entry], alone, rtol=1e-13, atol=1e-14)


def test_predict_trajectory_equals_loop_of_single_frames():
    model = burgers()
    field = to_field(states(2), GRID, VECTOR)
    with torch.no_grad():
        frames = model.predict_trajectory({"velocity": field}, 4, 0.05)["velocity"]
        assert len(frames) == 4
        for frame in frames:
            field = model.predict_trajectory({"velocity": field}, 1, 0.05)["velocity"][0]
            torch.testing.assert_close(
                from_field(frame, GRID, VECTOR), from_field(field, GRID, VECTOR)
            )
    assert frames[0].extrapolation == field.extrapolation
    assert frames[0].bounds == field.bounds


def test_predict_trajectory_carries_gradients_to_learnable_parameters():
    config = physical_config(
        "BurgersPDE", {}, learnable=[{"name": "viscosity", "initial_guess": 0.01}]
    )
    model = BurgersPDE(config)
    assert model.viscosity.requires_grad and not model.advection.requires_grad
    field = to_field(states(1), GRID, VECTOR)
    last = model.predict_trajectory({"velocity": field}, 2, 0.05)["velocity"][-1]
    (from_field(last, GRID, VECTOR) ** 2).sum().backward()
    assert float(model.viscosity.grad) < 0  # more viscosity, less energy


def test_state_dict_and_copies():
    model = burgers()
    list(model.rollout(states(1), GRID, 1, 0.05))
    twin = copy.deepcopy(model)
    twin.set_parameters({"viscosity": torch.tensor(0.05)})
    assert float(model.viscosity) == 0.01
    twin.load_state_dict(model.state_dict())
    for a, b in zip(
        model.rollout(states(1), GRID, 2, 0.05), twin.rollout(states(1), GRID, 2, 0.05), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_graphs_of_steps_do_not_keep_their_model_alive():
    model = burgers()
    list(model.rollout(states(1), GRID, 2, 0.05))
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_changed_parameters_take_effect_after_compilation():
    model = burgers()
    (before,) = model.rollout(states(1), GRID, 1, 0.05)
    model.set_parameters({"viscosity": torch.tensor(0.05)})
    (after,) = model.rollout(states(1), GRID, 1, 0.05)
    assert after.norm() < 0.95 * before.norm()


def test_single_precision_rollout():
    (frame,) = burgers(precision="single").rollout(states(1), GRID, 1, 0.05)
    (exact,) = burgers().rollout(states(1), GRID, 1, 0.05)
    assert frame.dtype == torch.float32
    torch.testing.assert_close(frame.double(), exact, rtol=0, atol=1e-6)


def test_one_dimensional_burgers_takes_a_scalar_field():
    grid = periodic_grid((32,), (0.7,))
    u = torch.sin(2 * pi * coordinates(grid)[0] / 0.7)[None]
    frames = burgers().predict_trajectory({"u": to_field(u, grid, FieldLayout("u"))}, 2, 0.01)
    assert "vector" not in frames["u"][0].values.shape
    (expected, _) = burgers().rollout(u, grid, 2, 0.01)
    torch.testing.assert_close(from_field(frames["u"][0], grid, FieldLayout("u")), expected)


def test_divergence_names_simulation_frame_and_parameters():
    state = states(3)
    state[1] *= 1e3
    message = r"BurgersPDE: simulation 7 diverged in frame [12]: .*viscosity=0.01.*1 time steps"
    entries = [f"simulation {number}" for number in (6, 7, 8)]
    with pytest.raises(DivergenceError, match=message):
        list(burgers(substeps=1).rollout(state, GRID, 5, 0.1, entries=entries))


def test_runaway_states_are_detected_before_stepping():
    with pytest.raises(DivergenceError, match=r"frame 1 needs more than 10000 time steps"):
        list(burgers().rollout(states(1, amplitude=1e7), GRID, 5, 0.1))


def test_a_non_finite_state_is_not_stepped():
    state = states(2)
    state[1, 0, 3, 3] = torch.nan
    with pytest.raises(DivergenceError, match="simulation 1 is not finite at the start"):
        list(burgers().rollout(state, GRID, 1, 0.1))


def test_schemes_reject_unsupported_boundaries():
    field = to_field(torch.zeros(1, 16), walled_grid((16,), (1.0,)), FieldLayout("u"))
    with pytest.raises(ConfigError, match=r"spectral: it needs 'periodic' .* data\.boundary"):
        burgers(scheme="spectral").predict_trajectory({"u": field}, 1, 0.1)
    (frame,) = burgers().predict_trajectory({"u": field}, 1, 0.1)["u"]
    assert frame.extrapolation == field.extrapolation


def test_wrong_channels_are_refused():
    with pytest.raises(ConfigError, match=r"'velocity' has the shape \(3, 24, 20\)"):
        list(burgers().rollout({"velocity": torch.zeros(1, 3, 24, 20)}, GRID, 1, 0.1))


def test_initial_guess_overrides_the_true_value():
    config = physical_config(
        "BurgersPDE",
        {"viscosity": 0.01},
        learnable=[{"name": "viscosity", "initial_guess": 0.04}],
    )
    assert BurgersPDE(config).viscosity.item() == 0.04


@pytest.mark.parametrize(
    ("pde_params", "message"),
    [
        ({}, "viscosity: missing"),
        ({"viscosity": -1.0}, "viscosity = -1.0: viscosity must be zero or above"),
        ({"viscosity": [0.1, 0.2]}, "one number, not a list"),
        ({"viscosty": 0.1}, "'viscosty' is unknown; did you mean 'viscosity'"),
    ],
)
def test_wrong_parameters_are_refused(pde_params, message):
    with pytest.raises(ConfigError, match=message):
        BurgersPDE(physical_config("BurgersPDE", pde_params))


def test_roles_are_matched_by_name_then_in_order():
    spec = EquationSpec("Two", "", (FieldRole("a"), FieldRole("b")))
    assert match_roles(spec, ["conc", "a"]) == {"a": "a", "b": "conc"}
    assert match_roles(spec, ["p", "q", "r"]) == {"a": "p", "b": "q"}
    with pytest.raises(ConfigError, match=r"Two needs the fields \['a', 'b'\]"):
        match_roles(spec, ["a"])


class HeatWithDecay(PhysicalModel):
    """A minimal user-defined equation without hooks."""

    spec = EquationSpec(
        "HeatWithDecay",
        "u_t = κ ∇²u − r u",
        (FieldRole("u"),),
        {
            "conductivity": ParameterSpec("length²/time", positive=True),
            "decay": ParameterSpec("1/time", default=2.0),
        },
    )

    def rate(self, state, parameters, operators):
        u = state["u"]
        diffusion = parameters["conductivity"] * operators.laplacian(u)
        return {"u": diffusion - parameters["decay"] * u}


def test_a_user_defined_equation_needs_only_its_rate():
    model = HeatWithDecay(physical_config("HeatWithDecay", {"conductivity": 0.05}))
    x, _ = coordinates(GRID)
    k = 2 * pi / 0.7
    start = torch.sin(k * x)[None]
    *_, last = model.rollout(start, GRID, 3, 0.1)
    exact = start * torch.exp(torch.tensor(-(0.05 * k**2 + 2.0) * 0.3))
    assert model.substeps_used > 1
    assert (last - exact).abs().max() < 1e-3 * exact.abs().max()


class Decay(Equation):
    """A user-defined equation that does not use PyTorch."""

    spec = EquationSpec(
        "Decay", "u_t = −r u", (FieldRole("u"),), {"decay": ParameterSpec("1/time")}
    )

    def rate(self, state, parameters, operators):
        return {"u": -parameters["decay"] * state["u"]}


def test_a_plain_equation_becomes_a_model(monkeypatch):
    monkeypatch.setattr(ModelRegistry, "_physical", {})
    assert ModelRegistry.register_physical("Decay")(Decay) is Decay
    model = ModelRegistry(physical_config("Decay", {"decay": 2.0})).get_physical_model()
    assert isinstance(model, Decay) and isinstance(model, PhysicalModel)
    (last,) = model.rollout(torch.ones(1, *GRID.shape), GRID, 1, 0.1)
    torch.testing.assert_close(last, torch.full_like(last, exp(-0.2)), rtol=1e-5, atol=0)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert type(twin) is type(model)
        assert torch.equal(next(twin.rollout(torch.ones(1, *GRID.shape), GRID, 1, 0.1)), last)
    assert type(pickle.loads(pickle.dumps(burgers()))) is BurgersPDE
    with pytest.raises(TypeError, match=r"int: registered as the equation 'Number'"):
        ModelRegistry.register_physical("Number")(int)


def test_a_built_in_equation_can_be_subclassed():
    class Faster(BurgersPDE):
        def rate(self, state, parameters, operators):
            return {"velocity": 2 * super().rate(state, parameters, operators)["velocity"]}

    config = physical_config("BurgersPDE", {"viscosity": 0.01}, numerics={"substeps": 20})
    (last,) = Faster(config).rollout(states(1), GRID, 1, 0.05)
    (expected,) = burgers(substeps=20).rollout(states(1), GRID, 1, 0.1)
    torch.testing.assert_close(last, expected, rtol=0, atol=1e-12)


def test_an_equation_does_not_replace_attributes_of_the_model():
    class Clash(Decay):
        def rollout(self):
            """A method with the name of a model method."""

    with pytest.raises(TypeError, match=r"Clash: rollout: PhysicalModel has attributes"):
        physical_model_class(Clash)


@pytest.mark.parametrize("name", ["discretization", "options", "rollout"])
def test_a_parameter_does_not_replace_an_attribute_of_the_model(name):
    class Clash(HeatWithDecay):
        spec = EquationSpec("Clash", "u_t = r", (FieldRole("u"),), {name: ParameterSpec("1/time")})

    with pytest.raises(ConfigError, match=f"Clash: parameter '{name}': PhysicalModel has an attr"):
        Clash(physical_config("Clash", {name: 0.1}))


class PartlyLinear(PhysicalModel):
    """Two fields; only one of them declares its linear terms."""

    spec = EquationSpec(
        "PartlyLinear",
        "u_t = D ∇²u, v_t = ∇·(κ∇v)",
        (FieldRole("u"), FieldRole("v")),
        {
            "slow": ParameterSpec("length²/time"),
            "fast": ParameterSpec("length²/time", is_field=True),
        },
    )

    def rate(self, state, parameters, operators):
        return {
            "u": parameters["slow"] * operators.laplacian(state["u"]),
            "v": operators.diffuse(parameters["fast"], state["v"]),
        }

    def linear_terms(self, parameters):
        return {"u": {2: parameters["slow"]}}


@pytest.mark.parametrize("scheme", ["finite_difference", "spectral"])
def test_fields_without_linear_terms_are_bounded_by_their_unit(scheme):
    config = physical_config(
        "PartlyLinear", {"slow": 1e-3, "fast": 0.0}, numerics={"scheme": scheme}
    )
    model = PartlyLinear(config)
    model.set_parameters({"fast": torch.full(GRID.shape, 0.5)})
    noise = torch.randn(1, 1, *GRID.shape, generator=torch.Generator().manual_seed(0))
    *_, last = model.rollout({"u": noise, "v": noise}, GRID, 1, 0.1)
    assert model.substeps_used > 10
    assert last["v"].abs().max() < noise.abs().max()


class Drift(PhysicalModel):
    """Advection with a velocity whose unit is spelled otherwise."""

    spec = EquationSpec("Drift", "u_t = −c u_x", (FieldRole("u"),), {"c": ParameterSpec("m/s")})

    def rate(self, state, parameters, operators):
        return {"u": -parameters["c"] * operators.gradient(state["u"], "x")}


def test_an_equation_that_does_not_bound_its_time_step_is_reported_once():
    model = Drift(physical_config("Drift", {"c": 1.0}))
    with pytest.warns(ResultWarning, match="Drift: no parameter has .*one time step") as seen:
        list(model.rollout(states(1)[:, :1], GRID, 2, 1e-3))
    assert len(seen) == 1
    assert model.substeps_used == 1
    list(
        Drift(physical_config("Drift", {"c": 1.0}, numerics={"substeps": 2})).rollout(
            states(1)[:, :1], GRID, 1, 1e-3
        )
    )  # warnings are errors


def test_errors_name_the_values_of_the_simulation():
    model = burgers()
    conditions = Conditions({"viscosity": torch.tensor([0.01, 3e3], dtype=torch.float64)})
    with pytest.raises(DivergenceError, match=r"viscosity=\[0.01, 3000.0\]"):
        list(model.rollout(states(2), GRID, 1, 1.0, conditions=conditions))
    model = burgers(substeps=1)
    with pytest.raises(DivergenceError, match=r"simulation 1 diverged.*viscosity=3000.0"):
        list(model.rollout(states(2), GRID, 20, 1.0, conditions=conditions))
