"""Reports of parameter combinations that the data do not determine."""

from typing import Any

import numpy as np
import pytest
import torch

from hybrid_pde.models.physical import FisherKPPPDE, FitzHughNagumoPDE
from hybrid_pde.models.physical.physical_model import PhysicalModel
from hybrid_pde.training.physical import PhysicalTrainer
from hybrid_pde.training.physical.uncertainty import assess
from tests.gradient.calibration_case import Windows, learnable, trainer
from tests.physics.periodic_box import coordinates, periodic_grid, physical_config

pytestmark = pytest.mark.filterwarnings("ignore:.*the data do not determine it")

LINE = periodic_grid((16,), (0.7,))
FD2 = {"scheme": "finite_difference", "order": 2, "substeps": 6}


class Pair(Windows):
    """One window of two fields ``[T, 2, X]``."""

    def __iter__(self) -> Any:
        first, second = (
            Windows(self.frames[:, [c]], self.grid, self.num_frames, self.stride, self.dt)
            for c in (0, 1)
        )
        for (u, us), (v, vs) in zip(first, second, strict=True):
            yield {"u": u["u"], "v": v["u"]}, {"u": us["u"], "v": vs["u"]}


def calibrate(
    kind: type[PhysicalModel], guess: dict[str, float], data: Windows, **training: Any
) -> dict[str, Any]:
    parameters = [{"name": name, "initial_guess": value} for name, value in guess.items()]
    settings = {"check_discretization": False, **training}
    config = physical_config(kind.spec.name, {}, parameters, FD2, **settings)
    values = [torch.tensor(value, dtype=torch.float64) for value in guess.values()]
    return PhysicalTrainer(config, kind(config), values).train(data, 1)


@pytest.mark.parametrize("initial_state", ["known", "estimate"])
def test_one_wave_determines_only_its_growth_rate(initial_state: str) -> None:
    """A small wave of wavenumber k grows at the rate r − D k²: one number for two parameters."""
    (x,) = coordinates(LINE)
    dx = LINE.spacing[0]
    k2 = (2 - 2 * np.cos(2 * np.pi * dx / 0.7)) / dx**2  # of the second-order differences
    t = torch.arange(7).double()[:, None] * 0.02
    # So small that u² is below rounding.
    frames = 1e-13 * torch.exp((1.0 - 0.01 * k2) * t) * torch.sin(2 * np.pi * x / 0.7)
    data = Windows(frames[:, None], LINE, 6, 6, 0.02)
    guess = {"diffusivity": 0.02, "growth_rate": 1.5}
    result = calibrate(FisherKPPPDE, guess, data, initial_state=initial_state)
    assert result["loss"] < 1e-10
    assert not any(each["determined"] for each in result["parameters"].values())
    (direction,) = result["undetermined_directions"]
    assert direction["growth_rate"] / direction["diffusivity"] == pytest.approx(k2, rel=1e-3)


def test_uniform_fields_do_not_determine_their_diffusivities() -> None:
    """Uniform u and v react, which determines the threshold, but do not diffuse."""
    config = physical_config(
        "FitzHughNagumoPDE",
        {"diffusivity_u": 0.01, "diffusivity_v": 0.02, "threshold": 0.05},
        numerics=FD2,
    )
    state = {"u": torch.full((1, 16), 0.4).double(), "v": torch.full((1, 16), -0.1).double()}
    frames = [state, *FitzHughNagumoPDE(config).rollout(state, LINE, 8, 0.05)]
    data = Pair(torch.stack([torch.cat([f["u"], f["v"]]) for f in frames]).detach(), LINE)
    guess = {"diffusivity_u": 0.02, "diffusivity_v": 0.01, "threshold": 0.1}
    result = calibrate(FitzHughNagumoPDE, guess, data)
    found = result["parameters"]
    assert found["threshold"]["value"] == pytest.approx(0.05, rel=1e-5)
    assert found["threshold"]["determined"]
    for name in ("diffusivity_u", "diffusivity_v"):
        assert found[name]["value"] is None and not found[name]["determined"]
    assert [[*each] for each in result["undetermined_directions"]] == [
        ["diffusivity_u"],
        ["diffusivity_v"],
    ]


@pytest.mark.parametrize("initial_state", ["known", "estimate"])
def test_data_at_rest_determine_nothing(initial_state: str) -> None:
    frames = torch.zeros(9, 1, 20, dtype=torch.float64)
    name = "BurgersPDE"
    calibration = trainer(name, learnable(name), initial_state=initial_state)
    result = calibration.train(Windows(frames, periodic_grid((20,), (0.7,))), 1)
    assert [[*each] for each in result["undetermined_directions"]] == [["viscosity"], ["advection"]]


def test_undetermined_parameters_do_not_affect_other_deviations() -> None:
    """Two proportional columns count as one parameter for the third one's standard deviation."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 50))
    jacobian, residual = np.column_stack([a, 2 * a, b]), 0.1 * random.normal(size=50)
    found = assess(jacobian, residual, 50, 3)
    assert found.determined.tolist() == [False, False, True]
    (direction,) = found.directions
    np.testing.assert_allclose(direction / direction[0], [1, -0.5, 0], atol=1e-12)
    alone = assess(np.column_stack([a, b]), residual, 49, 2)
    assert found.std[2] == pytest.approx(alone.std[1], rel=1e-9)
    assert np.isnan(found.std[:2]).all()
