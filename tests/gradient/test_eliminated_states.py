"""Initial states that are eliminated by conjugate gradients."""

from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.data.observations.observed_simulation import ObservedSimulation
from hybrid_pde.domain.grid import FieldLayout
from hybrid_pde.errors import ConfigError
from hybrid_pde.models import ModelRegistry
from hybrid_pde.models.physical import GrayScottPDE
from hybrid_pde.models.physical.initial_parameters import learnable_parameters
from hybrid_pde.training.physical import (
    PhysicalTrainer,
    convergence,
    initial_state_unknowns,
    minimization,
    state_elimination,
)
from hybrid_pde.training.physical.linearization import Linearization
from hybrid_pde.training.physical.objective import Objective
from hybrid_pde.training.physical.observation_window import ObservationWindow, ObservedData
from hybrid_pde.training.physical.observations import Observations
from hybrid_pde.training.physical.parameter_vector import ParameterVector
from hybrid_pde.training.physical.uncertainty import assess
from tests.gradient.calibration_case import Windows
from tests.gradient.test_initial_states import INTERVAL, LINE, SPECTRAL, decaying_waves, diffusion
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

DENSE = 128


@pytest.fixture
def eliminated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conjugate gradients to rounding for states of any size."""
    monkeypatch.setattr(initial_state_unknowns, "_DENSE", 0)
    for name in ("_PARAMETER_TOLERANCE", "_STATE_TOLERANCE", "_FORCING"):
        monkeypatch.setattr(state_elimination, name, 1e-14)


def burgers(scheme: dict[str, Any]) -> tuple[Objective, Linearization]:
    """A misfit with three windows of two simulations and a hidden value, and its linearization."""
    frames = decaying_waves(0.1, 0)
    frames[0, 0, 3] = torch.nan
    seen = ObservedSimulation({"u": frames.nan_to_num(9.0)}, {"u": ~torch.isnan(frames)})
    windows = [ObservationWindow(0, range(n, n + 5), simulation=n // 8) for n in (0, 4, 8)]
    data = ObservedData(LINE, [FieldLayout("u", ("x",))], [seen], windows, INTERVAL)
    learned = [
        {"name": "viscosity", "initial_guess": 0.01},
        {"name": "advection", "initial_guess": 0.1},
    ]
    config = physical_config("BurgersPDE", {}, learned, scheme)
    model = ModelRegistry({**config, "workflow": {"compile": "never"}}).get_physical_model()
    model.precision = "double"
    vector = ParameterVector(model, learnable_parameters(model.spec, model.experiment))
    objective = Objective(model, Observations(data), vector, INTERVAL, estimate_states=True)
    return objective, objective.linearize(objective.start)


# so many steps between frames that the backward pass recomputes them
SMALL_STEPS = {"scheme": "finite_difference", "order": 2, "substeps": 20}


@pytest.mark.parametrize("scheme", [SPECTRAL, {"scheme": "semi_lagrangian"}, SMALL_STEPS])
def test_the_linearization_is_that_with_all_columns(
    scheme: dict[str, Any], eliminated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective, found = burgers(scheme)
    monkeypatch.setattr(initial_state_unknowns, "_DENSE", DENSE)
    _, expected = burgers(scheme)
    assert found.states is not None and expected.states is None
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    size, count = len(objective.vector), objective.num_values
    one, other = (assess(*at.of_parameters(size), count, len(at.z)) for at in (found, expected))
    np.testing.assert_allclose(one.std, other.std, rtol=1e-6)
    step = np.full(size, 0.01)
    np.testing.assert_allclose(found.steps(size, step), expected.steps(size, step), atol=1e-6)
    assert found.grams is not None and expected.grams is not None
    np.testing.assert_allclose(found.grams, expected.grams, rtol=1e-5, atol=1e-7)


def test_the_estimate_is_that_with_all_columns(
    eliminated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Windows(decaying_waves(0.1, 1), LINE, 6, 6, INTERVAL)
    for module in (convergence, minimization):
        monkeypatch.setattr(module, "IRRELEVANT", 1e-12)
    found = diffusion(data, "estimate")["parameters"]["diffusivity"]
    monkeypatch.setattr(initial_state_unknowns, "_DENSE", DENSE)
    expected = diffusion(data, "estimate")["parameters"]["diffusivity"]
    assert found["value"] == pytest.approx(expected["value"], rel=1e-6)
    assert found["std"] == pytest.approx(expected["std"], rel=1e-6)


PLANE = periodic_grid((24, 16), (1.2, 0.8))
SPECIES = {"diffusivity_a": 2e-5, "diffusivity_b": 1e-5, "feed": 0.04, "kill": 0.06}


def species(noise: float) -> tuple[ObservedData, torch.Tensor]:
    """Two simulations of 9 noisy frames of two species, and the exact states of the windows."""
    config = physical_config("GrayScottPDE", SPECIES, numerics=SPECTRAL)
    model, generator = GrayScottPDE(config), torch.Generator().manual_seed(0)
    model.precision = "double"
    x, y = coordinates(PLANE)
    x, y = 2 * np.pi * x / PLANE.upper[0], 2 * np.pi * y / PLANE.upper[1]
    recordings, windows, starts = [], [], []
    for number in range(2):
        wave = torch.sin(x + number) * torch.cos(y)
        state = {"a": (0.6 + 0.3 * wave)[None], "b": (0.3 - 0.2 * torch.cos(2 * x + y))[None]}
        with torch.no_grad():
            rest = list(model.rollout(state, PLANE, 8, 1.0))
        frames = {n: torch.stack([state[n], *(f[n] for f in rest)]).double() for n in state}
        own = [ObservationWindow(number, range(n, n + 5), simulation=number) for n in (0, 4)]
        starts += [torch.cat([u[w.frames[0]] for u in frames.values()]) for w in own]
        noisy = {
            name: u + noise * u.std() * torch.randn(u.shape, generator=generator).double()
            for name, u in frames.items()
        }
        recordings.append(ObservedSimulation(noisy, {}))
        windows += own
    layouts = [FieldLayout("a"), FieldLayout("b")]
    return ObservedData(PLANE, layouts, recordings, windows, 1.0), torch.stack(starts)


def test_noisy_states_of_two_species_are_smoothed() -> None:
    data, exact = species(0.02)
    learned = [{"name": n, "initial_guess": 1.5 * SPECIES[n]} for n in ("feed", "kill")]
    known = {n: v for n, v in SPECIES.items() if "diffusivity" in n}
    settings = {"initial_state": "estimate", "check_discretization": False}
    config = physical_config("GrayScottPDE", known, learned, SPECTRAL, **settings)
    config["workflow"] = {"compile": "never"}
    guesses = [torch.tensor(each["initial_guess"]) for each in learned]
    trainer = PhysicalTrainer(config, GrayScottPDE(config), guesses)
    result = trainer.train(data, 1)
    assert result["status"] == "converged"
    assert result["loss"] == pytest.approx(0.02**2, rel=0.25), "less what the states take up"
    for name in ("feed", "kill"):
        found = result["parameters"][name]
        assert abs(found["value"] - SPECIES[name]) < 3 * found["uncertainty"]
        assert found["uncertainty"] < 0.1 * SPECIES[name]
        assert found["uncertainty_parts"]["initial_state"] is None
    assert trainer.calibration is not None
    objective, size = trainer.calibration.objective, len(trainer.vector)
    assert objective.states is not None and not objective.states.is_dense
    states = torch.from_numpy(trainer.calibration.unknowns()[size:])
    numbers = range(len(exact))
    smoothed = objective.states.states(states, numbers)
    noisy = objective.observations.initial(numbers)
    for channel, name in enumerate(("a", "b")):
        truth = exact[:, channel : channel + 1]
        left, before = ((u[name] - truth).pow(2).mean().sqrt() for u in (smoothed, noisy))
        assert left < 0.7 * before, name


def test_states_that_do_not_fit_into_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initial_state_unknowns, "_DENSE", 0)
    monkeypatch.setattr("hybrid_pde.config.checks.calibration._MAX_VALUES", 1500)
    frames = decaying_waves(0.0, 0)
    with pytest.raises(ConfigError, match=r"12 frames of 32 values .* Lower .*num_predict_steps"):
        diffusion(Windows(frames, LINE, 12, 12, INTERVAL), "estimate")
    with pytest.raises(ConfigError, match=r"states of 12 windows .* Raise .*num_predict_steps"):
        diffusion(Windows(frames, LINE, 1, 1, INTERVAL), "estimate")
